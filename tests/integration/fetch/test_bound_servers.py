"""Whose FHIR servers are read: with a clients file those of the caller, and nobody else's."""

import pytest

from tests.support.authenticated_service import ENDPOINTS, authenticated_service
from tests.support.hook_calls import TOKEN, entries, hook_call, reading, why
from tests.support.odd_server import holds, odd_server
from tests.support.signing import ISSUER

OTHER = "https://other.example.org"
SERVICE = ENDPOINTS["service"]
EXPLANATIONS = SERVICE.replace("/cds-services", "/playground/explanations")
DECISIVE = holds(*entries("prostate cancer"))


@pytest.fixture(scope="module", name="servers")
def the_servers_of_two():
    """Run a FHIR server of each of two clients."""
    with odd_server() as first, odd_server() as second:
        yield {ISSUER: first, OTHER: second}


@pytest.fixture(scope="module", name="entrance")
def an_entrance(tmp_path_factory, knowledge, servers):
    """Serve the application with the two clients, and a third that has no server."""
    listed = {issuer: f'fhir_servers = ["{server.url}"]' for issuer, server in servers.items()} | {"urn:none": ""}
    clients = [f'issuer = "{issuer}"\njwks_file = "keys.json"\n{line}' for issuer, line in listed.items()]
    with authenticated_service(tmp_path_factory.mktemp("bound"), knowledge, *clients, development=True) as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(servers):
    for server in servers.values():
        server.stages(condition=DECISIVE, procedure=DECISIVE)
        server.connections = 0


@pytest.mark.parametrize("issuer", [ISSUER, OTHER])
def test_ones_own_server(issuer, entrance, servers):
    """A call is read from its caller's own server, which gets the call's token and not the caller's."""
    server = servers[issuer]
    response = entrance.asked(SERVICE, hook_call(server.url), iss=issuer)
    assert len(response.json()["cards"]) == 1
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}
    assert [second.connections for name, second in servers.items() if name != issuer] == [0]


@pytest.mark.parametrize(("caller", "owner"), [(ISSUER, OTHER), (OTHER, ISSUER), ("urn:none", ISSUER)])
def test_the_server_of_another(caller, owner, entrance, servers):
    """A call that names the server of another client is not followed: a 412 says so, and nothing arrives there."""
    text = why(entrance.asked(SERVICE, hook_call(servers[owner].url), iss=caller))
    assert "or the clients file" in text
    assert servers[owner].url not in text
    assert [server.connections for server in servers.values()] == [0, 0]


def test_no_caller(entrance, servers):
    """Without a token nothing is read, not even where an explanation is asked for, which needs none."""
    body = hook_call(servers[ISSUER].url)
    assert entrance.ask(SERVICE, body=body).status_code == 401
    text = why(entrance.client.post(body, EXPLANATIONS))
    assert "an explanation reads no FHIR server" in text
    assert [server.connections for server in servers.values()] == [0, 0]


def test_an_explanation_never_reads(knowledge, servers):
    """Nor does an explanation read where anyone may call and the settings list the server."""
    with reading(knowledge, servers[ISSUER].url) as client:
        body = hook_call(servers[ISSUER].url)
        assert "an explanation reads no FHIR server" in why(client.post(body, EXPLANATIONS))
        assert servers[ISSUER].connections == 0
        assert len(client.cards(body)) == 1

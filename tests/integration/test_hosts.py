"""Who may ask from where, without clients: the Host header, the media type, and other spellings of a URL."""

import json

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.corpus import call
from tests.support.service import ORDER_SELECT, Client, serving

PATHS = ["/cds-services", "/cards/lumbosacral-plexus-mri", "/dashboard", "/dashboard/export/cards.csv", "/metrics"]

KNOWN = [
    *("localhost", "localhost:8080", "LOCALHOST", "localhost.", "127.0.0.1:1", "[::1]:8080", "10.1.2.3", ""),
    *("cds.hospital.example", "cds.hospital.example:443", "cds.internal"),
]
UNKNOWN = ["elsewhere.example", "localhost.example", "127.0.0.1.example:80", "cds", "x.cds.internal", "[x", "a b", "@"]
UNKNOWN += [
    "[::1]elsewhere.example",
    "[::1",
    "[127.0.0.1].elsewhere.example",
    "[x.localhost]",
    "localhost:80@elsewhere.example",
]


@pytest.fixture(params=["true", "false"], ids=["fast path", "Flask"], name="client")
def a_service_without_clients(request, knowledge):
    """Give a client of a service that has a public URL and a further name, on each way of a call."""
    settings = Settings(
        public_url="https://cds.hospital.example",
        allowed_hosts="cds.internal",
        dashboard=True,
        fast_path=request.param,
        anyone_may_call=True,
    )
    with serving(create_app(settings, knowledge)) as base:
        yield Client(base)


@pytest.mark.parametrize("host", KNOWN)
def test_a_host_that_the_site_names(host, client):
    """A name of the site and any IP address are accepted, for calls and pages; so is no Host, as HTTP/1.0 has it."""
    headers = {"Host": host, "Content-Type": "application/json"}
    assert client.session.post(client.base + ORDER_SELECT, json=call(), headers=headers, timeout=10).status_code == 200
    assert [client.get(path, headers=headers).status_code for path in PATHS] == [200] * len(PATHS)


@pytest.mark.parametrize("host", UNKNOWN)
def test_a_host_that_is_not_the_site_s(host, client):
    """Any other name is a 421 everywhere, with an OperationOutcome that names the setting."""
    headers = {"Host": host, "Content-Type": "application/json"}
    response = client.session.post(client.base + ORDER_SELECT, json=call(), headers=headers, timeout=10)
    assert (response.status_code, response.json()["resourceType"]) == (421, "OperationOutcome")
    assert "PLEXUS_CDS_ALLOWED_HOSTS" in response.text
    assert [client.get(path, headers=headers).status_code for path in PATHS] == [421] * len(PATHS)


JSON_TYPES = [
    *("application/json", "application/json; charset=utf-8", "Application/JSON", "application/fhir+json"),
    *("application/json ;charset=UTF-8", "application/vnd.ehr+json"),
]
OTHER_TYPES = [
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp"),
    *("text/json", "application/xml", "application/json, text/plain", "x; application/json"),
]


@pytest.mark.parametrize("path", [ORDER_SELECT, f"{ORDER_SELECT}/feedback"])
@pytest.mark.parametrize(
    ("media_type", "status"), [*((name, 200) for name in JSON_TYPES), *((name, 415) for name in OTHER_TYPES)]
)
def test_media_types(media_type, status, path, client):
    """Calls and feedback are JSON by their Content-Type: a web page can send any other without asking first."""
    body = {"feedback": []} if path.endswith("feedback") else call()
    headers = {"Content-Type": media_type}
    request_body = client.session.post(client.base + path, data=json_bytes(body), headers=headers, timeout=10)
    assert request_body.status_code == status
    assert ("Content-Type: application/json" in request_body.text) == (status == 415)


@pytest.mark.parametrize(("origin", "status"), [(None, 200), ("https://elsewhere.example", 415)])
@pytest.mark.parametrize("path", [ORDER_SELECT, f"{ORDER_SELECT}/feedback"])
def test_no_media_type(path, origin, status, client):
    """A program may leave the Content-Type out; a web page, which can do so without asking first, may not."""
    body = {"feedback": []} if path.endswith("feedback") else call()
    headers = {"Content-Type": None} | ({"Origin": origin} if origin else {})
    response = client.session.post(client.base + path, data=json_bytes(body), headers=headers, timeout=10)
    assert response.status_code == status


def json_bytes(body) -> bytes:
    """Return JSON of which no library says what it is."""
    return json.dumps(body).encode()


@pytest.mark.parametrize("encoding", ["identity", "Identity", "IDENTITY, identity", ""])
def test_no_encoding(encoding, client):
    """`identity` is no encoding, in any case of letters."""
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    assert client.session.post(client.base + ORDER_SELECT, json=call(), headers=headers, timeout=10).ok


@pytest.mark.parametrize("encoding", ["GZIP", "x-gzip", "Br", "identity, gzip", "unheard-of"])
def test_an_encoding(encoding, client):
    """An encoded body is refused, in any case of letters."""
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    response = client.session.post(client.base + ORDER_SELECT, json=call(), headers=headers, timeout=10)
    assert response.status_code == 415


@pytest.mark.parametrize("origin", [None, "https://elsewhere.example", "http://localhost:3000"])
def test_vary(origin, client):
    """Every answer of the CDS Hooks API says once that it depends on the Origin, so that no cache mixes them up."""
    headers = {"Origin": origin} if origin else {}
    answers = [
        client.get("/cds-services", headers=headers),
        client.get("/cds-services/other", headers=headers),
        client.session.post(client.base + ORDER_SELECT, json=call(), headers=headers, timeout=10),
        client.session.post(client.base + ORDER_SELECT, json=[], headers=headers, timeout=10),
    ]
    assert [answer.headers.get("Vary") for answer in answers] == ["Origin"] * len(answers)


def test_a_page_that_does_not_exist(client):
    """A person who opens a URL that does not exist sees a page; a program gets an OperationOutcome."""
    page = client.get("/nowhere", headers={"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "Page not found" in page.text
    assert "Content-Security-Policy" in page.headers
    program = client.get("/nowhere", headers={"Accept": "*/*"})
    assert (program.status_code, program.json()["resourceType"]) == (404, "OperationOutcome")


STATIC = ["/static/plexus.css", "/static/playground.js"]


@pytest.mark.parametrize("path", [*STATIC, "/cards/lumbosacral-plexus-mri", "/openapi.json"])
def test_gzip(path, client):
    """Pages, scripts and styles are compressed for who accepts it, and are the same then."""
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    small = client.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert int(small.headers["Content-Length"]) < len(plain.content) / 2
    assert small.content == plain.content
    assert "Accept-Encoding" in small.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_file_that_did_not_change(encoding, client):
    """A browser that has a script or a style already is told so, whichever way it got it."""
    headers = {"Accept-Encoding": encoding}
    first = client.get("/static/plexus.css", headers=headers)
    again = client.get("/static/plexus.css", headers=headers | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_is_not_compressed(client):
    """Cards and discovery go out as they are, and so does what a client takes as it is or that is small."""
    headers = {"Accept-Encoding": "gzip", "Content-Type": "application/json"}
    card = client.session.post(client.base + ORDER_SELECT, json=call(), headers=headers, timeout=10)
    assert card.json()["cards"]
    refused = client.get("/static/plexus.css", headers={"Accept-Encoding": "gzip;q=0"})
    for answer in (card, client.get("/cds-services", headers=headers), refused, client.get("/livez", headers=headers)):
        assert "Content-Encoding" not in answer.headers

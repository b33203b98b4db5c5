"""Authentication at each endpoint: the attacks on tokens over HTTP, what is answered, and what is logged."""

import re

import pytest

from cds_service.auth import Check
from tests.integration.auth.attacks import ATTACKS
from tests.support import signing
from tests.support.authenticated_service import BASE, ENDPOINTS, PAGE, PATHS, authenticated_service
from tests.support.metric_series import rises
from tests.support.odd_server import odd_server
from tests.support.signing import ISSUER, bearer

ROWS = f'issuer = "{ISSUER}"\njwks_file = "keys.json"\ntenants = ["north", "south"]'
CHOSEN = {
    "no header": "X-04",
    "another scheme": "X-04",
    "two tokens": "X-04",
    "oversized": "X-04",
    "tampered claims": "X-05",
    "another key": "X-05",
    "no algorithm": "X-06",
    "two algorithms": "X-06",
    "no kid": "X-07",
    "no type": "X-08",
    "another type": "X-08",
    "no issuer": "X-10",
    "expired": "X-12",
    "no iat": "X-12",
    "valid for too long": "X-12",
    "no id": "X-13",
    "another tenant": "X-14",
    "an unknown issuer": "X-15",
    "a kid that nobody has": "X-16",
    "jwk": "X-16",
    "none": "X-17",
    "none with a signature": "X-17",
    "the public key as a secret": "X-18",
    "an algorithm that is not listed": "X-20",
    "crit": "X-24",
}
"""Attacks of each kind, and the requirement that each would break."""
BROKEN = "200 for a token that proves nothing"


@pytest.fixture(scope="module", name="entrance")
def an_entrance(tmp_path_factory, knowledge):
    """Serve the application with one client that has every restriction."""
    with authenticated_service(tmp_path_factory.mktemp("authenticated"), knowledge, ROWS) as found:
        found.asked(ENDPOINTS["discovery"], tenant="north")  # reads the keys, which is logged
        yield found


def refused(response) -> bool:
    """Tell whether an answer is a bare 401: an OperationOutcome without any word of why."""
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Content-Type"] == "application/fhir+json"
    issue = {"severity": "error", "code": "login"}
    return response.json() == {"resourceType": "OperationOutcome", "issue": [issue]}


@pytest.mark.requirement("X-04", broken="401 for a client that signs its calls")
@pytest.mark.requirement("X-11", broken="401 for a token that names the address which is called")
@pytest.mark.requirement("X-19", broken="401 for ES384 or RS384")
@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
@pytest.mark.parametrize("path", PATHS)
def test_a_token_of_its_own(path, algorithm, entrance):
    """Each address answers to a token for exactly this address."""
    text = bearer(claimed={"tenant": "north", "aud": BASE + path}, algorithm=algorithm)
    assert entrance.ask(path, text).status_code == 200


@pytest.mark.requirement("X-11", broken="a token for the service that opens its feedback, or the other way round")
@pytest.mark.parametrize("path", PATHS)
def test_the_token_of_another_address(path, entrance, logged):
    """A token for another address, for the service as a whole or for a spelling of the address, is refused."""
    urls = [BASE + other for other in PATHS if other != path]
    urls += [BASE, f"{BASE}/", f"{BASE}{path}/", entrance.client.base + path, f"{BASE}{path}?x=1"]
    for url in urls:
        assert refused(entrance.asked(path, tenant="north", aud=url)), url
    assert [line["reason"] for line in logged()] == [Check.AUDIENCE] * len(urls)


CASES = [
    pytest.param(*ATTACKS[name], marks=[pytest.mark.requirement(broken_one, broken=BROKEN)], id=name)
    for name, broken_one in CHOSEN.items()
]


@pytest.mark.requirement("X-03", broken="an answer to whoever asks")
@pytest.mark.requirement("X-25", broken="a word of why in the answer")
@pytest.mark.parametrize(("attack", "check"), CASES)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_attack_at_an_endpoint(endpoint, attack, check, entrance, logged, monkeypatch):
    """The attack is answered by a bare 401 at each endpoint; its check is counted and logged, once."""
    monkeypatch.setattr(signing, "AUDIENCE", BASE + ENDPOINTS[endpoint])
    text = attack() if callable(attack) else attack
    rise = rises(entrance.client, lambda: refused(entrance.ask(ENDPOINTS[endpoint], text)), "refused")
    assert rise == {f"refused{{check={check}}}": 1}
    [line] = logged()
    at = {"discovery": "discovery", "service": "hook_calls", "feedback": "feedback"}[endpoint]
    assert (line["reason"], line["endpoint"], line["status"]) == (check, at, 401)
    assert refused(entrance.ask(ENDPOINTS[endpoint], text))


@pytest.mark.requirement("X-13", broken="a token that is good for two calls")
@pytest.mark.parametrize("path", ENDPOINTS.values())
def test_a_token_is_used_once(path, entrance, logged):
    """The second use of a token is refused, at each endpoint."""
    text = bearer(claimed={"tenant": "north", "aud": BASE + path})
    assert entrance.ask(path, text).status_code == 200
    logged()
    assert refused(entrance.ask(path, text))
    assert [line["reason"] for line in logged()] == [Check.REPLAY]


@pytest.mark.requirement("X-25", broken="a token, or what a stranger writes in one, in the log")
def test_what_the_log_tells(entrance, caplog, logged):
    """The log has check, client, and digests of key and token; nothing that comes from outside is in it."""
    canary = "canary-5f0e"
    head, claimed = {"kid": canary, "more": canary}, {"jti": canary, "tenant": "north", "sub": canary}
    text = bearer(head, claimed | {"aud": BASE + ENDPOINTS["discovery"]})
    assert refused(entrance.ask(ENDPOINTS["discovery"], text))
    assert refused(entrance.ask(ENDPOINTS["discovery"], bearer(head, claimed | {"iss": f"https://{canary}.example"})))
    assert canary not in caplog.text
    assert not [part for part in text.removeprefix("Bearer ").split(".") if part in caplog.text]
    known, unknown = logged()
    assert (known["reason"], known["client"]) == (Check.UNKNOWN_KEY, ISSUER)
    assert (unknown["reason"], unknown["client"]) == (Check.ISSUER, "")
    for line in (known, unknown):
        own = {"reason", "endpoint", "status", "client", "kid_hash", "jti_hash", "suppressed"}
        assert set(line) == {"time", "level", "event"} | own
        assert re.fullmatch("[0-9a-f]{16}", line["kid_hash"])
        assert re.fullmatch("[0-9a-f]{16}", line["jti_hash"])


@pytest.mark.requirement("X-21", broken="401 for a preflight, which a browser sends without a token")
@pytest.mark.parametrize("path", PATHS)
def test_preflights_need_none(path, entrance):
    """A preflight is answered without a token, and a page may read the 401 that comes without one."""
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    options = {"headers": {"Origin": PAGE} | asks, "timeout": 10}
    response = entrance.client.session.options(entrance.client.base + path, **options)
    assert response.ok
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    answer = entrance.ask(path, Origin=PAGE)
    assert refused(answer)
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.requirement("X-09", broken="keys that are fetched from wherever a token says")
def test_keys_from_elsewhere(entrance, logged):
    """A token that names a key server is read by the client's pinned keys alone, and that server hears nothing."""
    with odd_server() as elsewhere:
        text = bearer({"jku": f"{elsewhere.root}/keys"}, {"tenant": "north", "aud": BASE + ENDPOINTS["discovery"]})
        assert entrance.ask(ENDPOINTS["discovery"], text).status_code == 200
        assert elsewhere.connections == 0
    assert [line["event"] for line in logged() if "reason" in line] == []


def test_all_else_needs_a_token(entrance):
    """Only pages, probes and files answer without a token; an address that is added later does not."""
    free = ("/static/", "/cards/", "/dashboard", "/playground/", "/livez", "/readyz", "/metrics", "/openapi.json")
    free += ("/favicon.ico", "/api")
    others = {rule.rule for rule in entrance.app.url_map.iter_rules() if not rule.rule.startswith(free)}
    assert others == {"/", "/cds-services", "/cds-services/<service>", "/cds-services/<service>/feedback"}
    for path in (*PATHS, "/cds-services/unknown", "/cds-services/unknown/feedback", "/cds-services/%2e%2e"):
        assert refused(entrance.ask(path))
    assert entrance.client.session.head(f"{entrance.client.base}/cds-services", timeout=10).status_code == 401
    answers = {path: entrance.client.get(path).status_code for path in ("/livez", "/cards/lumbosacral-plexus-mri", "/")}
    assert list(answers.values()) == [200, 200, 404]

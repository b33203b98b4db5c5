"""What follows from knowing the caller; and what becomes of calls when the clients file or the store goes wrong."""

import json
import re
from pathlib import Path

import pytest

from cds_service.store.tables import CARDS, DECISIONS, FEEDBACK
from tests.support.authenticated_service import BASE, ENDPOINTS, LEAST, authenticated_service, written
from tests.support.databases import rows
from tests.support.metric_series import rises
from tests.support.signing import ISSUER, claims, header, key, signed

DOCUMENT = Path(__file__).parents[3] / "docs" / "authentication.md"
OTHER = "https://other.example.org"
SERVICE, REPORTS = ENDPOINTS["service"], ENDPOINTS["feedback"]
TWO = (LEAST, LEAST.replace(ISSUER, OTHER))
YEARS = "from=2026-01-01&to=2035-12-31"


@pytest.fixture(name="entrance")
def an_entrance(tmp_path, knowledge):
    """Serve the application with two clients."""
    with authenticated_service(tmp_path, knowledge, *TWO, dashboard=True) as found:
        yield found


def reported(card: str) -> dict:
    """Return feedback on a card."""
    return {"feedback": [{"card": card, "outcome": "accepted", "outcomeTimestamp": "2026-11-22T08:30:00Z"}]}


def exported(entrance, what: str) -> list[dict]:
    """Return the rows of the dashboard."""
    response = entrance.client.get(f"/dashboard/export/{what}.ndjson?{YEARS}")
    return [json.loads(line) for line in response.text.splitlines()]


def test_the_client_is_noted(entrance, logged):
    """Cards, counts, reports and log lines have the issuer of their call."""
    card = entrance.asked(SERVICE).json()["cards"][0]["uuid"]
    assert entrance.asked(REPORTS, reported(card)).status_code == 200
    entrance.services.recorder.flush()
    for table in (CARDS, DECISIONS, FEEDBACK):
        assert [row.client for row in rows(entrance.services.store, table)] == [ISSUER]
    assert [line["client"] for line in logged() if line["event"] in ("call", "feedback")] == [ISSUER, ISSUER]


def test_a_report_of_another_client(entrance):
    """What another client says of a card is taken and kept apart as unknown: it does not count for the card."""
    card = entrance.asked(SERVICE).json()["cards"][0]["uuid"]
    for issuer, outcome, known in ((OTHER, "no report", [False]), (ISSUER, "accepted", [False, True])):
        assert entrance.asked(REPORTS, reported(card), iss=issuer).status_code == 200
        assert [row["outcome"] for row in exported(entrance, "cards")] == [outcome]
        assert [row["known"] for row in exported(entrance, "feedback")] == known


@pytest.mark.requirement("X-15", broken="a client that was taken from the file and still may call")
def test_the_clients_file_is_read_again(entrance, tmp_path, logged):
    """A client that is added may call at once, and one that is taken out may not; both without a restart."""
    claimed = {"iss": "urn:new"}
    assert entrance.asked(SERVICE, **claimed).status_code == 401
    written(tmp_path, LEAST.replace(ISSUER, "urn:new"))
    assert entrance.asked(SERVICE, **claimed).status_code == 200
    assert entrance.asked(SERVICE).status_code == 401
    reloaded = [line for line in logged() if line["event"] == "clients_file_reloaded"]
    assert [line["clients"] for line in reloaded] == [["urn:new"]]


@pytest.mark.requirement("X-15", broken="the only client, whose key was stolen, and who still may call")
def test_the_only_client_is_blocked(entrance, tmp_path, logged):
    """One edit blocks the only client: an empty list. An empty file may have been cut off: it says how."""
    file = tmp_path / "clients.toml"
    file.write_text("", encoding="utf-8")
    assert entrance.asked(SERVICE).status_code == 200
    [line] = [line for line in logged() if line["event"] == "clients_file_invalid"]
    assert line["error"].endswith("or write clients = [] to let nobody call")
    file.write_text("clients = []", encoding="utf-8")
    assert entrance.asked(SERVICE).status_code == 401
    assert [line["clients"] for line in logged() if line["event"] == "clients_file_reloaded"] == [[]]
    assert entrance.client.get("/readyz").json()["clients_file"] == "read"


def test_a_clients_file_that_went_wrong(entrance, tmp_path, logged):
    """A file that cannot be used changes nothing: it is logged, and reported by /readyz, until it is right again."""
    assert entrance.client.get("/readyz").json()["clients_file"] == "read"
    written(tmp_path, "issuer = 7")
    assert entrance.asked(SERVICE).status_code == 200
    [line] = [line for line in logged() if line["event"] == "clients_file_invalid"]
    assert "clients.toml: clients.1.issuer: must be a text in quotes" in line["error"]
    probes = (entrance.client.get("/readyz") for _ in range(20))  # the store may be slow on a busy machine
    ready = next((probe for probe in probes if probe.status_code == 200), None)
    assert ready
    assert ready.json()["clients_file"] == "wrong"
    (tmp_path / "clients.toml").unlink()
    assert entrance.asked(SERVICE).status_code == 200
    written(tmp_path, *TWO)
    assert entrance.asked(SERVICE).status_code == 200
    assert entrance.client.get("/readyz").json()["clients_file"] == "read"


@pytest.mark.requirement("X-24", broken="a token that is good for two calls while the memory cannot be reached")
@pytest.mark.parametrize("path", ENDPOINTS.values())
def test_a_store_that_is_gone(path, entrance, tmp_path, logged):
    """Where nobody can tell whether a token was used, a call is answered 503, which says so and when to come again."""
    (tmp_path / "store.sqlite3").rename(tmp_path / "gone")
    entrance.services.authenticator.close()
    answers = []
    rise = rises(entrance.client, lambda: answers.append(entrance.asked(path)), "refused", "calls")
    assert rise["refused{check=replay_memory}"] == 1
    [answer] = answers
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    [issue] = answer.json()["issue"]
    assert issue["diagnostics"].startswith("The call cannot be authenticated at the moment.")
    [line] = [line for line in logged() if line.get("reason") == "replay_memory"]
    assert line["error"] == "unable to open database file"
    ready = entrance.client.get("/readyz")
    assert (ready.status_code, ready.json()["fault"], ready.json()["store"]) == (503, "replay_memory", "unreachable")
    (tmp_path / "gone").rename(tmp_path / "store.sqlite3")
    assert entrance.asked(path).status_code == 200
    assert entrance.client.get("/readyz").status_code == 200


def test_the_sandbox(tmp_path, knowledge):
    """In development mode the Sandbox is a client as any other, with what its tokens say, where the file lists it."""
    issuer, jku = "https://sandbox.cds-hooks.org", "https://sandbox.cds-hooks.org/.well-known/jwks.json"
    tables = re.findall(r"```toml\n\[\[clients\]\]\n([^`]*)```", DOCUMENT.read_text(encoding="utf-8"))
    [client] = [table for table in tables if f'jwks_url = "{jku}"' in table]
    client = f'{client}jwks_file = "keys.json"'
    with authenticated_service(tmp_path, knowledge, client, development=True) as found:
        for path in ENDPOINTS.values():
            claimed = claims(iss=issuer, sub="48163c5e-88b5-4cb3-92d3-23b800caa927", aud=BASE + path)
            token = signed(header(jku=jku), claimed, key("ES384"))
            assert found.ask(path, f"Bearer {token}").status_code == 200


def test_its_own_call_alone(entrance):
    """What one call proved is forgotten with it: the next one on the same connection proves nothing."""
    assert entrance.asked(SERVICE).status_code == 200
    assert entrance.ask(SERVICE).status_code == 401

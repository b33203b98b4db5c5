"""How often a client may call in a minute: its own number, its own count, and when to come back."""

import logging
import time

import pytest

from cds_service.config.settings import Settings
from cds_service.web import rate_limiter
from cds_service.web.app import create_app
from tests.support.authenticated_service import LEAST, authenticated_service
from tests.support.corpus import call
from tests.support.service import ORDER_SELECT, Client, log_lines, serving

FEEDBACK = f"{ORDER_SELECT}/feedback"


@pytest.fixture(name="limited")
def a_service_with_a_limit(knowledge):
    """Give a client of a service that takes three calls a minute."""
    with serving(create_app(Settings(calls_per_minute=3, development=True), knowledge)) as base:
        yield Client(base)


def statuses(client, times: int) -> list[int]:
    """Return what so many calls are answered."""
    return [client.post(call()).status_code for _ in range(times)]


def test_edge(limited):
    """As many calls as the setting says are answered, the next is 429 with the seconds after which one is free."""
    assert statuses(limited, 3) == [200, 200, 200]
    refused = limited.post(call())
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (429, "throttled")
    assert 1 <= int(refused.headers["Retry-After"]) <= 20


def test_all_that_a_client_asks_counts_together(limited):
    """Discovery, calls, feedback and calls of no service are one count."""
    assert limited.get("/cds-services").status_code == 200
    assert limited.post({"feedback": []}, FEEDBACK).status_code == 200
    assert limited.post(call(), "/cds-services/unknown").status_code == 404
    assert limited.get("/cds-services").status_code == 429
    assert limited.post({"feedback": []}, FEEDBACK).status_code == 429


def test_what_does_not_count(limited):
    """Preflights, probes and pages are answered however often, and after the limit is reached, too."""
    statuses(limited, 4)
    asks = {"Origin": "https://sandbox.cds-hooks.org", "Access-Control-Request-Method": "POST"}
    assert limited.session.options(limited.base + ORDER_SELECT, headers=asks, timeout=10).ok
    assert [limited.get(path).status_code for path in ("/livez", "/readyz", "/metrics", "/")] == [200] * 4


def test_a_page_can_read_the_refusal(limited):
    """A browser's page receives 429, too, and not only a network error."""
    statuses(limited, 3)
    headers = {"Origin": "https://sandbox.cds-hooks.org"}
    refused = limited.session.post(limited.base + ORDER_SELECT, json=call(), headers=headers, timeout=10)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (429, headers["Origin"])


def test_off(knowledge):
    """0 is without a limit."""
    with serving(create_app(Settings(calls_per_minute=0), knowledge)) as base:
        assert set(statuses(Client(base), 50)) == {200}


def test_counted_and_told(limited, caplog):
    """Each refusal counts, and a flood of them is not a flood of lines."""
    caplog.set_level(logging.INFO, "plexus_cds")
    before = refusals(limited)
    statuses(limited, 30)
    assert refusals(limited) - before == 27
    lines = log_lines(caplog, "rate_limited")
    assert 0 < len(lines) + sum(line["suppressed"] for line in lines) <= 27
    assert len(lines) < 27
    assert all(set(line) == {"time", "level", "event", "client", "status", "suppressed"} for line in lines)
    assert not any(line.get("status") == 429 for line in log_lines(caplog, "call"))


def refusals(client) -> float:
    """Return how many calls were refused for their number."""
    lines = client.get("/metrics").text.splitlines()
    counted = [line for line in lines if line.startswith("plexus_cds_calls_total{") and 'outcome="throttled"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in counted)


OTHER = "https://other.example.org"
TWO = (f"{LEAST}\ncalls_per_minute = 5", f'issuer = "{OTHER}"\njwks_file = "keys.json"')


def test_each_client_has_its_own_number(tmp_path, knowledge):
    """A client's own number goes before the setting's, and one client's calls cost another nothing."""
    with authenticated_service(tmp_path, knowledge, *TWO, calls_per_minute=2) as ours:
        own = [ours.asked(ORDER_SELECT).status_code for _ in range(6)]
        other = [ours.asked(ORDER_SELECT, iss=OTHER).status_code for _ in range(3)]
    assert (own, other) == ([200] * 5 + [429], [200, 200, 429])


def test_calls_that_nobody_made_cost_no_client(tmp_path, knowledge):
    """Calls under a client's name, but without its signature, do not use up what it may call."""
    with authenticated_service(tmp_path, knowledge, calls_per_minute=2) as ours:
        assert {ours.ask(ORDER_SELECT, "Bearer x.y.z").status_code for _ in range(5)} == {401}
        assert [ours.asked(ORDER_SELECT).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("limit", [599, 1500])
def test_many_a_minute(limit, knowledge):
    """A high limit is kept as exactly as a low one."""
    client = create_app(Settings(calls_per_minute=limit), knowledge).test_client()
    began = time.monotonic()
    answered = 0
    while client.get("/cds-services").status_code == 200:
        answered += 1
    free_again = (time.monotonic() - began) * limit / 60
    assert limit <= answered <= limit + free_again + 1


def discover(client, address: str, times: int) -> list[int]:
    """Return the statuses of so many requests from an IP address."""
    environ = {"REMOTE_ADDR": address}
    return [client.get("/cds-services", environ_base=environ).status_code for _ in range(times)]


def test_calls_come_back_evenly(knowledge, monkeypatch):
    """A client that used up its minute's calls gets one back at each part of a minute, and no more than a minute's."""
    now = [time.monotonic_ns()]
    monkeypatch.setattr(rate_limiter, "monotonic_ns", lambda: now[0])
    client = create_app(Settings(calls_per_minute=3), knowledge).test_client()
    assert discover(client, "192.0.2.1", 4) == [200, 200, 200, 429]
    for seconds, statuses in ((19, [429]), (1, [200, 429]), (40, [200, 200, 429]), (3600, [200, 200, 200, 429])):
        now[0] += seconds * 1_000_000_000
        assert discover(client, "192.0.2.1", len(statuses)) == statuses


def test_memory_is_bounded(knowledge, monkeypatch):
    """Beyond the clients that are counted at once, the one that was quiet longest is forgotten, and no other."""
    monkeypatch.setattr(rate_limiter, "_MAX_CLIENTS", 2)
    client = create_app(Settings(calls_per_minute=2), knowledge).test_client()
    assert [discover(client, address, 1) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1")] == [[200]] * 3
    assert discover(client, "192.0.2.3", 1) == [200]
    assert discover(client, "192.0.2.1", 1) == [429]
    assert discover(client, "192.0.2.2", 2) == [200, 200]

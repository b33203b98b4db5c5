"""Many reports in one body: up to a number they are kept, a part at a time; more are refused as a whole."""

import sqlite3
from contextlib import closing
from types import SimpleNamespace
from uuid import uuid4

from cds_service.store import Store, circuit_breaker, writing
from cds_service.store.migration import migrate
from cds_service.store.tables import ACCEPTED, FEEDBACK
from tests.support.databases import rows, serving_with
from tests.support.metric_series import rises
from tests.support.service import ORDER_SELECT, log_lines

MOST = 1000
HALF, ALL = 250, 500
FULL = f"""CREATE TRIGGER full BEFORE INSERT ON feedback WHEN (SELECT count(*) FROM feedback) >= {HALF}
    BEGIN SELECT RAISE(ABORT, 'full'); END"""

FAILING = FULL.replace("RAISE(ABORT, 'full')", "abs(-9223372036854775808)")
"""An error of the database, not of the data."""


def reports(number: int) -> list[dict]:
    """Return so many reports, each on another card, of which a suggestion was accepted."""
    report = {"outcome": "accepted", "outcomeTimestamp": "2026-11-22T08:30:00Z"}
    return [report | {"card": str(uuid4()), "acceptedSuggestions": suggestions(1)} for _ in range(number)]


def suggestions(number: int) -> list[dict]:
    """Return so many suggestions."""
    return [{"id": str(uuid4())} for _ in range(number)]


def send(client, batch: list[dict]):
    """Send a body with these reports and return the response."""
    return client.post({"feedback": batch}, f"{ORDER_SELECT}/feedback")


def test_as_many_as_may_be(store, store_url, knowledge):
    """A thousand reports in one body are kept, and the ten suggestions of one of them."""
    batch = reports(MOST)
    batch[0]["acceptedSuggestions"] = suggestions(10)
    with serving_with(store_url, knowledge) as (client, _):
        assert send(client, batch).status_code == 200
    assert (len(rows(store, FEEDBACK)), len(rows(store, ACCEPTED))) == (MOST, MOST + 9)


def test_one_too_many(store, store_url, knowledge):
    """A report more is a 413 that says how many came, how many may come and what to do; none of them is kept."""
    with serving_with(store_url, knowledge) as (client, _):
        response = send(client, reports(MOST + 1))
    message = response.json()["issue"][0]["diagnostics"]
    assert response.status_code == 413
    assert all(
        words in message for words in ("1001 reports", "the limit is 1000", "send them again in several requests")
    )
    assert rows(store, FEEDBACK) == []


def test_a_batch_that_fails_half_way(tmp_path, knowledge, caplog, monkeypatch):
    """What was written before the database failed stays and is counted once; the rest follows when all comes again."""
    caplog.set_level("INFO", "plexus_cds")
    monkeypatch.setattr(circuit_breaker, "_SLOW_SECONDS", 60)  # on a busy machine half a batch takes its time
    with closing(Store(f"sqlite:///{tmp_path}/store.sqlite3")) as store:
        migrate(store)
        batch, url = reports(ALL), f"sqlite:///{store.file}"
        with serving_with(url, knowledge) as (client, _), closing(sqlite3.connect(store.file)) as database:
            database.execute(FULL)
            first = rises(client, lambda: send(client, batch), "feedback", "store_failures")
            stored = len(rows(store, FEEDBACK))
            assert 0 < stored <= HALF
            database.execute("DROP TRIGGER full")
            second = rises(client, lambda: send(client, batch), "feedback")
        assert len(rows(store, FEEDBACK)) == len(rows(store, ACCEPTED)) == ALL
    failure = {"feedback{outcome=refused}": 1, "store_failures{what=feedback}": 1}
    assert first == {"feedback{outcome=accepted}": stored, **failure}
    assert second == {"feedback{outcome=accepted}": ALL - stored, "feedback{outcome=repeated}": stored}
    assert logged_counts(caplog) == [(503, stored), (200, ALL - stored)]


def test_a_long_batch_that_fails_in_the_end_costs_nobody_else(tmp_path, knowledge, monkeypatch):
    """A failure after many fast transactions is a fast one: the store is used again at once."""
    moment = [0.0]

    def advance(_seconds: float) -> None:
        moment[0] += 0.4

    monkeypatch.setattr(circuit_breaker, "time", SimpleNamespace(monotonic=lambda: moment[0]))
    monkeypatch.setattr(writing, "time", SimpleNamespace(sleep=advance))
    with closing(Store(f"sqlite:///{tmp_path}/store.sqlite3")) as store:
        migrate(store)
        batch, url = reports(ALL), f"sqlite:///{store.file}"
        with serving_with(url, knowledge) as (client, _), closing(sqlite3.connect(store.file)) as database:
            database.execute(FAILING)
            assert send(client, batch).status_code == 503
            assert moment[0] > 1
            database.execute("DROP TRIGGER full")
            assert send(client, batch).status_code == 200
        assert len(rows(store, FEEDBACK)) == ALL


def logged_counts(caplog) -> list[tuple[int, int]]:
    """Return status and number of reports that were new, as the log has them."""
    return [(line["status"], line["stored"]) for line in log_lines(caplog, "feedback") if "stored" in line]

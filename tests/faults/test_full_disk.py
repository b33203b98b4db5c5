"""The disk of the store is full: what needs it is refused and says so, and all comes back by itself with the space."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from cds_service.store import Store
from cds_service.store.tables import CARDS, FEEDBACK
from tests.faults.load import until
from tests.faults.signing_ehr import Ehr
from tests.faults.small_disk import DISKS, Disk
from tests.support.authenticated_service import LEAST, written
from tests.support.databases import rows
from tests.support.metric_series import rises
from tests.support.service import ORDER_SELECT
from tests.support.serving import Server, example, granian

ASKED = 5
"""How often each is asked while the disk is full."""


@pytest.fixture(name="disk", params=DISKS, ids=lambda kind: kind.__name__)
def a_disk(request, tmp_path) -> Iterator[Disk]:
    """Yield each kind of disk that can be full."""
    with request.param(tmp_path / "disk") as disk:
        yield disk


def readiness(server: Server) -> tuple[int, str, str]:
    """Return what a probe receives: the status, the state of the store and the fault."""
    response = server.client.get("/readyz")
    return response.status_code, response.json()["store"], response.json().get("fault", "")


READY, UNREADY = (200, "ready", ""), (503, "not_writable", "replay_memory")


def test_calls_and_the_probe_agree(disk, tmp_path):
    """With clients no call is answered while no token can be remembered: /readyz says so, and when it is over."""
    settings = {"clients_file": str(written(tmp_path, LEAST)), "store_url": f"sqlite:///{disk.folder}/store.sqlite3"}
    with granian("--development", **settings) as server:
        ehr = Ehr(server)
        assert (ehr.asked(), readiness(server)) == (200, READY)

        def is_full() -> bool:
            disk.fill(server)
            return ehr.asked() == 503

        until(is_full)
        for _ in range(ASKED):
            assert (readiness(server), ehr.asked()) == (UNREADY, 503)
            assert server.client.get("/livez").status_code == 200
        disk.empty(server)
        until(lambda: readiness(server) == READY)
        until(lambda: ehr.asked() == 200)
        for _ in range(ASKED):
            assert (readiness(server), ehr.asked()) == (READY, 200)


class Reporter:
    """Sends feedback, fifty reports in each body, and keeps what was acknowledged."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.acknowledged: set[str] = set()
        self.refused = 0

    def send(self) -> int:
        """Send reports on cards that nobody knows, and return the status of the answer."""
        cards = [str(uuid4()) for _ in range(50)]
        report = {"outcome": "accepted", "outcomeTimestamp": "2026-11-22T08:30:00Z"}
        body = {"feedback": [report | {"card": card} for card in cards]}
        response = self._server.client.post(body, f"{ORDER_SELECT}/feedback")
        if response.status_code == 200:
            self.acknowledged.update(cards)
        else:
            assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
            self.refused += 1
        return response.status_code


def test_feedback_is_kept_or_refused(disk):
    """Each report is in the store or was refused and counted; cards go out, and are in the store afterward."""
    file = disk.folder / "store.sqlite3"
    with granian(store_url=f"sqlite:///{file}") as server:
        reporter, shown = Reporter(server), []

        def is_full() -> bool:
            disk.fill(server)
            return reporter.send() == 503

        def go_on_while_it_is_full() -> None:
            until(is_full)
            for _ in range(ASKED):
                reporter.send()
                shown.extend(card["uuid"] for card in server.client.cards(example()))

        assert reporter.send() == 200
        failures = rises(server.client, go_on_while_it_is_full, "store_failures")
        assert failures["store_failures{what=feedback}"] == reporter.refused > 0
        assert "store_failures{what=lost}" not in failures
        disk.empty(server)
        until(lambda: reporter.send() == 200)
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.errors().splitlines()]
    assert {line["event"] for line in lines} <= {"call", "feedback", "store_write_failed"}
    with closing(Store(f"sqlite:///{file}")) as store:
        assert {row.card for row in rows(store, FEEDBACK)} == reporter.acknowledged
        assert {row.uuid for row in rows(store, CARDS)} == set(shown)
        assert len(shown) == ASKED
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

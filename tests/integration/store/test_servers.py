"""The real server and the store: what is acknowledged survives, and workers share one database."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, DECISIONS, FEEDBACK
from tests.support.databases import rows
from tests.support.service import ORDER_SELECT, Client
from tests.support.serving import STOPS_IN, example, granian


@pytest.fixture
def store(empty_store):
    """Return an empty store that is up to date."""
    migrate(empty_store)
    return empty_store


def reports(number: int) -> dict:
    """Return feedback on cards that nobody knows."""
    report = {"outcome": "overridden", "outcomeTimestamp": "2026-11-22T08:30:00Z"}
    return {"feedback": [report | {"card": str(uuid4())} for _ in range(number)]}


STOPS = {
    "Ctrl-C": ("sqlite", signal.SIGINT, os.killpg),
    "SIGINT to the parent": ("postgresql", signal.SIGINT, os.kill),
    "SIGTERM to the parent": ("sqlite", signal.SIGTERM, os.kill),
}


@pytest.mark.parametrize(("empty_url", "number", "send"), STOPS.values(), ids=STOPS, indirect=["empty_url"])
def test_a_server_that_is_stopped_has_written_all(number, send, empty_url, store):
    """Cards and counts that wait in a worker are written when a terminal or a service manager stops the server."""
    with granian("--workers", "2", store_url=empty_url) as server:
        shown = {server.client.cards(example())[0]["uuid"] for _ in range(20)}
        assert [server.client.cards(example("no-cancer")) for _ in range(5)] == [[]] * 5
        send(server.process.pid, number)
        assert server.process.wait(STOPS_IN) == 0, server.errors()
    assert {row.uuid for row in rows(store, CARDS)} == shown
    assert sum(row.count for row in rows(store, DECISIONS)) == 25


def test_what_was_acknowledged_survives_a_kill(empty_url, store):
    """Feedback that was answered with 200 is there after all processes were killed at once, and so is the card."""
    body = reports(3)
    with granian(store_url=empty_url) as server:
        [card] = server.client.cards(example())
        assert server.client.post(body, f"{ORDER_SELECT}/feedback").status_code == 200
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert {row.card for row in rows(store, FEEDBACK)} == {report["card"] for report in body["feedback"]}
    assert [row.uuid for row in rows(store, CARDS)] == [card["uuid"]]


def test_workers_share_the_store(empty_url, store):
    """Processes that write at once, also the same reports, wait for each other and lose nothing."""
    same, others = reports(5), [reports(2) for _ in range(30)]

    def send(client, body) -> int:
        assert client.cards(example())
        return client.post(body, f"{ORDER_SELECT}/feedback").status_code

    with granian("--workers", "2", store_url=empty_url) as server:
        clients = [Client(server.client.base) for _ in range(6)] * 10
        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(send, clients, [*others, *[same] * 30])) == {200}
        for client in clients:
            client.session.close()
        assert server.stop() == 0
        assert not re.search("locked|fault|store_write_failed", server.errors())
    assert len(rows(store, FEEDBACK)) == 5 + 60
    assert len(rows(store, CARDS)) == sum(row.count for row in rows(store, DECISIONS)) == 60


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
def test_cards_are_written_while_the_server_runs(empty_url, store):
    """Without any feedback, and without an end of the server, a card is in the store a moment later."""
    with granian(store_url=empty_url) as server:
        [card] = server.client.cards(example())
        end = time.monotonic() + STOPS_IN
        while not (found := rows(store, CARDS)) and time.monotonic() < end:
            time.sleep(0.1)
        assert [row.uuid for row in found] == [card["uuid"]]

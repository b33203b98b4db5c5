"""PostgreSQL ends and starts again while the service runs: cards go out all the time, and no report is lost."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, DECISIONS, FEEDBACK
from tests.faults.load import Load, feedback, steady_calls, until
from tests.support.databases import rows, running_postgresql
from tests.support.service import ORDER_SELECT
from tests.support.serving import Server, example, granian

TAKEN, REFUSED = requests.codes.ok, requests.codes.service_unavailable


def answered(load: Load, call: str, status: int, after: int) -> bool:
    """Tell whether a call of this kind was answered so, after so many other answers."""
    return any((answer.call, answer.status) == (call, status) for answer in load.answers[after:])


def readiness(server: Server) -> tuple[int, str]:
    """Return what a probe receives: the status, and the state of the store."""
    response = server.client.get("/readyz")
    return response.status_code, response.json()["store"]


@pytest.fixture(name="database")
def a_database() -> Iterator:
    """Run a PostgreSQL of this test's own, which it may stop and start."""
    with running_postgresql() as server:
        yield server


@pytest.fixture
def store(database) -> Iterator[Store]:
    """Yield a store in it that is up to date."""
    with closing(Store(database.get_uri())) as found:
        migrate(found)
        yield found


def test_postgresql_ends_and_starts_again(database, store):
    """Each call has its answer; feedback is refused while there is no database, and what was accepted is there."""
    with granian("--workers", "2", store_url=database.get_uri()) as server:
        with steady_calls(server.client.base) as load:
            load.go_on_for(30)
            assert readiness(server) == (200, "ready")
            down = len(load.answers)
            database.stop()
            until(lambda: answered(load, "feedback", REFUSED, down))
            assert readiness(server) == (200, "unreachable")
            load.go_on_for(30)
            up = len(load.answers)
            database.start()
            until(lambda: answered(load, "feedback", TAKEN, up))
            until(lambda: readiness(server) == (200, "ready"))
        assert server.stop() == 0, server.errors()
    assert_all_is_kept(load, store)


def assert_all_is_kept(load: Load, store: Store) -> None:
    """Compare what clients were answered with what the store has."""
    wrong = [answer for answer in load.answers if not answer.is_right]
    assert {(answer.call, answer.status) for answer in wrong} == {("feedback", REFUSED)}
    assert {row.card for row in rows(store, FEEDBACK)} >= set(load.acknowledged)
    assert {row.uuid for row in rows(store, CARDS)} == {card for answer in load.answers for card in answer.cards}
    decisions = sum(answer.call != "feedback" for answer in load.answers)
    assert sum(row.count for row in rows(store, DECISIONS)) >= decisions, "a fault in a commit can count twice"


def test_feedback_that_was_refused_comes_again(database, store):
    """A client that repeats what was refused, as Retry-After says, has it taken, and once."""
    report = feedback()
    with granian(store_url=database.get_uri()) as server:
        database.stop()
        refused = server.client.post(report, f"{ORDER_SELECT}/feedback")
        assert (refused.status_code, refused.headers["Retry-After"]) == (REFUSED, "30")
        assert len(server.client.cards(example("article"))) == 1
        database.start()
        for _ in range(2):
            assert server.client.post(report, f"{ORDER_SELECT}/feedback").status_code == TAKEN
        assert server.stop() == 0, server.errors()
    assert [row.card for row in rows(store, FEEDBACK)] == [report["feedback"][0]["card"]]

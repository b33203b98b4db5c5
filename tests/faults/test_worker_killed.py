"""A worker is killed while clients call: what it had in work is lost, and nothing else."""

import os
import signal
import time
from dataclasses import dataclass

import pytest

from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, FEEDBACK
from tests.faults.load import CALLERS, Load, steady_calls, until
from tests.integration.test_metrics_workers import workers
from tests.support.databases import rows
from tests.support.serving import Server, granian


@dataclass(frozen=True)
class Killed:
    """What clients saw of a worker that was killed: since when it was gone, and since when there is a successor."""

    load: Load
    gone: float
    back: float


@pytest.fixture(params=[1, 2], name="number")
def the_number_of_workers(request) -> int:
    """Return how many workers there are, of which one is killed."""
    return request.param


@pytest.fixture
def killed(number, empty_url, empty_store) -> Killed:
    """Kill one of the workers under load, as a system does that is short of memory, and go on calling."""
    migrate(empty_store)
    with granian("--workers", str(number), store_url=empty_url) as server:
        until(lambda: len(workers(server)) == number)
        with steady_calls(server.client.base) as load:
            load.go_on_for(60)
            gone = kill_one(server)
            load.go_on_for(60)
            until(lambda: len(workers(server)) == number and not load.answers[-1].is_lost)
            back = time.monotonic()
            load.go_on_for(60)
        assert server.stop() == 0, server.errors()
    return Killed(load, gone, back)


def kill_one(server: Server) -> float:
    """Kill a worker, and return when it was gone."""
    victim = workers(server)[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in workers(server))
    return time.monotonic()


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
def test_a_worker_is_killed_under_load(number, killed, empty_store):
    """Each client of two workers loses at most the call in work, with one worker what comes before its successor.

    No other answer is wrong, and what was acknowledged or shown since is in the store.
    """
    answers = killed.load.answers
    lost = [answer for answer in answers if answer.is_lost]
    assert [answer for answer in answers if not answer.is_right] == lost
    assert all(answer.began <= (killed.gone if number > 1 else killed.back) for answer in lost)
    assert number == 1 or len(lost) <= CALLERS
    assert {row.card for row in rows(empty_store, FEEDBACK)} >= set(killed.load.acknowledged)
    shown = {card for answer in answers if answer.began > killed.back for card in answer.cards}
    assert shown
    assert shown <= {row.uuid for row in rows(empty_store, CARDS)}

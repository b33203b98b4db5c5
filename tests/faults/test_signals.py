"""Signals that others send by habit: none of them costs a call."""

import os
import signal

import pytest

from tests.faults.load import steady_calls, until
from tests.integration.test_metrics_workers import workers
from tests.support.serving import granian

CALLS = 40
MOST_LOST = 2
"""Of a thousand calls: a worker that ends may have a connection that it was about to take."""


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=lambda number: number.name)
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["the server", "all its processes"])
def test_signals_without_a_meaning(send, number, tmp_path):
    """A signal to reopen a log, as log rotation sends it, changes nothing."""
    with granian("--workers", "2", store_url=f"sqlite:///{tmp_path}/store.sqlite3") as server:
        before = workers(server)
        with steady_calls(server.client.base) as load:
            load.go_on_for(CALLS)
            send(server.process.pid, number)
            load.go_on_for(CALLS)
        assert all(answer.is_right for answer in load.answers)
        assert workers(server) == before
        assert server.stop() == 0


def test_a_hangup_replaces_the_workers(tmp_path):
    """A signal to reload replaces one worker after the other; each call that a worker has taken is answered."""
    with granian("--workers", "2", store_url=f"sqlite:///{tmp_path}/store.sqlite3") as server:
        before = workers(server)
        with steady_calls(server.client.base) as load:
            load.go_on_for(CALLS)
            os.kill(server.process.pid, signal.SIGHUP)
            until(lambda: len(workers(server)) == 2 and not set(workers(server)) & set(before))
            load.go_on_for(CALLS)
        answered = [answer for answer in load.answers if not answer.is_lost]
        assert all(answer.is_right for answer in answered)
        assert len(load.answers) - len(answered) <= MOST_LOST
        assert server.stop() == 0

"""A terminal's Ctrl-C reaches the server and its workers at once: the server alone heeds it, and ends them."""

import os
import signal
import time

from tests.integration.test_metrics_workers import workers
from tests.support.serving import example, granian


def test_the_server_heeds_it_and_its_workers_do_not():
    """A worker that hears of it goes on answering, and ends when the server does, long before it would be killed."""
    with granian(fetch_seconds="60") as server:
        [worker] = workers(server)
        os.kill(worker, signal.SIGINT)
        time.sleep(1)
        assert len(server.client.cards(example("article"))) == 1
        assert workers(server) == [worker]
        assert server.stop() == 0, server.errors()
        assert not server.left_over()

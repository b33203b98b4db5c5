"""A server that is killed without a chance to stop its workers."""

import os
import signal
import time
from contextlib import closing

import pytest

from tests.support.serving import COMMAND, Server

ENDS_IN = 20.0
"""Seconds; a worker looks for its server once a second."""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_whose_server_was_killed(workers, tmp_path, monkeypatch):
    """Workers whose server was killed end themselves, and the folder that the server made for them goes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with closing(Server(COMMAND, workers=workers)) as server:
        try:
            server.wait_until_it_answers()
            assert list(tmp_path.glob("plexus-cds-*"))
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            end = time.monotonic() + ENDS_IN
            while server.left_over() and time.monotonic() < end:
                time.sleep(0.1)
            assert not server.left_over()
            assert not list(tmp_path.glob("plexus-cds-*"))
        finally:
            server.kill()

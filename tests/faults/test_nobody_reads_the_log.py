"""Standard error that nobody reads: what reads the log of a service may hang, and no call may wait for it."""

import fcntl
import json
import logging
import os

import pytest

from cds_service.logs import log_event, log_in_background
from tests.support.authenticated_service import LEAST, written
from tests.support.metric_series import series
from tests.support.service import ORDER_SELECT, Client
from tests.support.serving import example, granian

CALLS = 200
"""Their lines are many times what the pipe takes."""

BAD = {"Authorization": "Bearer x"}


@pytest.fixture(name="pipe")
def a_small_pipe():
    """Give both ends of a pipe that takes 4 KiB and is not read."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    yield ends
    for end in ends:
        os.close(end)


def lines(end: int) -> list[dict]:
    """Return what comes out of a pipe until nothing more comes; a line that was held in the midst of it goes on."""
    os.set_blocking(end, False)
    text = b""
    while (chunk := _read(end)) or not text.endswith(b"\n"):
        text += chunk
    return [json.loads(line) for line in text.splitlines() if line.startswith(b"{")]


def _read(end: int) -> bytes:
    try:
        return os.read(end, 65536)
    except BlockingIOError:
        return b""


@pytest.fixture(name="listener")
def a_listener(monkeypatch):
    """Log in the background, as a worker does, and put back what logging was."""
    for name in ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    log = logging.getLogger("plexus_cds")
    before = log.handlers, log.propagate, log.level
    yield log_in_background()
    log.handlers, log.propagate, level = before
    log.setLevel(level)


def test_the_end_is_told_twice(listener, capsys):
    """What waits is written at the end of a process; a second end writes nothing again, and nothing fails."""
    log_event("info", "site_file_reloaded", off=True)
    listener.stop()
    listener.stop()
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["off"] is True


def test_calls_go_on(pipe):
    """Calls are answered though their lines stay where they are; the metrics have them all."""
    with granian("--development", stderr=pipe[1]) as server:
        body = example()
        assert all(server.client.cards(body) for _ in range(CALLS))
        made = series(server.client)
        assert sum(times for name, times in made.items() if name.startswith("calls{")) == CALLS


def test_refusals_go_on(pipe, tmp_path):
    """Refused tokens, each of which has a warning at first, hold nobody either."""
    with granian("--development", stderr=pipe[1], clients_file=str(written(tmp_path, LEAST))) as server:
        refused = [_refused(server.client) for _ in range(CALLS)]
        assert set(refused) == {401}
        assert lines(pipe[0])[-1]["reason"] == "malformed"


def _refused(client: Client) -> int:
    return client.session.post(client.base + ORDER_SELECT, headers=BAD, timeout=10).status_code

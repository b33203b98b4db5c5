"""A worker runs out of file descriptors: what it cannot do it says in its log, and all goes on when some are free."""

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from cds_service.store import Store
from cds_service.store.tables import CARDS, FEEDBACK
from tests.faults.load import feedback, until
from tests.integration.test_metrics_workers import workers
from tests.support.databases import rows
from tests.support.service import ORDER_SELECT
from tests.support.serving import Server, example, granian

SPARE, CONNECTIONS = 8, 40
"""How many descriptors are left to the worker, and how many clients connect."""


def send(connection: socket.socket, path: str, body: dict | None = None) -> tuple[int, dict]:
    """Send a request over a connection, a POST where it has a body, and return status and body of the response."""
    content = json.dumps(body).encode() if body else b""
    method = "POST" if body else "GET"
    headers = f"Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    connection.sendall(f"{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + content)
    with connection.makefile("rb") as response:
        status = int(response.readline().split()[1])
        headers = dict(line.decode().lower().split(": ", 1) for line in iter(response.readline, b"\r\n"))
        return status, json.loads(response.read(int(headers["content-length"])))


def descriptors(process: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


@contextmanager
def no_descriptors(server: Server) -> Iterator[list[socket.socket]]:
    """Open connections until the worker has no descriptor left; yields those that it could still accept."""
    [worker] = workers(server)
    limit = descriptors(worker) + SPARE
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (limit, limit))
    with ExitStack() as connections:
        opened = [
            connections.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            for _ in range(CONNECTIONS)
        ]
        until(lambda: descriptors(worker) == limit)
        yield opened[: SPARE // 2]


@pytest.mark.parametrize("is_store_open", [False, True], ids=["before its first write", "after writes"])
def test_all_goes_on(is_store_open, tmp_path):
    """Cards go out; feedback is kept or refused; each log line is JSON, and one tells of writes that failed."""
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    shown, acknowledged = [], []

    def ask(connection: socket.socket) -> None:
        status, body = send(connection, ORDER_SELECT, example())
        assert status == 200
        shown.extend(card["uuid"] for card in body["cards"])

    def report(connection: socket.socket) -> int:
        body = feedback()
        status, _ = send(connection, f"{ORDER_SELECT}/feedback", body)
        assert status in (200, 503)
        acknowledged.extend(report["card"] for report in body["feedback"] if status == 200)
        return status

    with granian(store_url=url) as server:
        address = ("127.0.0.1", server.port)
        if is_store_open:
            with socket.create_connection(address, timeout=60) as connection:
                assert report(connection) == 200
        with no_descriptors(server) as connections:
            for connection in connections:
                ask(connection)
            statuses = {report(connection) for connection in connections}
            assert send(connections[0], "/readyz")[0] == 503
        with socket.create_connection(address, timeout=60) as connection:
            ask(connection)
            assert report(connection) == 200
            assert send(connection, "/readyz")[0] == 200
        assert len(shown) == len(connections) + 1
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.errors().splitlines()]
    assert statuses == ({200} if is_store_open else {503})
    failed = [line for line in lines if line["event"] == "store_write_failed"]
    assert len(failed) == (0 if is_store_open else 1)
    assert {line["event"] for line in lines} <= {"call", "feedback", "store_write_failed"}
    with closing(Store(url)) as store:
        assert {row.card for row in rows(store, FEEDBACK)} == set(acknowledged)
        assert {row.uuid for row in rows(store, CARDS)} == set(shown)

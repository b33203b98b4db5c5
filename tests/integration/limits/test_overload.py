"""More calls at once than the service works on: those that it has are answered, and the others hear so at once."""

import json
import socket
from contextlib import ExitStack, closing, contextmanager

import pytest

from tests.support.corpus import call
from tests.support.service import ORDER_SELECT
from tests.support.serving import granian

THREADS = 3
HEAD = f"POST {ORDER_SELECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(name="server")
def a_small_server():
    """Give the real server, which works on three calls at once."""
    with granian(threads=str(THREADS), header_kilobytes="8") as server:
        yield server


def sent(server, data: bytes) -> socket.socket:
    """Open a connection and send what may be less than a request."""
    connection = socket.create_connection(("127.0.0.1", server.port), 10)
    connection.sendall(data)
    return connection


def begun(server, body: bytes) -> socket.socket:
    """Begin a call, and return its connection when the service reads the body, of which the end does not come."""
    expects = f"{HEAD}Connection: close\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = sent(server, expects.encode())
    assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(body[:-1])
    return connection


@contextmanager
def at_work(server, calls: int):
    """Keep so many calls at work; yields the connections, on which the last byte of each body is missing."""
    body = json.dumps(call()).encode()
    with ExitStack() as stack:
        yield [stack.enter_context(closing(begun(server, body))) for _ in range(calls)]


def refused(server) -> bool:
    """Return whether a call is refused; a refusal must be correct."""
    response = server.client.post(call())
    if response.status_code == 200:
        return False
    assert (response.status_code, response.json()["issue"][0]["code"]) == (503, "throttled")
    assert response.headers["Retry-After"] == "1"
    return True


def free(server) -> None:
    """Return once calls are answered again; the server takes a moment to notice that a client went away."""
    for _ in range(500):
        if not refused(server):
            return
    pytest.fail("a slot was not released")


def finish(connections) -> None:
    """Send what is missing of calls at work, which are answered then."""
    for connection in connections:
        connection.sendall(b"}")
        assert b"200 OK" in connection.recv(100)


def test_edge(server):
    """One call less than the limit at work leaves a slot for one; at the limit each further one is refused at once."""
    with at_work(server, THREADS - 1) as connections:
        assert [refused(server) for _ in range(5)] == [False] * 5
        finish(connections)
    with at_work(server, THREADS) as connections:
        assert [refused(server) for _ in range(5)] == [True] * 5
        finish(connections)
    assert [refused(server) for _ in range(5)] == [False] * 5


def test_probes_are_answered(server):
    """While everything is at work, probes and metrics tell of it, and a call that went away releases its slot."""
    with at_work(server, THREADS):
        assert refused(server)
        assert server.client.get("/livez").status_code == 200
        assert server.client.get("/readyz").status_code == 200
        counted = [line for line in server.client.get("/metrics").text.splitlines() if 'outcome="overloaded"' in line]
        assert any(float(line.rpartition(" ")[2]) > 0 for line in counted)
    free(server)


def test_feedback_that_was_refused_is_no_fault_of_the_store(server):
    """Feedback that came in an overload is counted as refused, and not as one that the store lost."""
    with at_work(server, THREADS):
        assert server.client.post({"feedback": []}, f"{ORDER_SELECT}/feedback").status_code == 503
        lines = server.client.get("/metrics").text.splitlines()
    assert 'plexus_cds_store_failures_total{what="feedback"} 0.0' in lines
    assert 'plexus_cds_feedback_total{outcome="refused"} 1.0' in lines


def test_few_lines_for_many_refusals(server):
    """Each second one refusal is logged, with the number of those that were not."""
    with at_work(server, THREADS):
        times = sum(refused(server) for _ in range(200))
    lines = [json.loads(line) for line in server.errors().splitlines() if "overloaded" in line]
    assert 0 < len(lines) < times
    assert all(set(line) == {"time", "level", "event", "client", "status", "suppressed"} for line in lines)


@pytest.mark.parametrize(("name", "last"), [("a header", "X: {}\r\n\r\n"), ("many headers", "{}\r\n")])
def test_header_size(name, last, server):
    """Headers up to the setting are read, and larger ones are refused before the service hears of the call."""
    assert head_answered(server, last, 7 * 1024, name) == b"HTTP/1.1 200"
    assert head_answered(server, last, 9 * 1024, name) == b"HTTP/1.1 431"


def head_answered(server, last: str, size: int, name: str) -> bytes:
    """Return what is answered to a request whose headers have about this size."""
    filling = "x" * size if name == "a header" else "".join(f"X-{n}: {'x' * 240}\r\n" for n in range(size // 250))
    head = "GET /cds-services HTTP/1.1\r\nHost: localhost\r\n" + last.format(filling)
    with closing(sent(server, head.encode())) as connection:
        return connection.recv(12)

"""Refusals that come before a body was read: the client reads its answer, and nobody else's call breaks."""

import json
import socket
import ssl
from contextlib import ExitStack, closing, suppress
from threading import Thread

import pytest
import requests

from cds_service.config.settings import Settings
from tests.faults.load import until
from tests.integration.limits.nginx import nginx
from tests.support.corpus import call
from tests.support.service import ORDER_SELECT, Client
from tests.support.serving import granian

SIZES = (64 * 1024, 110_000, 512 * 1024, 2 * 1024 * 1024)
"""Bytes."""

REFUSALS = {
    "not found": ("POST", "/cds-services/other", {}, 404),
    "no method": ("PUT", ORDER_SELECT, {}, 405),
    "another media type": ("POST", ORDER_SELECT, {"Content-Type": "text/plain"}, 415),
    "compressed": ("POST", ORDER_SELECT, {"Content-Encoding": "gzip"}, 415),
    "another host": ("POST", ORDER_SELECT, {"Host": "elsewhere.example"}, 421),
    "discovery with a body": ("GET", "/cds-services", {}, 200),
}


@pytest.fixture(scope="module", params=["true", "false"], ids=["fast path", "Flask"], name="server")
def each_way_of_a_call(request):
    """Give a server that answers hook calls on the fast path, and one that answers them through Flask."""
    with granian(fast_path=request.param) as server:
        yield server


@pytest.mark.parametrize("size", [*SIZES, 7 * 1024 * 1024])
@pytest.mark.parametrize(("method", "path", "headers", "status"), REFUSALS.values(), ids=REFUSALS)
def test_the_connection_goes_on(method, path, headers, status, size, server):
    """A refused client reads its answer, and its next call on the same connection is answered."""
    headers = {"Content-Type": "application/json", "Host": "localhost", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{method} {path} HTTP/1.1\r\n{lines}Content-Length: {size}\r\n\r\n".encode()
    probe = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as connection:
        connection.sendall(head + b" " * size)
        with closing(connection.makefile("rb")) as answers:
            assert read_answer(answers) == status
            connection.sendall(probe)
            assert read_answer(answers) == 200


def read_answer(answers) -> int:
    """Return the status of the next answer on a connection, which must be whole."""
    status = int(answers.readline().split()[1])
    length = 0
    while (line := answers.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
        assert (name.lower(), value.strip()) != (b"connection", b"close")
    assert len(answers.read(length)) == length
    return status


def test_a_body_beyond_the_limit(server):
    """A body that is larger than the service reads is refused unread, and the connection is closed, which is said."""
    head = f"POST {ORDER_SELECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as connection:
        connection.sendall(f"{head}Content-Length: 9000000\r\n\r\n".encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close\r\n" in received.lower()


def test_slow_bodies_hold_few_threads(server):
    """Refused calls whose body does not arrive do not keep others from being answered."""
    head = b"POST /cds-services/other HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    waiting = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(60)]
    try:
        for connection in waiting:
            connection.sendall(head)
        answers = [server.client.post(call()) for _ in range(20)]
        assert all(answer.json()["cards"] for answer in answers)
        assert not any(answer.headers.get("Connection") == "close" for answer in answers), "they go on all the same"
    finally:
        for connection in waiting:
            connection.close()


@pytest.mark.parametrize("other", ["/cds-services/other", ORDER_SELECT], ids=["not found", "overloaded"])
def test_probes_are_answered_meanwhile(other, server):
    """While all calls wait for bodies that do not arrive, and refused calls for theirs, too, probes are answered."""
    head = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with ExitStack() as waiting:
        for path in [*[ORDER_SELECT] * Settings().threads, *[other] * 60]:
            address = ("127.0.0.1", server.port)
            connection = waiting.enter_context(closing(socket.create_connection(address, 10)))
            connection.sendall(head.format(path).encode())
        until(lambda: server.client.get("/cds-services").status_code == 503)
        assert [server.client.get(probe).status_code for probe in ("/livez", "/readyz", "/metrics")] == [200] * 3
    until(lambda: server.client.get("/cds-services").status_code == 200)


@pytest.mark.parametrize(
    "path",
    [
        "//cds-services",
        "///cds-services",
        "//",
        f"/{ORDER_SELECT}",
        "//livez",
        "//x/livez",
        "cds-services",
        "localhost:80",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_leading_slashes(method, path, server):
    """A path with more slashes at its start, or none, is another one, and not found."""
    body = json.dumps(call()).encode() if method == "POST" else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        with closing(connection.makefile("rb")) as answers:
            assert read_answer(answers) == 404


def test_two_lengths_of_a_body(server):
    """A body with a length and in chunks is read by its chunks, and nothing after it is read as a call (RFC 9112)."""
    head = f"POST {ORDER_SELECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    smuggled = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as connection:
        connection.sendall(f"{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        connection.sendall(b"2\r\n{}\r\n0\r\n\r\n" + smuggled)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 422"))


LIMIT = 32 * 1024
"""Bytes of a request's head."""


@pytest.mark.parametrize("piece", [4096, LIMIT * 10], ids=["in pieces", "at once"])
@pytest.mark.parametrize("size", [1_000, LIMIT - 1, LIMIT, LIMIT + 1, LIMIT * 3 // 2, LIMIT * 3 // 2 + 1, 200_000])
def test_header_sizes(size, piece, server):
    """Headers of 32 KiB pass, of more than 48 KiB get 431, in between either; no connection just breaks."""
    start, end = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ", b"\r\n\r\n"
    head = start + b"x" * (size - len(start) - len(end)) + end
    with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may be refused while it arrives
            for begin in range(0, size, piece):
                connection.sendall(head[begin : begin + piece])
        status = int(connection.recv(100).split()[1])
    assert status != 431 or size > LIMIT
    assert status == 431 or (status == 200 and size <= LIMIT * 3 // 2)


ROUNDS = 60
"""Of a good and a refused client at the same time, for each size."""


@pytest.mark.parametrize("size", SIZES)
def test_no_other_call_breaks_behind_nginx(size, server, tmp_path):
    """Behind nginx, whose connections calls share, good calls are answered while others are refused."""
    with nginx(tmp_path, server.port) as front:
        statuses: list[int] = []
        refusing = Thread(target=refused_calls, args=(front, size, statuses))
        refusing.start()
        try:
            good = [front.client.post(call()).status_code for _ in range(ROUNDS)]
        finally:
            refusing.join()
    assert (good, statuses) == ([200] * ROUNDS, [404] * ROUNDS)


@pytest.fixture(scope="module", name="instances")
def two_instances():
    """Give two instances with few threads."""
    with granian(threads="4") as first, granian(threads="4") as second:
        yield first, second


@pytest.fixture(name="front")
def nginx_before_both(instances, tmp_path):
    """Give nginx in front of both instances, each of which it leaves out where a call of it fails."""
    with nginx(tmp_path, *(instance.port for instance in instances), at_once=100, stalls_for=10) as front:
        yield front


def test_many_refused_calls_leave_both_instances_in(front):
    """Several clients whose large bodies are refused at the same time all read why, and good calls are answered."""
    statuses: list[int] = []
    clients = [Thread(target=refused_calls, args=(front, 4 * 1024 * 1024, statuses, 12)) for _ in range(8)]
    for client in clients:
        client.start()
    try:
        good = [front.client.post(call()).status_code for _ in range(ROUNDS)]
    finally:
        for client in clients:
            client.join()
    assert (good, statuses) == ([200] * ROUNDS, [404] * 12 * 8)


MANY_HEADERS = "".join(f"X-{number}: 1\r\n" for number in range(120))

ODD = {
    "a control character in a header": (ORDER_SELECT, "Accept: \x01\r\n", 400),
    "one in a header that nobody reads": (ORDER_SELECT, "X: \x01\r\n", 200),
    "many headers": (ORDER_SELECT, MANY_HEADERS, 200),
    "large headers": (ORDER_SELECT, f"Accept: {'x' * 15_000}\r\nAuthorization: {'x' * 15_000}\r\n", 200),
    "a path that is none": (f"{ORDER_SELECT}/<", "", 400),
    "a query that is none": (f"{ORDER_SELECT}?\xe4", "", 400),
}
"""What the server of the service refuses before it reads the body, and closes the connection."""


@pytest.mark.parametrize(("path", "headers", "status"), ODD.values(), ids=ODD)
def test_odd_requests_leave_both_instances_in(path, headers, status, front):
    """A client whose requests cannot be read, with large bodies, does not keep nginx from sending calls of others."""
    body = json.dumps(call()).encode().ljust(1024 * 1024)
    lines = f"Host: localhost\r\nContent-Type: application/json\r\n{headers}Connection: close\r\n"
    request = f"POST {path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body
    for _ in range(5):
        assert [answer_through(front, request) for _ in range(4)] == [status] * 4
        assert front.client.post(call()).status_code == 200


def answer_through(front, request: bytes) -> int:
    """Send raw bytes to nginx on a connection of their own, and return the status that comes."""
    tls = ssl.create_default_context(cafile=str(front.folder / "authority.pem"))
    plain = socket.create_connection(("127.0.0.1", front.port), 10)
    with tls.wrap_socket(plain, server_hostname="localhost") as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may be refused while it arrives
            connection.sendall(request)
        return int(connection.recv(100).split()[1])


def refused_calls(front, size: int, statuses: list[int], rounds: int = ROUNDS) -> None:
    """Send calls that are refused before their body is read, and note what comes; 0 for a connection that broke."""
    client = Client(front.client.base)
    client.session.verify = front.client.session.verify
    for _ in range(rounds):
        try:
            statuses.append(client.post(b" " * size, "/cds-services/other").status_code)
        except requests.ConnectionError:
            statuses.append(0)
    client.session.close()

"""The lines for nginx that we ship, in front of the real server: what the service cannot limit by itself."""

import json
import socket
import ssl
from contextlib import ExitStack, closing

import pytest

from cds_service.config.settings import Settings
from tests.faults.load import until
from tests.integration.limits.nginx import AT_ONCE, SHIPPED, nginx
from tests.support.corpus import call
from tests.support.service import ORDER_SELECT
from tests.support.serving import granian

MIB = 1024 * 1024
CANARY = "canary-8f21"


@pytest.fixture(scope="module", name="server")
def the_service_behind_nginx():
    """Give the service that stands behind nginx."""
    with granian("--development") as server:
        yield server


@pytest.fixture(scope="module", name="front")
def nginx_in_front(server, tmp_path_factory):
    """Give nginx with the shipped lines in front of the service."""
    with nginx(tmp_path_factory.mktemp("nginx"), server.port) as front:
        front.take_the_disk_away()
        yield front


def connected(front):
    """Return a TLS connection to nginx, to write on what no client library would."""
    tls = ssl.create_default_context(cafile=str(front.folder / "authority.pem"))
    return tls.wrap_socket(socket.create_connection(("127.0.0.1", front.port), 10), server_hostname="localhost")


def raw_answer(front, head: str, body: bytes = b"") -> bytes:
    """Send what may be less than a request, and return all that comes until the connection is closed."""
    with closing(connected(front)) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + body)
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except (ConnectionResetError, ssl.SSLError):  # a stalled connection may be reset
            pass
        return received


def padded(size: int) -> bytes:
    """Return a call that gets a card, made this large by a member of its order, which makes the card as large."""
    start, end = json.dumps(call()).split('"intent": "order"', 1)
    start, end = f'{start}"patientInstruction": "{CANARY}', f'", "intent": "order"{end}'
    return (start + "x" * (size - len(start) - len(end)) + end).encode()


def outcome(response) -> tuple[int, str]:
    """Return the status and the issue's type of an answer, which must be an OperationOutcome."""
    body = response.json()
    assert body["resourceType"] == "OperationOutcome"
    assert response.headers["Content-Type"] == "application/fhir+json"
    return response.status_code, body["issue"][0]["code"]


def test_a_call_passes(front):
    """Discovery, calls, feedback, the page behind the card and the preflight of a browser pass."""
    assert front.client.get("/cds-services").status_code == 200
    assert front.client.cards(call())
    assert front.client.post({"feedback": []}, f"{ORDER_SELECT}/feedback").status_code == 200
    assert front.client.get("/cards/lumbosacral-plexus-mri").status_code == 200
    assert front.client.get("/static/plexus.css").status_code == 200
    asks = {"Origin": "https://sandbox.cds-hooks.org", "Access-Control-Request-Method": "POST"}
    assert front.client.session.options(front.client.base + ORDER_SELECT, headers=asks, timeout=10).ok


def test_the_service_s_own_errors_pass(front):
    """What the service says of a call that it refuses reaches the client as it is."""
    response = front.client.post(b"{")
    assert outcome(response) == (400, "structure")
    assert response.text == front.client.post(b"{").text


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        ("GET /nowhere HTTP/1.1\nHost: localhost\nConnection: close\n\n", 404, "not-found"),
        ("GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n", 404, "not-found"),
        ("PUT /cds-services HTTP/1.1\nHost: localhost\nConnection: close\n\n", 405, "not-supported"),
        (f"GET /cds-services HTTP/1.1\nHost: localhost\nX: {'x' * 17_000}\n\n", 400, "invalid"),
        ("GET /cds-services HTTP/1.1\n\n", 400, "invalid"),
        ("GET /cds-services HTTP/1.1\nHost: localhost\nContent-Length: 1\nContent-Length: 2\n\n", 400, "invalid"),
        (
            f"POST {ORDER_SELECT} HTTP/1.1\nHost: localhost\nContent-Length: 2\nTransfer-Encoding: chunked\n\n",
            400,
            "invalid",
        ),
        ("\x01\x02\n\n", 400, "invalid"),
        ("get /cds-services HTTP/1.1\nHost: localhost\n\n", 400, "invalid"),
        ("OPTIONS * HTTP/1.1\nHost: localhost\n\n", 400, "invalid"),
        ("CONNECT localhost:443 HTTP/1.1\nHost: localhost\n\n", 400, "invalid"),
        ("GET /cds-services%00 HTTP/1.1\nHost: localhost\n\n", 400, "invalid"),
        ("GET /../cds-services HTTP/1.1\nHost: localhost\n\n", 400, "invalid"),
        (f"GET /{'x' * 17_000} HTTP/1.1\nHost: localhost\n\n", 400, "invalid"),
        ("GET /cds-services HTTP/2.0\nHost: localhost\n\n", 400, "invalid"),
        (f"POST {ORDER_SELECT} HTTP/1.1\nHost: localhost\nTransfer-Encoding: gzip, chunked\n\n", 400, "invalid"),
        ("POST /nowhere HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\nno size\n", 400, "invalid"),
        (f"OST {ORDER_SELECT} HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\nno size\n", 400, "invalid"),
    ],
)
def test_what_nginx_answers_itself(head, status, code, front):
    """What nginx refuses by itself is an OperationOutcome too, as from the service."""
    answer, _, body = raw_answer(front, head).partition(b"\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Type: application/fhir+json" in answer
    outcome_body = json.loads(body)
    assert (outcome_body["resourceType"], outcome_body["issue"][0]["code"]) == ("OperationOutcome", code)


def test_the_log_names_what_was_refused(front):
    """The log has method and path of what nginx refuses itself, no query, and nothing of what it cannot read."""
    raw_answer(front, f"PUT /cds-services/refused?patient={CANARY} HTTP/1.1\nHost: localhost\nConnection: close\n\n")
    raw_answer(front, f"{CANARY} /x HTTP/1.1\nHost: localhost\n\n")
    until(lambda: " - 400 " in front.log("plexus-cds.log").splitlines()[-1])  # written after the answer
    lines = front.log("plexus-cds.log").splitlines()
    assert any(" PUT /cds-services/refused 405 " in line for line in lines)
    assert CANARY not in lines[-1]


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
def test_a_request_without_a_version(method, front):
    """A request in the form of HTTP/0.9 gets a body alone, which is an OperationOutcome too."""
    assert json.loads(raw_answer(front, f"{method} /cds-services\n"))["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("path", ["/", "/dashboard", "/dashboard/export/cards.csv", "/metrics", "/readyz", "/livez"])
def test_what_is_not_for_clients_is_not_there(path, front, server):
    """Pages and probes of the operator are answered by the service, and not through nginx."""
    assert server.client.get(path).status_code == 200
    assert front.client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_other_methods(method, front):
    """Methods that the service does not have end at nginx."""
    response = front.client.session.request(method, front.client.base + ORDER_SELECT, timeout=10)
    assert response.status_code == 405


HEAD = f"POST {ORDER_SELECT} HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"


@pytest.mark.parametrize(
    "head",
    ["", HEAD, f"{HEAD}Content-Length: 100\n\n", f"{HEAD}Transfer-Encoding: chunked\n\n"],
    ids=["nothing", "half a head", "a body that does not come", "a chunk that does not come"],
)
def test_who_stalls_is_cut_off(head, front):
    """A client that goes silent within a request is cut off after the time-out, and others are answered meanwhile."""
    with closing(connected(front)) as other:
        other.sendall(f"{HEAD}Content-Length: 100\n\n{{".replace("\n", "\r\n").encode())
        assert front.client.cards(call())
        assert b"200 OK" not in raw_answer(front, head)


def test_body_size(front):
    """A body up to the limit reaches the service, and of a larger one nothing does."""
    assert front.client.post(padded(8 * MIB)).status_code == 200
    refused = front.client.post(padded(8 * MIB + 1))
    assert outcome(refused) == (413, "too-long")
    assert "MiB" not in refused.text, "the service was asked"
    chunks = (padded(9 * MIB)[start : start + MIB] for start in range(0, 9 * MIB, MIB))
    assert outcome(front.client.session.post(front.client.base + ORDER_SELECT, data=chunks, timeout=10))[0] == 413


def test_nothing_of_a_patient_s_is_kept(front):
    """Neither large bodies and answers nor what stands in a query, a header or a body is written to a disk."""
    token = {"Authorization": f"Bearer {CANARY}", "Content-Type": "application/json"}
    address = f"{front.client.base}{ORDER_SELECT}?patient={CANARY}"
    card = front.client.session.post(address, data=padded(7 * MIB), headers=token, timeout=10)
    assert (card.status_code, len(card.content) > 6 * MIB) == (200, True)
    assert front.client.session.post(address, data=padded(9 * MIB), headers=token, timeout=10).status_code == 413
    assert ORDER_SELECT in front.log("plexus-cds.log")
    assert CANARY not in front.log("plexus-cds.log") + front.log("plexus-cds.error.log") + front.log("error.log")


@pytest.mark.parametrize("head", [f"{HEAD}X: {'x' * 17_000}\n\n", f"GET /{'x' * 17_000} HTTP/1.1\nHost: localhost\n\n"])
def test_header_size(head, front):
    """A header or an address that is too large is refused by nginx."""
    assert raw_answer(front, head).startswith(b"HTTP/1.1 400")


def test_a_token_passes(front):
    """A header Authorization as long as a token may be passes."""
    assert front.client.get("/cds-services", headers={"Authorization": "Bearer " + "x" * 8192}).status_code == 200


def test_a_service_that_is_down(tmp_path):
    """Where the service does not answer, the client hears so at once, and when to call again."""
    with granian() as server:
        assert server.stop() == 0
        with nginx(tmp_path, server.port) as front:
            response = front.client.post(call())
    assert outcome(response) == (503, "transient")
    assert response.headers["Retry-After"] == "5"


def test_a_flood_from_one_address(tmp_path):
    """An address that sends more than it may is answered 429, and when to call again."""
    with granian() as server, nginx(tmp_path, server.port) as front:
        request = b"GET /cds-services HTTP/1.1\r\nHost: localhost\r\n\r\n"
        last = b"GET /cds-services HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        received = raw_answer(front, "", request * 600 + last)
    assert received.count(b"HTTP/1.1 200 OK") >= 200
    refused = received.count(b"HTTP/1.1 429")
    assert refused > 0
    assert received.count(b"Retry-After: 1\r\n") == refused


def test_connections_of_one_address(tmp_path):
    """An address may have so many calls arriving at once; one more is answered 429, until one of them goes away."""
    with granian() as server, nginx(tmp_path, server.port) as front, ExitStack() as arriving:
        for _ in range(AT_ONCE - 1):
            arriving.enter_context(closing(begun(front)))
        assert front.client.post(call()).status_code == 200
        with closing(begun(front)):
            refused = front.client.post(call())
            assert (outcome(refused), refused.headers["Retry-After"]) == ((429, "throttled"), "1")
        assert any(front.client.post(call()).status_code == 200 for _ in range(100))


def begun(front):
    """Begin a call of which the body does not come, and return its connection when nginx waits for that."""
    connection = connected(front)
    connection.sendall(f"{HEAD}Expect: 100-continue\nContent-Length: 100\n\n".replace("\n", "\r\n").encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    return connection


def test_the_shipped_limits_are_the_service_s_own():
    """Nginx takes bodies as large as the service does, and holds each in memory, a chunked one with its seams."""
    lines, own = SHIPPED.read_text(), Settings()
    assert f"client_max_body_size {own.body_megabytes}m;" in lines
    assert f"client_body_buffer_size {own.body_megabytes + 1}m;" in lines

"""Requests of raw bytes that no client library would send, what each may be answered, and what was wrong with it.

A case is a dictionary of plain values: names of the tables here, and where bytes of the head are damaged. Each entry of
a table has the statuses to which it may lead; an entry that refuses has no 200 among them. An undamaged case must get
one of the statuses of its entries, with 200 only where all of them have it, and then the right cards.
"""

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from hypothesis import strategies as st

from tests.spec.body_checks import body_faults
from tests.support.service import ORDER_SELECT
from tests.support.serving import example

KIB = 1024
OK = frozenset({200})
MAYBE = frozenset({200, 400})
WITHOUT_BODY = (400, 414, 431)
"""What the server itself answers without a body (docs/integration.md, Responses)."""
DOCUMENTED = (200, 400, 401, 404, 405, 412, 413, 414, 415, 422, 429, 431)
_PROMPT, _PATIENT = 0.3, 60
"""Seconds to wait for the answer to a request that may be incomplete, and to one that is whole."""

Table = Mapping[Any, frozenset[int]]


def _refused(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


METHODS: Table = {
    "POST": OK,
    **dict.fromkeys(("PUT", "DELETE", "PATCH", "TRACE", "GET", "HEAD"), _refused(405)),
    "post": MAYBE,
    "PRI": _refused(400, 405),
    "P" * 300: _refused(400, 405),
}
TARGETS: Table = {
    ORDER_SELECT: OK,
    f"{ORDER_SELECT}?patient=1": OK,
    f"http://localhost{ORDER_SELECT}": OK,
    ORDER_SELECT.replace("/l", "/%6c"): OK,
    f"http://elsewhere.example{ORDER_SELECT}": MAYBE | {421},
    f"{ORDER_SELECT}#x": MAYBE | {401, 404},
    **dict.fromkeys((f"/{ORDER_SELECT}", f"//{ORDER_SELECT}", f"{ORDER_SELECT}/"), _refused(401, 404)),
    ORDER_SELECT.replace("/l", "//l"): _refused(401, 404),
    ORDER_SELECT.upper(): _refused(401, 404),
    f"/x/..{ORDER_SELECT}": _refused(401, 404),
    f"/cds-services/%2e%2e{ORDER_SELECT}": _refused(401, 404),
    f"{ORDER_SELECT}%00": _refused(400, 401, 404),
    **dict.fromkeys(("*", "localhost:443", "/../../etc/passwd", "/\xff\xfe", "x", ""), _refused(400, 401, 404, 405)),
    **{f"/{'x' * n}": _refused(400, 404, 414, 431) for n in (8_190, 8_191, 8_192, 16_384, 65_534, 65_535)},
    **{f"{ORDER_SELECT}?{'x' * n}": MAYBE | {414, 431} for n in (8_120, 8_192, 16_384)},
}
VERSIONS: Table = {
    " HTTP/1.1": OK,
    " HTTP/1.0": MAYBE,
    **dict.fromkeys((" HTTP/1.9", " HTTP/1.1 ", "  HTTP/1.1"), MAYBE),
    **dict.fromkeys(("", " HTTP/2.0", " http/1.1", " HTTP/11"), _refused(400)),
}
HOSTS: Table = {
    ("localhost",): OK,
    ("LOCALHOST.",): MAYBE,
    **dict.fromkeys(
        ((), ("localhost", "elsewhere.example"), ("",), ("elsewhere.example",), ("[::1]:8080",), ("a b",), ("a/b",)),
        MAYBE | {421},
    ),
    **dict.fromkeys((("localhost:99999",), ("\0",), ("x" * 300,), ("..",), ("localhost, other",)), MAYBE | {421}),
}
TYPES: Table = {
    **dict.fromkeys(("application/json", "application/fhir+json", "APPLICATION/JSON; charset=utf-8", None), OK),
    "": OK,
    **dict.fromkeys(("text/plain", "application/jsonx", "multipart/form-data; boundary=x", "json"), _refused(415)),
    "application/x-www-form-urlencoded": _refused(415),
}
ENCODINGS: Table = {
    **dict.fromkeys((None, "identity", "Identity", "IDENTITY, identity", ""), OK),
    **dict.fromkeys(("gzip", "GZIP", "gZip", "deflate, gzip", "br", "identity, gzip", "x"), _refused(415)),
}
TOKENS: Table = {
    "good": OK,
    **dict.fromkeys(("none", "junk", "expired", "of another path", "of nobody"), _refused(401)),
    "used": _refused(401),
    "hasty": _refused(200, 429),
    "long": _refused(400, 401, 431),
}
"""`hasty` is a client that may call once a minute."""
FRAMES: Table = {
    **dict.fromkeys(("length", "chunked", "Chunked", "small chunks"), OK),
    "chunk extension": MAYBE,
    "trailers": MAYBE,
    "length twice": MAYBE,
    "length in a list": MAYBE,
    "length and chunked": MAYBE,
    "chunked and length": MAYBE,
    "gzip, chunked": MAYBE | {501},
    "identity": MAYBE | {501},
    "no length": _refused(400, 411),
    **dict.fromkeys(("two lengths", "+length", "-length", "0x length", "half a length"), _refused(400)),
    "huge length": _refused(400, 413),
    "chunked, gzip": _refused(400, 501),
    "chunk of no size": _refused(400, 422),
    "chunk of a huge size": _refused(400, 413, 422),
    "too long a length": _refused(),
    "cut": _refused(),
    "chunks cut": _refused(),
}
WHOLE = ("length", "chunked", "Chunked", "small chunks")
"""Frames after which the connection goes on."""
UNFINISHED = ("too long a length", "cut", "chunks cut", "no length", "half a length", "chunk of no size")
"""Frames that a server may wait for the rest of, or that leave bytes which are no request."""
PADS: Table = {
    None: OK,
    **dict.fromkeys((8 * KIB - 1, 8 * KIB, 8 * KIB + 1, 12 * KIB), OK),
    **{16 * KIB + n: MAYBE | {431} for n in (-400, -1, 0, 1)},
    **{size * KIB + n: MAYBE | {431} for size in (32, 48, 64) for n in (-1, 0, 1)},
    "101 headers": MAYBE | {431},
}
"""The head has so many bytes by one more header."""


@cache
def card_call() -> bytes:
    """Return the call that gets the reference card."""
    return json.dumps(example("article")).encode()


@cache
def bodies() -> Mapping[str, tuple[bytes, frozenset[int]]]:
    """Return the bodies by name, each with the statuses that it may get."""
    card = card_call()

    def with_member(text: bytes) -> bytes:
        return card[:-1] + b', "x": ' + text + b"}"

    return {
        "card": (card, OK),
        "no card": (json.dumps(example("unwatched-order")).encode(), OK),
        "long text": (with_member(b'"' + b"x" * 3_000_000 + b'"'), OK),
        "empty": (b"", _refused(400)),
        "half": (card[: len(card) // 2], _refused(400)),
        "NUL": (card.replace(b"order-select", b"order\0select", 1), _refused(400)),
        "a call smuggled": (b"GET /cds-services HTTP/1.1\r\nHost: localhost\r\n\r\n", _refused(400)),
        **{f"blanks, {size}": (b" " * size, _refused(400)) for size in (65_536, 110_000, 524_288, 2_097_152)},
        **{f"values, {size}": (b"[" + b"1," * size + b"1]", _refused(413)) for size in (600_000, 1_000_000)},
    }


_TABLES: Mapping[str, Table] = {
    "method": METHODS,
    "target": TARGETS,
    "version": VERSIONS,
    "hosts": HOSTS,
    "type": TYPES,
    "encoding": ENCODINGS,
    "token": TOKENS,
    "frame": FRAMES,
    "pad": PADS,
}


@st.composite
def raw_requests(draw: Callable) -> dict[str, Any]:
    """Draw a request of which up to three parts are odd; the head of every fourth is damaged as well."""
    usual = {name: next(iter(table)) for name, table in _TABLES.items()} | {"body": "card"}
    odd = draw(st.lists(st.sampled_from([*usual]), max_size=3, unique=True))
    parts = {name: draw(st.sampled_from([*(_TABLES.get(name) or bodies())])) for name in odd}
    damage: list[Any] = []
    if draw(st.integers(0, 3)) == 0:
        place, byte = st.floats(0, 1, exclude_max=True), st.integers(0, 255)
        change = st.tuples(st.sampled_from(["change", "insert", "delete", "double"]), place, byte)
        damage = draw(st.lists(change, min_size=1, max_size=3))
    return usual | parts | {"damage": damage}


def allowed(case: Mapping[str, Any]) -> frozenset[int]:
    """Return the statuses that a case may get; for one that is damaged or unfinished, all that are documented."""
    if case["damage"] or case["frame"] in UNFINISHED:
        return frozenset(DOCUMENTED)
    sets = [table[case[name]] for name, table in _TABLES.items()] + [bodies()[case["body"]][1]]
    every = frozenset().union(*sets)
    return every if all(200 in statuses for statuses in sets) else every - {200}


def request_bytes(case: Mapping[str, Any], authorization: str | None) -> bytes:
    """Return the bytes of a case."""
    sizes, body = _framed(case["frame"], bodies()[case["body"]][0])
    headers = [("Host", host) for host in case["hosts"]] + sizes
    headers += [
        (name, case[key])
        for name, key in (("Content-Type", "type"), ("Content-Encoding", "encoding"))
        if case[key] is not None
    ]
    headers += [("Authorization", authorization)] if authorization else []
    headers += [(f"X-{n}", "x") for n in range(101)] if case["pad"] == "101 headers" else []
    start = f"{case['method']} {case['target']}{case['version']}"
    head = "".join(f"{line}\r\n" for line in (start, *(f"{name}: {text}" for name, text in headers)))
    if isinstance(case["pad"], int):
        head += f"X-Pad: {'x' * (case['pad'] - len(head) - len('X-Pad: ') - 4)}\r\n"
    return _damaged(f"{head}\r\n".encode("latin-1"), case["damage"]) + body


def _damaged(head: bytes, damage: list[Any]) -> bytes:
    for how, place, byte in damage:
        at = int(place * len(head))
        kept, new = {
            "change": (head[at + 1 :], bytes([byte])),
            "insert": (head[at:], bytes([byte])),
            "delete": (head[at + 1 :], b""),
            "double": (head[at:], head[at : at + 1]),
        }[how]
        head = head[:at] + new + kept
    return head


def _framed(frame: str, body: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers that say how long a body is, and its bytes on the wire."""
    size = len(body)
    lengths = {
        "length": [f"{size}"],
        "length twice": [f"{size}", f"{size}"],
        "length in a list": [f"{size}, {size}"],
        "two lengths": [f"{size}", f"{size + 1}"],
        "+length": [f"+{size}"],
        "-length": [f"-{size + 1}"],
        "0x length": [f"0x{size:x}"],
        "half a length": [f"{size // 2}"],
        "huge length": ["9" * 20],
        "too long a length": [f"{size + 10}"],
        "cut": [f"{size + 1}"],
        "no length": [],
    }
    if frame in lengths:
        return [("Content-Length", text) for text in lengths[frame]], body[:-1] if frame == "cut" else body
    if frame == "identity":
        return [("Content-Length", f"{size}"), ("Transfer-Encoding", "identity")], body
    coding = frame if frame in ("Chunked", "gzip, chunked", "chunked, gzip") else "chunked"
    headers = [("Transfer-Encoding", coding)]
    if "length" in frame:
        headers = (
            [("Content-Length", "4"), *headers] if frame.startswith("length") else [*headers, ("Content-Length", "4")]
        )
    return headers, _chunks(frame, body)


def _chunks(frame: str, body: bytes) -> bytes:
    if frame == "chunk of no size":
        return b"x\r\n" + body + b"\r\n0\r\n\r\n"
    if frame == "chunk of a huge size":
        return b"f" * 17 + b"\r\n" + body
    step = 100 if frame == "small chunks" and len(body) < 2 * 65_536 else max(1, len(body))
    after = b";x=y" if frame == "chunk extension" else b""
    parts = [body[start : start + step] for start in range(0, len(body), step)]
    last = b"0\r\n" + (b"X-Trailer: x\r\n" if frame == "trailers" else b"") + b"\r\n"
    joined = b"".join(b"%x%b\r\n%b\r\n" % (len(part), after, part) for part in parts)
    return joined if frame == "chunks cut" else joined + last


@dataclass
class Answer:
    """One HTTP response."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def ends(self) -> bool:
        """Return whether the connection ends with it."""
        return self.headers.get("connection", "").lower() == "close"


class Connection(Protocol):
    """A socket, plain or with TLS."""

    def sendall(self, content: bytes, /) -> None: ...  # noqa: D102
    def settimeout(self, seconds: float | None, /) -> None: ...  # noqa: D102
    def makefile(self, mode: str, /) -> Any: ...  # noqa: D102


def exchange(connection: Connection, case: Mapping[str, Any], content: bytes, probe: bytes) -> list[Answer]:
    """Send a case, and then a good request where the connection goes on; return the answers."""
    is_whole = not case["damage"] and case["frame"] not in UNFINISHED
    connection.settimeout(_PATIENT)
    with suppress(OSError):  # the answer may be there all the same
        connection.sendall(content)
    connection.settimeout(_PATIENT if is_whole else _PROMPT)
    answers: list[Answer] = []
    with connection.makefile("rb") as stream:
        try:
            answers.append(read_answer(stream, case["method"]))
            is_alone = is_whole and case["frame"] in WHOLE and case["version"] == " HTTP/1.1"
            if is_alone and not answers[0].ends:
                connection.sendall(probe)
                answers.append(read_answer(stream, "GET"))
        except (OSError, EOFError):
            pass
    return answers


def read_answer(stream: Any, method: str) -> Answer:
    """Return the next answer; raise EOFError where none comes. Status 0 is HTTP/0.9, which has a body alone."""
    line = stream.readline()
    if not line:
        raise EOFError
    if not line.startswith(b"HTTP/"):
        return Answer(0, {}, line + stream.read())
    answer = Answer(int(line.split()[1]))
    while (header := stream.readline()) not in (b"\r\n", b""):
        name, _, value = header.decode("latin-1").partition(":")
        answer.headers[name.lower()] = value.strip()
    if answer.status == 100:
        return read_answer(stream, method)
    if method != "HEAD":
        answer.content = _content(stream, answer.headers)
    return answer


def _content(stream: Any, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return _exactly(stream, int(headers.get("content-length", "0")))
    content = b""
    while size := int(stream.readline(), 16):
        content += _exactly(stream, size)
        stream.readline()
    stream.readline()
    return content


def _exactly(stream: Any, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return bytes(content)


def faults(
    case: Mapping[str, Any], answers: list[Answer], cards: Mapping[str, str], *, behind_nginx: bool
) -> list[str]:
    """Return what is wrong with the answers to a case; `cards` has the right answer to each body that gets one."""
    if not answers:
        is_open = case["damage"] or case["frame"] in UNFINISHED or (case["method"] == "PRI" and not behind_nginx)
        return [] if is_open else ["no answer to a whole request"]
    first = answers[0]
    faults = _content_faults(case, first, behind_nginx=behind_nginx)
    if first.status and first.status not in allowed(case):
        faults.append(f"the status is {first.status}, not one of {sorted(allowed(case))}")
    if first.status == 200 and case["method"] in ("POST", "post") and b'"cards"' in first.content:
        expected = cards.get(case["body"])
        faults += [] if without_ids(first.content) == expected else ["another answer than the right one"]
    if len(answers) > 1 and answers[1].status != 200:
        faults.append(f"the next call on its connection is answered {answers[1].status}")
    is_alone = not case["damage"] and case["frame"] in WHOLE and case["version"] == " HTTP/1.1"
    if is_alone and not first.ends and len(answers) == 1 and first.status:
        faults.append("the connection broke, and its answer did not say so")
    return faults


def _content_faults(case: Mapping[str, Any], answer: Answer, *, behind_nginx: bool) -> list[str]:
    """Return what is wrong with a body: an error has an OperationOutcome, but for what the server itself refuses."""
    if (answer.status and answer.status < 400) or case["method"] == "HEAD":
        return body_faults(answer.content) if answer.content else []
    is_passed_on = case["damage"] or case["pad"] == "101 headers"  # nginx forwards control characters in a header, too
    if not answer.content and answer.status in WITHOUT_BODY and (is_passed_on or not behind_nginx):
        return []
    faults = body_faults(answer.content)
    if not faults and json.loads(answer.content).get("resourceType") != "OperationOutcome":
        faults = ["an error without an OperationOutcome"]
    return [f"{answer.status}: {fault}" for fault in faults]


def without_ids(content: bytes) -> str:
    """Return an answer without the UUIDs that are its own."""
    from tests.generative.hostile.fuzzing import without_uuids  # noqa: PLC0415 - it needs the run's state folder

    return without_uuids(Answer(200, {}, content))  # type: ignore[arg-type]


def connect(port: int, address: str) -> socket.socket:
    """Return a connection to a port of this machine from one of its addresses."""
    return socket.create_connection(("127.0.0.1", port), _PATIENT, source_address=(address, 0))

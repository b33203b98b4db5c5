"""A server of our own that answers as no FHIR server should: for each resource type a play, which writes to the socket.

It records every connection and every request, so that a test can also say what must never arrive.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cds_service.examples import searchset

_LONGEST_PLAY = 20.0
"""Seconds: no play goes on for longer, so that a test which fails ends."""


@dataclass(frozen=True)
class Request:
    """One request that arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: str

    @property
    def kind(self) -> str:
        """Return the resource type that is asked for."""
        return next((kind for kind in ("Condition", "Procedure") if f"/{kind}" in self.target), "")

    @property
    def page(self) -> int:
        """Return the number in `page=2`, and 1 where there is none."""
        return int(self.target.rpartition("page=")[2]) if "page=" in self.target else 1


class Stage:
    """What a play has to play with: the request, the socket, and a wait that ends with the server."""

    def __init__(self, request: Request, connection: socket.socket, ends: threading.Event) -> None:
        self.request, self.send, self.wait = request, connection.sendall, ends.wait


Play = Callable[[Stage], None]


class OddServer:
    """Listens on a free port; `plays` says what happens for each resource type, and on its later pages."""

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._tls, self._ends = tls, threading.Event()
        self._threads = [threading.Thread(target=self._listen)]
        self.port = self._listener.getsockname()[1]
        scheme, name = "https" if tls else "http", f"[{host}]" if ":" in host else host
        self.root = f"{scheme}://{name}:{self.port}"
        self.url = f"{self.root}/fhir"
        self.plays: dict[str, Play] = {}
        self.requests: list[Request] = []
        self.connections = 0
        self._threads[0].start()

    def stages(self, condition: Play, procedure: Play) -> None:
        """Set what is played from now on, and forget what has arrived so far."""
        self.plays = {"Condition": condition, "Procedure": procedure}
        self.requests, self.connections = [], 0

    def stop(self) -> None:
        """End all plays and close all sockets."""
        self._ends.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while not self._ends.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=[connection]))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer one request; a client that has had enough of it closes the connection, which is no fault."""
        connection.settimeout(_LONGEST_PLAY)
        with connection, suppress(OSError):
            if self._tls is None:
                self._play(connection)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as encrypted:
                    self._play(encrypted)

    def _play(self, connection: socket.socket) -> None:
        request = _read(connection)
        if request:
            self.requests.append(request)
            self.plays.get(request.kind, answers({}, 404))(Stage(request, connection, self._ends))


def _read(connection: socket.socket) -> Request | None:
    with connection.makefile("rb") as file:
        first, *lines = iter(lambda: file.readline().decode("latin-1").strip(), "")
        if first.count(" ") != 2:
            return None
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, _ = first.split(" ")
        return Request(method, target, headers, file.read(int(headers.get("content-length", 0))).decode())


@contextmanager
def odd_server(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[OddServer]:
    """Run a server, and stop it whatever happens."""
    server = OddServer(host, tls)
    try:
        yield server
    finally:
        server.stop()


def http(body: bytes, status: int = 200, **headers: object) -> bytes:
    """Return an HTTP answer as bytes; a header of None is left out."""
    given = {"Content_Type": "application/fhir+json", "Content_Length": len(body), "Connection": "close"}
    lines = [f"{name.replace('_', '-')}: {text}" for name, text in (given | headers).items() if text is not None]
    return "\r\n".join([f"HTTP/1.1 {status} Odd", *lines, "", ""]).encode() + body


def chunked(body: bytes = b"") -> bytes:
    """Return the beginning of an answer that comes in chunks, with one chunk of it."""
    head = http(b"", Content_Length=None, Transfer_Encoding="chunked")
    return head + (b"%x\r\n%s\r\n" % (len(body), body) if body else b"")


def answers(value: object, status: int = 200, **headers: object) -> Play:
    """Answer with JSON."""
    return sends(http(json.dumps(value).encode(), status, **headers))


def holds(*resources: dict, next_url: str | None = None) -> Play:
    """Answer as a FHIR server should, perhaps with a link to a next page."""
    links = {"link": [{"relation": "next", "url": next_url}]} if next_url else {}
    return answers(searchset(resources) | links)


def sends(content: bytes) -> Play:
    """Send these bytes and close the connection."""
    return lambda stage: stage.send(content)


def repeats(content: bytes, over_and_over: bytes) -> Play:
    """Send bytes, then others without end."""

    def play(stage: Stage) -> None:
        stage.send(content)
        while not stage.wait(0):
            stage.send(over_and_over)

    return play


def drips(content: bytes, drop: Iterator[bytes] | bytes) -> Play:
    """Send bytes, then others one at a time with a pause of a tenth of a second before each."""

    def play(stage: Stage) -> None:
        stage.send(content)
        for byte in drop:
            if stage.wait(0.1):
                return
            stage.send(bytes([byte]))

    return play


def stalls(content: bytes = b"", after: float = 0.0) -> Play:
    """Send bytes after a while, then nothing more, and keep the connection open."""

    def play(stage: Stage) -> None:
        stage.wait(after)
        stage.send(content)
        stage.wait(_LONGEST_PLAY)

    return play


def page_by_page(*plays: Play) -> Play:
    """Play another play for each page."""
    return lambda stage: plays[stage.request.page - 1](stage)


def only_by_get(play: Play, status: int) -> Play:
    """Refuse a search by POST."""
    refuse = answers({"resourceType": "OperationOutcome"}, status)
    return lambda stage: (play if stage.request.method == "GET" else refuse)(stage)

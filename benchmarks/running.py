"""A server process on its own core: start, requests, memory, stop."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import BenchmarkError, children, resident_kib

_STARTS_IN, _STOPS_IN, _PAUSE = 60.0, 20.0, 0.002
"""Seconds."""


@dataclass(slots=True)
class Running:
    """A server process that runs or is starting."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def post(self, path: str, body: bytes, token: str = "") -> tuple[int, bytes]:
        """Return status and body of the response to one call, on a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait_for_response(self, path: str, body: bytes, token: str = "") -> tuple[int, bytes]:
        """Return the first response; BenchmarkError where the server ends or does not respond within 60 s."""
        end = time.monotonic() + _STARTS_IN
        while time.monotonic() < end and self.process.poll() is None:
            try:
                return self.post(path, body, token)
            except OSError:
                time.sleep(_PAUSE)
        message = f"the server did not start; what it wrote:\n{self.log.read_text(encoding='utf-8')[-3000:]}"
        raise BenchmarkError(message)

    def resident_kib(self) -> int:
        """Return the resident memory of the worker, which is the server itself where that has no workers."""
        return max(map(resident_kib, children(self.process.pid) or [self.process.pid]))


@contextmanager
def running(
    command: list[str], settings: dict[str, str], core: int, folder: Path, log_name: str = "server.log"
) -> Iterator[Running]:
    """Start a server on a core, with {port} in its command and settings filled in, and stop it whatever happens."""
    port, log = free_port(), folder / log_name
    variables = environment({name: text.format(port=port) for name, text in settings.items()})
    with log.open("wb") as written:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *(part.format(port=port) for part in command)],
            env=variables,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        yield Running(port, process, log)
    finally:
        _stop(process)


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment with these settings of the service and no others; bytecode is kept."""
    left_out = ("PLEXUS_CDS_", "PYTHONDONTWRITEBYTECODE")
    own = {name: text for name, text in os.environ.items() if not name.startswith(left_out)}
    return own | settings


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its workers, kindly at first."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOPS_IN)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

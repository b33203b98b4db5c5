"""The command `plexus-cds serve` as an operator runs it: another process, on a free port, stopped as by Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cds_service import examples
from cds_service.clock import SYSTEM_CLOCK
from tests.support.service import Client

COMMAND = str(Path(sys.executable).with_name("plexus-cds"))
STARTS_IN, STOPS_IN, LEAVES_IN = 60.0, 10.0, 0.4
"""Seconds; a start on a busy machine takes its time."""


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with these settings of the service and no others."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("PLEXUS_CDS_")}
    return own | {f"PLEXUS_CDS_{name.upper()}": text for name, text in settings.items()}


def example(name: str = "article") -> dict:
    """Return an example call, dated from the day of this machine: a server in another process has no other clock."""
    return examples.example("calls", name, SYSTEM_CLOCK.today())


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


class Server:
    """A running `plexus-cds serve`; what it writes goes to files, as a pipe that is not read would stop it."""

    def __init__(
        self,
        command: str,
        *arguments: str,
        cwd: Path | None = None,
        stderr: int | None = None,
        port: int = 0,
        **settings: str,
    ) -> None:
        self.port = port or free_port()
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        self._err = tempfile.TemporaryFile("w+")  # noqa: SIM115 - likewise
        self.process = subprocess.Popen(
            [command, "serve", "--port", str(self.port), *arguments],
            env=environment(**settings),
            cwd=cwd,
            stdout=self._out,
            stderr=self._err if stderr is None else stderr,
            start_new_session=True,
        )
        self.client = Client(f"http://127.0.0.1:{self.port}")

    def wait_until_it_answers(self) -> None:
        """Return once discovery is answered; fail where the process ends instead, or takes too long."""
        end = time.monotonic() + STARTS_IN
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.client.get("/cds-services")
            except requests.ConnectionError:
                time.sleep(0.05)
            else:
                return
        self.kill()
        pytest.fail(f"the server did not start: {self.errors()}")

    def stop(self, *, group: bool = True) -> int:
        """Send SIGINT and return the exit code; as a terminal does on Ctrl-C, the whole `group` gets it."""
        if self.process.poll() is None:
            send = os.killpg if group else os.kill
            send(self.process.pid, signal.SIGINT)
        return self.process.wait(STOPS_IN)

    def left_over(self) -> bool:
        """Return whether a worker outlived the server."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """End what is left of it, so that a failing test leaves nothing behind."""
        if self.left_over():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Close the connections and the files."""
        self.client.session.close()
        self._out.close()
        self._err.close()

    def output(self) -> str:
        """Return what it wrote to standard output so far."""
        self._out.seek(0)
        return self._out.read()

    def errors(self) -> str:
        """Return what it wrote to standard error so far; while it runs, a line leaves within 0.2 s."""
        if self.process.poll() is None:
            time.sleep(LEAVES_IN)
        self._err.seek(0)
        return self._err.read()


@contextmanager
def granian(
    *arguments: str, command: str = COMMAND, cwd: Path | None = None, stderr: int | None = None, **settings: str
) -> Iterator[Server]:
    """Start the server, wait until it answers, and stop it again whatever happens."""
    server = Server(command, *arguments, cwd=cwd, stderr=stderr, **settings)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        server.kill()
        server.close()


@pytest.fixture(scope="module", name="granian_service")
def a_granian_service() -> Iterator[Client]:
    """Give a client of the real server, which must exit cleanly when it is stopped."""
    with granian("--development") as server:
        yield server.client
        assert server.stop() == 0, server.errors()
        assert "Traceback" not in server.errors()

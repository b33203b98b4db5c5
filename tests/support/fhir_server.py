"""A real FHIR R4 server: PyPI's sekmet-fhir on SQLite, another process on a free port, with bearer tokens required."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support.serving import free_port

COMMAND = str(Path(sys.executable).with_name("sekmet"))
STARTS_IN, STOPS_IN = 30.0, 10.0
"""Seconds."""


class FhirServer:
    """A running server; what it writes goes to a file."""

    def __init__(self, folder: Path, token: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/fhir"
        self._log = folder / "log.txt"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"
        (folder / "settings.yaml").write_text(json.dumps(_settings(self.url, port, token)), encoding="utf-8")
        self.start()

    def start(self) -> None:
        """Start the process; a second one has what the first one stored."""
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [COMMAND, "serve", "--config", "settings.yaml"],
                cwd=self._log.parent,
                env={name: text for name, text in os.environ.items() if not name.startswith("SEKMET_")},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_it_answers(self) -> None:
        """Return once the server answers; fail with its log where it ends instead, or takes too long."""
        end = time.monotonic() + STARTS_IN
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self._session.head(f"{self.url}/metadata", timeout=5)
            except requests.RequestException:
                time.sleep(0.05)
            else:
                return
        message = f"the FHIR server did not start; its log:\n{self.log()}"
        raise RuntimeError(message)

    def stop(self) -> None:
        """End the process, whatever it takes, and close the connections."""
        self._session.close()
        self.process.terminate()
        try:
            self.process.wait(STOPS_IN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def put(self, name: str, resources: list[dict]) -> None:
        """Store the resources of one patient; their ids get its name in front, as one server holds all patients."""
        text = re.sub(r'"(Condition|Procedure)/', rf'"\1/{name}-', json.dumps(resources))
        for resource in json.loads(text):
            kind = resource["resourceType"]
            own_id = name if kind == "Patient" else f"{name}-{resource['id']}"
            answer = self._session.put(f"{self.url}/{kind}/{own_id}", json=resource | {"id": own_id}, timeout=10)
            assert answer.status_code == 201, answer.text

    def search(self, kind: str, patient_id: str) -> dict:
        """Return the first page of a search."""
        answer = self._session.get(f"{self.url}/{kind}", params={"patient": patient_id}, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def log(self) -> str:
        """Return what the server wrote so far."""
        return self._log.read_text(encoding="utf-8")

    @contextmanager
    def asked(self) -> Iterator[list[str]]:
        """Yield a list which afterwards holds what was asked of the server meanwhile: method and target."""
        before, lines = len(self.log()), []
        yield lines
        lines += re.findall(r'"([A-Z]+ \S+) HTTP/', self.log()[before:])


def _settings(url: str, port: int, token: str) -> dict:
    """JSON is YAML."""
    return {
        "base_url": url,
        "host": "127.0.0.1",
        "port": port,
        "data_dir": "data",
        "server_auth": {"types": ["bearer"], "tokens": [token]},
        "simulator": {"enabled": False},
    }


@contextmanager
def fhir_server(folder: Path, token: str) -> Iterator[FhirServer]:
    """Start the server in an empty folder, wait until it answers, and stop it again whatever happens."""
    server = FhirServer(folder, token)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        server.stop()

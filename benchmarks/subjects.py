"""The subjects: each is a server with its settings, a call, and the expected response to it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bare, peer
from benchmarks.bodies import LARGE, SMALL, UNWATCHED, WATCHED, as_bytes, call_to_fetch, hook_call
from benchmarks.machine import BenchmarkError
from benchmarks.running import environment
from benchmarks.tokens import Signer

PATH = "/cds-services/lumbosacral-plexus-mri-order-select"
PEER = "healthchain"
"""A peer project: where it does not run, the table says so."""
_STATE = "state"
_PUBLIC_URL = "https://cds.example.org"
_BIN = Path(sys.executable).parent
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SERVICE = {"PLEXUS_CDS_PUBLIC_URL": _PUBLIC_URL, "PLEXUS_CDS_CALLS_PER_MINUTE": "1000000"}
"""The defaults of production, with as many calls a minute as can be set."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One row of the table; `answer` is the expected response, with its ids masked."""

    name: str
    title: str
    command: list[str]
    settings: dict[str, str]
    body: bytes = field(repr=False)
    answer: Any = field(repr=False)
    signer: Signer | None = None
    path: str = PATH

    @property
    def marker(self) -> str:
        """Return a part of the expected response: how its card begins, or `"cards"` where there is none."""
        cards = self.answer["cards"]
        return str(cards[0]["summary"])[:24] if cards else '"cards"'

    def check(self, status: int, content: bytes) -> None:
        """Raise BenchmarkError where a response differs from the expected one in anything but ids."""
        response = masked(json.loads(content)) if status == 200 else None
        if response != self.answer:
            message = (
                f"{self.name}: wrong response, {status}: {content[:500]!r}; expected {json.dumps(self.answer)[:500]}"
            )
            raise BenchmarkError(message)


def masked(answer: Any) -> Any:
    """Return a response with an x for each id that is new in each call."""
    return json.loads(_UUID.sub("x", json.dumps(answer)))


_FIXED = masked({"cards": [bare.CARD]})


def subject_factories(folder: Path, fhir_server: str) -> dict[tuple[str, str], Callable[[], Subject]]:
    """Return the functions that create the subjects, by letter and name, in the order of the table."""
    state = settings_in(folder)
    fetches = state | {"PLEXUS_CDS_DEVELOPMENT": "true", "PLEXUS_CDS_FHIR_SERVERS": fhir_server}
    flask_only = state | {"PLEXUS_CDS_FAST_PATH": "false"}
    card = as_bytes(hook_call(WATCHED, SMALL))
    silent = as_bytes(hook_call(WATCHED, SMALL, matters=False))
    unwatched = as_bytes(hook_call(UNWATCHED, SMALL))
    large = as_bytes(hook_call(WATCHED, LARGE))
    fetched = as_bytes(call_to_fetch(WATCHED, fhir_server))
    factories = (
        partial(_on_granian, "bare", "bare Flask on the service's server, the call of (c)", card, state),
        partial(_on_granian, "bare-large", "bare Flask on the service's server, the call of (e)", large, state),
        partial(_on_granian, "plain", "no Flask: plain WSGI on the service's server, the call of (c)", card, state),
        partial(_on_gunicorn, "bare-gunicorn", "bare Flask on gunicorn sync, the call of (c)", card, state),
        partial(service, "unwatched", "an order that is not watched", unwatched, state),
        partial(service, "unwatched-flask", "the same, without the fast path", unwatched, flask_only),
        partial(service, "card", "a watched order, 5 Conditions and 3 Procedures: a card", card, state),
        partial(service, "silent", "the same, and nothing that matters: silence", silent, state),
        partial(service, "large", "500 Conditions and 1,000 Procedures: a card", large, state),
        partial(service, "fetched", "the small chart, read from a FHIR server: a card", fetched, fetches),
        partial(
            _signed, "es384", "the call of (b) with a token, ES384, and the replay cache", unwatched, state, folder
        ),
        partial(
            _signed, "rs384", "the call of (b) with a token, RS384, and the replay cache", unwatched, state, folder
        ),
        partial(_healthchain, PEER, "HealthChain, the call of (c): a fixed card", card, folder),
    )
    return {(letter, make.args[0]): make for letter, make in zip("aaaabbcdefggh", factories, strict=True)}


def service(name: str, title: str, body: bytes, settings: dict[str, str]) -> Subject:
    """Return this service with a call; the expected response is that of `plexus-cds decide`."""
    command = [str(_BIN / "plexus-cds"), "serve", "--port", "{port}"]
    return Subject(name, title, command, settings, body, masked(_decided(body, settings)))


def _signed(name: str, title: str, body: bytes, settings: dict[str, str], folder: Path) -> Subject:
    signer = Signer(name.upper(), _PUBLIC_URL + PATH, folder)
    with_clients = {"PLEXUS_CDS_CLIENTS_FILE": str(signer.clients_file())}
    subject = service(name, title, body, settings)
    return replace(subject, settings=settings | with_clients, signer=signer)


def _on_granian(name: str, title: str, body: bytes, settings: dict[str, str]) -> Subject:
    which = [name] if name == "plain" else []
    command = [sys.executable, "-m", "benchmarks.bare", _server_options(settings), "{port}", *which]
    return Subject(name, title, command, {}, body, _FIXED)


def _on_gunicorn(name: str, title: str, body: bytes, _settings: dict[str, str]) -> Subject:
    bound = ["--workers", "1", "--bind", "127.0.0.1:{port}", "benchmarks.bare:app"]
    return Subject(name, title, [sys.executable, "-m", "gunicorn", "--no-control-socket", *bound], {}, body, _FIXED)


def _healthchain(name: str, title: str, body: bytes, folder: Path) -> Subject:
    return Subject(name, title, peer.command(folder), {}, body, _FIXED, path=peer.PATH)


def settings_in(folder: Path) -> dict[str, str]:
    """Return the settings that all subjects of this service have, with a store of their own."""
    return {**_SERVICE, "XDG_STATE_HOME": str(folder / _STATE)}


def empty_store(folder: Path) -> None:
    """Give the service a store as it is after an installation: migrated, and with nothing in it."""
    ready, state = folder / "state-ready", folder / _STATE
    if not ready.exists():
        _run([str(_BIN / "plexus-cds"), "migrate"], {"XDG_STATE_HOME": str(ready)}, b"")
    shutil.rmtree(state, ignore_errors=True)
    shutil.copytree(ready, state)


def _server_options(settings: dict[str, str]) -> str:
    done = _run([sys.executable, "-m", "benchmarks.server_options"], settings, b"")
    return done.stderr.decode().splitlines()[-1]


def _decided(body: bytes, settings: dict[str, str]) -> Any:
    return json.loads(_run([str(_BIN / "plexus-cds"), "decide", "--cards", "-"], settings, body).stdout)


def _run(command: list[str], settings: dict[str, str], body: bytes) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(command, env=environment(settings), input=body, capture_output=True, check=False)
    if done.returncode:
        message = f"{' '.join(command[1:3])} failed: {done.stderr.decode()[-1000:]}"
        raise BenchmarkError(message)
    return done

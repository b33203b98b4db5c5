"""What the tests of the authentication share: a memory, a key server, and a verifier of its client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.auth import KeySetCache, TokenVerifier, read_clients
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.replay_cache import ReplayCache
from tests.support.odd_server import OddServer, answers, odd_server
from tests.support.service import CLOCK
from tests.support.signing import ISSUER, key, key_set, public


class Seconds:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the seconds so far."""
        return self.seconds


@pytest.fixture(scope="session")
def memory(tmp_path_factory) -> Iterator[ReplayCache]:
    """Give a memory of the tokens of all these tests."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('seen')}/store.sqlite3", durable=False)
    migrate(store)
    yield ReplayCache(store, CLOCK)
    store.close()


@pytest.fixture(scope="module")
def key_server() -> Iterator[OddServer]:
    """Run a server that has the client's keys, and does what else a test says."""
    with odd_server() as server:
        has(server, key("ES384"), key("RS384"))
        yield server


def write_clients(folder: Path, *tables: str) -> Path:
    """Write a clients file and return its path."""
    path = folder / "clients.toml"
    path.write_text("\n".join(f"[[clients]]\n{table}" for table in tables), encoding="utf-8")
    return path


@pytest.fixture
def clients_file(tmp_path):
    """Return a function that writes a clients file and returns its path."""
    return lambda *tables: write_clients(tmp_path, *tables)


def verifier_of(file: Path, memory: ReplayCache, ring: KeySetCache | None = None) -> TokenVerifier:
    """Return a verifier of the clients in a file, at the time of the tests."""
    return TokenVerifier(read_clients(file, development=True), ring or KeySetCache(), memory, CLOCK)


@pytest.fixture
def verifier(clients_file, memory, key_server):
    """Return a function that makes a verifier of one client, with these lines more in the clients file."""

    def make(*lines: str, clock=None, ca_file: str = "", root: str = key_server.root) -> TokenVerifier:
        file = clients_file("\n".join([f'issuer = "{ISSUER}"', f'jwks_url = "{root}/keys"', *lines]))
        return verifier_of(file, memory, KeySetCache(ca_file, clock or Seconds()))

    return make


def has(server: OddServer, *keys) -> None:
    """Let a key server have the public halves of these keys, and forget what it was asked."""
    server.plays = {"": answers(key_set(*map(public, keys)))}
    server.requests, server.connections = [], 0

"""Who calls: the clients of a file as it is now, their keys, and the tokens that were used."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from cds_service.auth import Clients, KeySetCache, Principal, ReplayProtection, TokenVerifier, read_clients
from cds_service.clock import Clock
from cds_service.config.settings import Settings
from cds_service.store import CircuitBreaker, Store
from cds_service.store.replay_cache import ReplayCache
from cds_service.watched_file import WatchedFile

_AT_ONCE = 8
"""Calls that ask the replay memory at once, a quarter of all at most: one that hangs holds so many threads for good."""


class Authenticator:
    """Tells who calls one service."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        read = partial(read_clients, development=settings.development)
        self._file = WatchedFile("clients_file", Path(settings.clients_file), read, _told)
        self._base, self._clock = settings.base_url, clock
        self._keys = KeySetCache(settings.ca_file)
        self._store = Store(settings.store_url.get_secret_value(), durable=False, patience=1)
        self._replay = _Gated(ReplayCache(self._store, clock), settings.threads)

    @property
    def file_state(self) -> str:
        """Return read, or wrong where the file before stays in force."""
        return "wrong" if self._file.is_invalid else "read"

    def caller(self, authorization: str | None, path: str) -> Principal:
        """Return who calls an address of ours, or raise Unauthenticated or ReplayCacheUnavailable."""
        verifier = TokenVerifier(self._file.current(), self._keys, self._replay, self._clock)
        return verifier.verify(authorization, f"{self._base}{path}")

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        self._store.close()


class _Gated:
    """The replay memory, of which calls hear within seconds that it hangs, and at once where others just heard so."""

    def __init__(self, replay: ReplayProtection, threads: int) -> None:
        self._replay, self._gate = replay, CircuitBreaker(threads, max_concurrent=min(_AT_ONCE, threads // 4))

    def is_new(self, issuer: str, token_id: str, expires_at: datetime) -> bool:
        """Tell whether a token is used for the first time, or raise StoreUnavailable."""
        with self._gate.calling():
            return self._replay.is_new(issuer, token_id, expires_at)


def _told(clients: Clients) -> dict[str, Any]:
    return {"clients": [client.issuer for client in clients]}

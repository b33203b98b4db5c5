"""The public keys of all clients, each from its own JWK Set: a file, or a URL (CDS Hooks 2.0.1, section "Security")."""

import os
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service.egress_policy import Deadline, FetchLimits, HttpClientError
from cds_service.logs import log_event
from cds_service.model import FetchFault

if TYPE_CHECKING:
    from cds_service.auth.clients import Client
    from cds_service.auth.public_keys import KeySet, PublicKey

_FRESH = 600
"""Seconds for which a fetched key set is used without fetching it again."""
_STALE = 24 * 3600
"""Seconds for which it is used where fetching it again fails."""
_RETRY, _RETRY_WITHOUT_KEYS = 60, 10
"""Seconds between two fetches, whatever key ids callers make up."""
_FETCH_SECONDS, _MEGABYTES = 3.0, 64 / 1024
_MAX_WAITING = 8
"""Calls that wait for one key set: a quarter of the default threads, so that a server that hangs leaves the others."""
_GRACE = 0.2
"""Seconds after the deadline for which a call waits: a DNS look-up, unlike a response, cannot be cancelled."""


class KeySetCache:
    """The key sets of all clients of a process, each read on first use; thread-safe. `clock` returns seconds."""

    def __init__(self, ca_file: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._ca_file, self._clock = ca_file, clock
        self._lock = threading.Lock()
        self._key_sets: dict[Client, KeySetFile | RemoteKeySet] = {}

    def keys(self, client: "Client", kid: str) -> "tuple[PublicKey, ...] | None":
        """Return a client's keys with a `kid`, perhaps none, or None where its key set is not available."""
        key_set = (self._key_sets.get(client) or self._add(client)).current(kid)
        return None if key_set is None else key_set.with_id(kid)

    def _add(self, client: "Client") -> "KeySetFile | RemoteKeySet":
        with self._lock:  # so that concurrent calls share one
            return self._key_sets.setdefault(client, self._new(client))

    def _new(self, client: "Client") -> "KeySetFile | RemoteKeySet":
        """Return the client's key set; keys pinned in a file win over those at a URL, which is then never read."""
        if client.jwks_file:
            return KeySetFile(client.issuer, client.jwks_file)
        return RemoteKeySet(client.issuer, client.jwks_url or "", self._ca_file, self._clock)


class KeySetFile:
    """A key set in a file, read again when it changes; an invalid file changes nothing.

    So to revoke a client's access, remove it from the clients file.
    """

    def __init__(self, issuer: str, file: Path) -> None:
        self._issuer, self._file = issuer, file
        self._lock = threading.Lock()
        self._last_stamp: tuple[int, ...] | None = None
        self._key_set: KeySet | None = None

    def current(self, _kid: str) -> "KeySet | None":
        """Return the key set, or None where the file was never valid."""
        if self._stamp() != self._last_stamp:
            with self._lock:  # concurrent calls wait for the one that reads
                self._read_if_changed()
        return self._key_set

    def _read_if_changed(self) -> None:
        stamp = self._stamp()
        if stamp != self._last_stamp:
            self._read()
            self._last_stamp = stamp

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = os.stat(self._file)  # noqa: PTH116 - for each call, and Path.stat takes half as long again
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> None:
        from cds_service.auth.public_keys import read_key_set_file  # noqa: PLC0415 - slow to load, and often not needed

        try:
            self._key_set = read_key_set_file(self._file)
        except (OSError, ValueError) as error:
            _log_failure(self._issuer, getattr(error, "strerror", None) or type(error).__name__, self._key_set)
        else:
            _log_key_set(self._issuer, self._key_set)


class RemoteKeySet:
    """A key set at a URL, fetched when it is old or lacks a key; a failed fetch leaves the one before for a day.

    It is fetched in a thread of its own, so that concurrent calls wait for one response: at most 8 of them, and none
    for longer than 3.2 s.
    """

    def __init__(self, issuer: str, url: str, ca_file: str, clock: Callable[[], float]) -> None:
        self._issuer, self._url, self._clock = issuer, url, clock
        self._limits = FetchLimits(seconds=_FETCH_SECONDS, megabytes=_MEGABYTES, ca_file=ca_file)
        self._lock, self._waiting = threading.Lock(), threading.BoundedSemaphore(_MAX_WAITING)
        self._key_set: KeySet | None = None
        self._fetched_at = self._fetch_started_at = float("-inf")
        self._fetch_thread: threading.Thread | None = None
        self._wait_until = 0.0
        self._last_fetch_failed = False

    def current(self, kid: str) -> "KeySet | None":
        """Return the key set, fetched again where it is old or lacks `kid`, or None where none is available."""
        fetch_thread = self._fetch_if_due(kid)
        if fetch_thread and not (self._last_fetch_failed and self._has(kid)):
            self._wait_for(fetch_thread)
        return self._key_set if self._age() < _STALE else None

    def _wait_for(self, fetch_thread: threading.Thread) -> None:
        """Wait for a fetch; where enough calls wait already, go on with the key set that there is."""
        if self._waiting.acquire(blocking=False):
            try:
                fetch_thread.join(max(0.0, self._wait_until - time.monotonic()))
            finally:
                self._waiting.release()

    def _fetch_if_due(self, kid: str) -> threading.Thread | None:
        """Return the thread of a fetch that runs or is started now, or None where none is due."""
        with self._lock:
            if self._age() < _FRESH and self._has(kid):
                return None
            if self._fetch_thread and self._fetch_thread.is_alive():
                return self._fetch_thread
            pause = _RETRY if self._key_set else _RETRY_WITHOUT_KEYS
            return self._start_fetch() if self._clock() - self._fetch_started_at >= pause else None

    def _start_fetch(self) -> threading.Thread:
        self._fetch_started_at = self._clock()
        self._wait_until = time.monotonic() + _FETCH_SECONDS + _GRACE
        self._fetch_thread = threading.Thread(target=self._fetch, name="plexus-cds client keys", daemon=True)
        self._fetch_thread.start()
        return self._fetch_thread

    def _fetch(self) -> None:
        from cds_service.auth.public_keys import read_key_set  # noqa: PLC0415 - slow to load, and often not needed

        try:
            key_set = read_key_set(self._get())
        except HttpClientError as error:
            self._fail(error.fault.label)
        except ValueError:
            self._fail("not_a_key_set")
        else:
            with self._lock:
                self._key_set, self._fetched_at, self._last_fetch_failed = key_set, self._clock(), False
            _log_key_set(self._issuer, key_set)

    def _get(self) -> Any:
        """Return the JSON at the URL, or raise HttpClientError."""
        from cds_service.http_client import HttpClient  # noqa: PLC0415 - slow to load, and often not needed

        accept = "application/jwk-set+json, application/json"
        client = HttpClient(None, Deadline(_FETCH_SECONDS), self._limits, accept)
        try:
            status, content = client.get(self._url)
        finally:
            client.close()
        if status != HTTPStatus.OK:
            raise HttpClientError(FetchFault.NOT_ANSWERED)
        return content

    def _fail(self, reason: str) -> None:
        self._last_fetch_failed = True
        _log_failure(self._issuer, reason, self._key_set)

    def _has(self, kid: str) -> bool:
        return self._key_set is not None and bool(self._key_set.with_id(kid))

    def _age(self) -> float:
        return self._clock() - self._fetched_at


def _log_key_set(issuer: str, key_set: "KeySet") -> None:
    log_event("info", "client_keys_loaded", client=issuer, used=len(key_set.keys), ignored=dict(key_set.ignored))


def _log_failure(issuer: str, error: str, cached: "KeySet | None") -> None:
    log_event("warning", "client_keys_unavailable", client=issuer, error=error, cached=cached is not None)

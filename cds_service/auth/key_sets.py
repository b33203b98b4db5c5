"""The public keys of all clients, each from its own file or key server."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service.egress_policy import Deadline, FetchLimits, HttpClientError
from cds_service.logs import log_event
from cds_service.model import FetchFault
from cds_service.strict_json import strict_json

if TYPE_CHECKING:
    from cds_service.auth.clients import Client
    from cds_service.auth.public_keys import KeySet, PublicKey


def read_key_file(file: Path) -> "KeySet":
    """Return the keys of a file, or raise OSError or ValueError."""
    from cds_service.auth.public_keys import read_key_set  # noqa: PLC0415 - slow, and many a service has no clients

    return read_key_set(strict_json(file.read_bytes()))


class KeySetFile:
    """The keys of a file; one that went wrong changes nothing, so to refuse a client it is taken from the clients."""

    def __init__(self, issuer: str, file: Path) -> None:
        self._issuer, self._file = issuer, file
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._held: KeySet | None = None

    def keys(self, _kid: str) -> "KeySet | None":
        """Return the keys, or None where the file was never readable."""
        if self._stamp() != self._seen:
            with self._lock:  # of calls that come at once all wait for the one that reads
                self._read_if_changed()
        return self._held

    def _read_if_changed(self) -> None:
        stamp = self._stamp()
        if stamp != self._seen:
            self._read()
            self._seen = stamp

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = os.stat(self._file)  # noqa: PTH116 - each call asks, and Path.stat takes half as long again
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> None:
        try:
            self._held = read_key_file(self._file)
        except (OSError, ValueError) as error:
            _log_failure(self._issuer, getattr(error, "strerror", None) or type(error).__name__, self._held)
        else:
            _log_keys(self._issuer, self._held)


def _log_keys(issuer: str, keys: "KeySet") -> None:
    log_event("info", "client_keys_loaded", client=issuer, used=len(keys.keys), ignored=dict(keys.ignored))


def _log_failure(issuer: str, reason: str, cached: "KeySet | None") -> None:
    log_event("warning", "client_keys_unavailable", client=issuer, error=reason, cached=cached is not None)


_OK = 200
_FRESH = 600
"""Seconds for which keys are used without asking."""
_STALE = 24 * 3600
"""Seconds for which they are used where the key server does not answer."""
_PAUSE, _PAUSE_WITHOUT_KEYS = 60, 10
"""Seconds between two questions, whatever ids of keys are made up."""
_DEADLINE, _MEGABYTES = 3.0, 64 / 1024
_WAIT = 8
"""Calls that wait for one key server at once, a quarter of the usual threads: one that hangs must leave the others."""
_GRACE = 0.2
"""Seconds after the deadline for which a call waits: a name service, unlike a key server, cannot be hung up on."""


class RemoteKeySet:
    """Asks in a thread of its own, so that calls wait for one answer: few of them, and none for longer than that."""

    def __init__(self, issuer: str, url: str, ca_file: str, clock: Callable[[], float]) -> None:
        self._issuer, self._url, self._clock = issuer, url, clock
        self._limits = FetchLimits(seconds=_DEADLINE, megabytes=_MEGABYTES, ca_file=ca_file)
        self._lock, self._places = threading.Lock(), threading.Semaphore(_WAIT)
        self._held: KeySet | None = None
        self._read_at = self._asked_at = float("-inf")
        self._question: threading.Thread | None = None
        self._waits_until = 0.0
        self._fails = False

    def keys(self, kid: str) -> "KeySet | None":
        """Return the keys, asked for anew where they are old or lack this one, or None where none could be had."""
        question = self._asked(kid)
        if question and not (self._fails and self._has(kid)):
            self._wait_for(question)
        return self._held if self._age() < _STALE else None

    def _wait_for(self, question: threading.Thread) -> None:
        """Wait for an answer, or not at all where enough calls do: whoever is too many goes on with what is known."""
        if self._places.acquire(blocking=False):
            try:
                question.join(max(0.0, self._waits_until - time.monotonic()))
            finally:
                self._places.release()

    def _asked(self, kid: str) -> threading.Thread | None:
        """Return the question that is on its way, perhaps begun now, or None where none is due."""
        with self._lock:
            if self._age() < _FRESH and self._has(kid):
                return None
            if self._question and self._question.is_alive():
                return self._question
            pause = _PAUSE if self._held else _PAUSE_WITHOUT_KEYS
            return self._begun() if self._clock() - self._asked_at >= pause else None

    def _begun(self) -> threading.Thread:
        self._asked_at = self._clock()
        self._waits_until = time.monotonic() + _DEADLINE + _GRACE
        self._question = threading.Thread(target=self._ask, name="plexus-cds client keys", daemon=True)
        self._question.start()
        return self._question

    def _ask(self) -> None:
        from cds_service.auth.public_keys import read_key_set  # noqa: PLC0415 - slow, and many a service has no clients

        try:
            found = read_key_set(self._answer())
        except HttpClientError as error:
            self._failed(error.fault.label)
        except ValueError:
            self._failed("not_a_key_set")
        else:
            with self._lock:
                self._held, self._read_at, self._fails = found, self._clock(), False
            _log_keys(self._issuer, found)

    def _answer(self) -> Any:
        from cds_service.http_client import HttpClient  # noqa: PLC0415 - slow, and many a service never asks

        outbound = HttpClient(
            None, Deadline(_DEADLINE), self._limits, accept="application/jwk-set+json, application/json"
        )
        try:
            status, content = outbound.get(self._url)
        finally:
            outbound.close()
        if status != _OK:
            raise HttpClientError(FetchFault.NOT_ANSWERED)
        return content

    def _failed(self, why: str) -> None:
        self._fails = True
        _log_failure(self._issuer, why, self._held)

    def _has(self, kid: str) -> bool:
        return self._held is not None and bool(self._held.with_id(kid))

    def _age(self) -> float:
        return self._clock() - self._read_at


class KeySetCache:
    """Finds keys for a whole process; `clock` counts seconds."""

    def __init__(self, ca_file: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._ca_file, self._clock = ca_file, clock
        self._lock = threading.Lock()
        self._sources: dict[Client, KeySetFile | RemoteKeySet] = {}

    def keys(self, client: "Client", kid: str) -> "tuple[PublicKey, ...] | None":
        """Return a client's keys of one id, none where it has no such key, or None where its keys cannot be had."""
        source = self._sources.get(client) or self._new_source(client)
        held = source.keys(kid)
        return None if held is None else held.with_id(kid)

    def _new_source(self, client: "Client") -> KeySetFile | RemoteKeySet:
        with self._lock:  # of calls that come at once one asks for the keys
            return self._sources.setdefault(client, self._source(client))

    def _source(self, client: "Client") -> KeySetFile | RemoteKeySet:
        """Return where the keys are; beside a file, the address only says what tokens may name."""
        if client.jwks_file:
            return KeySetFile(client.issuer, client.jwks_file)
        return RemoteKeySet(client.issuer, client.jwks_url or "", self._ca_file, self._clock)

"""The public keys of one client at its key server: kept for a while, and asked for anew as seldom as possible."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cds_service.auth.key_file import log_keys
from cds_service.outbound import Clock, Limits, OutboundError
from cds_service.vocabulary import FetchFault

if TYPE_CHECKING:
    from cds_service.auth.public_keys import KeySet

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


class KeyServer:
    """Asks in a thread of its own, so that calls wait for one answer: few of them, and none for longer than that."""

    def __init__(self, issuer: str, url: str, ca_file: str, clock: Callable[[], float]) -> None:
        self._issuer, self._url, self._clock = issuer, url, clock
        self._limits = Limits(seconds=_DEADLINE, megabytes=_MEGABYTES, ca_file=ca_file)
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
        except OutboundError as error:
            self._failed(error.fault.label)
        except ValueError:
            self._failed("not_a_key_set")
        else:
            with self._lock:
                self._held, self._read_at, self._fails = found, self._clock(), False
            log_keys(self._issuer, "read", used=len(found.keys), ignored=dict(found.ignored))

    def _answer(self) -> Any:
        from cds_service.asking import Outbound  # noqa: PLC0415 - slow, and many a service never asks

        outbound = Outbound(None, Clock(_DEADLINE), self._limits, accept="application/jwk-set+json, application/json")
        try:
            status, content = outbound.get(self._url)
        finally:
            outbound.close()
        if status != _OK:
            raise OutboundError(FetchFault.NOT_ANSWERED)
        return content

    def _failed(self, why: str) -> None:
        self._fails = True
        log_keys(self._issuer, "not read; those before stay in force for a day", why=why, held=self._held is not None)

    def _has(self, kid: str) -> bool:
        return self._held is not None and bool(self._held.named(kid))

    def _age(self) -> float:
        return self._clock() - self._read_at

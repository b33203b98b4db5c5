"""How many calls use the store at once: one that hangs must not hold the threads that answer hook calls."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from cds_service.errors import StoreUnavailable

_AT_ONCE = 2
"""Calls that use the store at once, unless it is said otherwise."""
_WAITS, _SLOW, _RESTS = 1.0, 0.5, 5.0
"""Seconds: how long a call waits for its turn, which failure was slow, and how long nobody asks the store after it."""


class CircuitBreaker:
    """Lets few calls in at once, and few wait for that, shortly; whoever else comes is refused at once."""

    def __init__(self, most: int, at_once: int = _AT_ONCE) -> None:
        """At most so many calls are in or wait, and so many of them are in; one always may."""
        at_once = max(1, min(most, at_once))
        self._turns, self._places = _free(at_once), _free(most - at_once)
        self._closed_until = float("-inf")

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Let a call use the store, or raise StoreUnavailable without asking it."""
        began = time.monotonic()
        try:
            if not _taken(self._turns):
                self._wait()
            try:
                self._ask_whether_open()  # it may have closed meanwhile
                yield
            finally:
                self._turns.put(None)
        except StoreUnavailable:
            self._close_if_slow(began)
            raise

    def _wait(self) -> None:
        """Wait for a turn, in one of the places for that."""
        self._ask_whether_open()
        if not _taken(self._places):
            message = "too many calls wait for it"
            raise StoreUnavailable(message)
        try:
            if not _taken(self._turns, _WAITS):
                message = "the calls before do not end"
                raise StoreUnavailable(message)
        finally:
            self._places.put(None)

    def _ask_whether_open(self) -> None:
        if time.monotonic() < self._closed_until:
            message = "it did not answer a moment ago"
            raise StoreUnavailable(message)

    def _close_if_slow(self, began: float) -> None:
        """Refuse all for a while, but only where asking costs time: a store that fails at once may be asked again."""
        now = time.monotonic()
        if now - began > _SLOW and now > self._closed_until:
            self._closed_until = now + _RESTS


def _free(number: int) -> SimpleQueue[None]:
    """Return so many free places; a queue in C, as a semaphore in Python takes several times as long."""
    places: SimpleQueue[None] = SimpleQueue()
    for _ in range(number):
        places.put(None)
    return places


def _taken(places: SimpleQueue[None], wait: float = 0) -> bool:
    """Take a place, and tell whether there was one."""
    try:
        places.get(timeout=wait)
    except Empty:
        return False
    return True

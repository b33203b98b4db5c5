"""How many calls use the store at once: one that hangs must not hold the threads that answer hook calls."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from cds_service.errors import StoreUnavailable

_AT_ONCE = 2
"""Calls that use the store at once, unless it is said otherwise."""
_WAITS, _SLOW, _RESTS = 1.0, 0.5, 5.0
"""Seconds: how long a call waits for its turn, which failure was slow, and how long nobody asks the store after it."""


class Gate:
    """Lets few calls in at once, and few wait for that, shortly; whoever else comes is refused at once."""

    def __init__(self, most: int, at_once: int = _AT_ONCE) -> None:
        """At most so many calls are in or wait, and so many of them are in; one always may."""
        self._places = BoundedSemaphore(max(1, most))
        self._turns = BoundedSemaphore(max(1, at_once))
        self._closed_until = float("-inf")

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Let a call use the store, or raise StoreUnavailable without asking it."""
        with self._place(self._places, 0, "too many calls wait for it"):
            began = time.monotonic()
            try:
                with self._place(self._turns, _WAITS, "the calls before do not end"):
                    yield
            except StoreUnavailable:
                self._close_if_slow(began)
                raise

    @contextmanager
    def _place(self, places: BoundedSemaphore, wait: float, why: str) -> Iterator[None]:
        self._ask_whether_open()
        if not places.acquire(timeout=wait):
            raise StoreUnavailable(why)
        try:
            self._ask_whether_open()  # it may have closed meanwhile
            yield
        finally:
            places.release()

    def _ask_whether_open(self) -> None:
        if time.monotonic() < self._closed_until:
            message = "it did not answer a moment ago"
            raise StoreUnavailable(message)

    def _close_if_slow(self, began: float) -> None:
        """Refuse all for a while, but only where asking costs time: a store that fails at once may be asked again."""
        now = time.monotonic()
        if now - began > _SLOW and now > self._closed_until:
            self._closed_until = now + _RESTS

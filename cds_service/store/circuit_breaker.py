"""Protection of the request threads from a store that hangs: a bulkhead with a circuit breaker."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from cds_service import metrics
from cds_service.errors import StoreUnavailable

_MAX_CONCURRENT = 2
_QUEUE_SECONDS = 1.0
"""How long a call waits for others to leave the store."""
_SLOW_SECONDS = 0.5
"""A failure that takes longer opens the circuit."""
_OPEN_SECONDS = 5.0


class CircuitBreaker:
    """A bulkhead with a circuit breaker in front of the store; thread-safe.

    Bulkhead: at most `max_concurrent` calls use the store, the others up to `max_calls` wait for up to 1 s, and any
    further call is refused immediately. Circuit breaker: a failure that took longer than 0.5 s opens the circuit for
    5 s, during which every call is refused without trying the store; then, or by `close`, it is closed again. There is
    no half-open state, as the bulkhead already limits how many calls try the store first. Fast failures never open the
    circuit, because trying again costs nothing; nor do those of data that the store refuses, because it responds. The
    time of a failure is that since the call last got its place among the active ones, or something done.
    """

    def __init__(self, circuit: str, max_calls: int, max_concurrent: int = _MAX_CONCURRENT) -> None:
        """Limit the calls that use the store or wait for it; one call is always allowed. `circuit` is its metric's."""
        self._circuit = circuit
        max_concurrent = max(1, min(max_calls, max_concurrent))
        self._active = BoundedSemaphore(max_concurrent)
        self._waiting = BoundedSemaphore(max(0, max_calls - max_concurrent))
        self._open_until = float("-inf")

    @contextmanager
    def calling(self) -> Iterator[Callable[[], None]]:
        """Run the body as one call of the store; StoreUnavailable where the call is refused or the body raises it.

        Yields a function that the body calls whenever it has got something done: many fast steps are not a slow one.
        """
        since = [time.monotonic()]

        def progressed() -> None:
            since[0] = time.monotonic()

        try:
            if not self._active.acquire(blocking=False):
                self._wait_in_queue()
                progressed()
            try:
                self._refuse_if_open()  # the circuit may have opened while this call waited
                yield progressed
            finally:
                self._active.release()
        except StoreUnavailable as error:
            if not error.is_permanent:
                self._open_if_slow(since[0])
            raise

    def close(self) -> None:
        """Close the circuit: something else found that the store responds."""
        self._open_until = float("-inf")

    def _wait_in_queue(self) -> None:
        """Acquire a place among the active calls, or raise StoreUnavailable."""
        self._refuse_if_open()
        if not self._waiting.acquire(blocking=False):
            message = "too many calls are waiting for it"
            raise StoreUnavailable(message)
        try:
            if not self._active.acquire(timeout=_QUEUE_SECONDS):
                message = "earlier calls have not returned"
                raise StoreUnavailable(message)
        finally:
            self._waiting.release()

    def _refuse_if_open(self) -> None:
        if time.monotonic() < self._open_until:
            message = "the circuit is open after a slow failure"
            raise StoreUnavailable(message)

    def _open_if_slow(self, started: float) -> None:
        now = time.monotonic()
        if now - started > _SLOW_SECONDS and now > self._open_until:
            self._open_until = now + _OPEN_SECONDS
            metrics.circuit_opened(self._circuit)

"""The look-up of dismissed cards, for which a hook call waits: bounded in time, and refused while the store hangs."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from cds_service import metrics
from cds_service.clock import Clock
from cds_service.errors import StoreUnavailable
from cds_service.logs import LogThrottle
from cds_service.store.circuit_breaker import CircuitBreaker
from cds_service.store.database import Store
from cds_service.store.records import ShownCard

_MAX_CONCURRENT = 2
"""Threads: a look-up in a store that hangs holds its own for good, but no thread of a call."""
_SECONDS = 1.0
"""How long a call waits: long enough that a failure opens the circuit, and the calls after it do not wait."""


class DismissalLookup:
    """Asks the store which cards were dismissed; thread-safe."""

    def __init__(self, store: Store, clock: Clock, max_calls: int) -> None:
        """`max_calls` is how many calls may ask at the same time."""
        self._store = store
        self._pool = ThreadPoolExecutor(_MAX_CONCURRENT, "dismissals")
        self._breaker = CircuitBreaker("dismissals", max_calls, max_calls)
        self._log_throttle = LogThrottle(clock)

    def dismissed(self, cards: Sequence[ShownCard], services: Collection[str], since: datetime) -> set[str]:
        """Return the UUIDs of the cards whose like was dismissed after `since`, within about a second.

        None where the store fails or is slow, which is counted and logged. `services` are those of the cards;
        dismissed_cards.py says what the like of a card is.
        """
        try:
            with self._breaker.calling():
                return self._look_up(cards, services, since)
        except StoreUnavailable as error:
            metrics.store_failure("dismissals")
            self._log_throttle.log("dismissals_unavailable", error=error.reason)
            return set()

    def _look_up(self, cards: Sequence[ShownCard], services: Collection[str], since: datetime) -> set[str]:
        """Return what `dismissed` does, or raise StoreUnavailable."""
        from cds_service.store.dismissed_cards import dismissed_cards  # noqa: PLC0415 - slow; most sites do without

        def query() -> set[str]:
            with self._store.reading() as connection:
                return dismissed_cards(connection, cards, services, since)

        result = self._pool.submit(query)
        try:
            return result.result(_SECONDS)
        except TimeoutError:
            result.cancel()
            message = "it did not respond in time"
            raise StoreUnavailable(message) from None

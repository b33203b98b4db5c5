"""What one process has yet to write, up to a bound."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from cds_service import metrics
from cds_service.store.records import Counted, ShownCard

_COUNTS_AFTER = 2.0  # seconds: less than the server gives a worker that hangs when it is told to stop
_COUNTS_AT = 1000
_AT_ONCE = 500

Batch = tuple[list[ShownCard], Counter[Counted]]


def singles(batch: Batch) -> list[Batch]:
    """Return a batch for each row of a batch."""
    cards, counts = batch
    return [([card], Counter()) for card in cards] + [([], Counter({kind: counts[kind]})) for kind in counts]


class Backlog:
    """Cards in their order, and counts; over the bound the oldest are given up."""

    def __init__(self, bound: int) -> None:
        self.lost = 0
        """How many cards and decisions were given up."""
        self._bound = bound
        self._lock = threading.Lock()
        self._cards: deque[ShownCard] = deque()
        self._counts: Counter[Counted] = Counter()
        self._since = time.monotonic()

    def add(self, cards: Sequence[ShownCard], counts: Mapping[Counted, int] | Iterable[Counted]) -> None:
        """Take what was shown and decided; this is all that a call waits for."""
        with self._lock:
            self._cards.extend(cards)
            self._counts.update(counts)
            self._keep_bound()

    def is_due(self) -> bool:
        """Tell whether there is something to write now: cards at once, counts when they are many or have waited."""
        with self._lock:
            waited = time.monotonic() - self._since
            return bool(self._cards or (self._counts and (waited > _COUNTS_AFTER or self._counts.total() > _COUNTS_AT)))

    def taken(self) -> Batch | None:
        """Take out as much as is written at once, or nothing where there is nothing."""
        with self._lock:
            cards = [self._cards.popleft() for _ in range(min(_AT_ONCE, len(self._cards)))]
            counts, self._counts = self._counts, Counter()
            self._since = time.monotonic()
            return (cards, counts) if cards or counts else None

    def put_back(self, batch: Batch) -> None:
        """Keep for later what could not be written."""
        cards, counts = batch
        with self._lock:
            self._cards.extendleft(reversed(cards))
            self._counts.update(counts)
            self._keep_bound()

    def give_up(self, batch: Batch) -> None:
        """Count as lost what can never be written."""
        cards, counts = batch
        self._lose(len(cards) + counts.total())

    def _keep_bound(self) -> None:
        while len(self._cards) > self._bound:
            self._cards.popleft()
            self._lose(1)
        while len(self._counts) > self._bound:
            self._lose(self._counts.pop(next(iter(self._counts))))

    def _lose(self, count: int) -> None:
        self.lost += count
        metrics.store_failure("lost", count)

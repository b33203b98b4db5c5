"""The recorder: takes cards and counts without delay, and writes them to the store in the background."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from math import ceil

from cds_service import metrics
from cds_service.background import BackgroundWorker
from cds_service.errors import StoreUnavailable
from cds_service.logs import log_event
from cds_service.store.database import Store
from cds_service.store.records import Counted, ShownCard

_COUNTS_AFTER = 2.0  # seconds: less than the server gives a worker that hangs when it is told to stop
_COUNTS_AT = 1000
_BATCH_CARDS = 500

Batch = tuple[list[ShownCard], Counter[Counted]]


def singles(batch: Batch) -> list[Batch]:
    """Return a batch for each row of a batch."""
    cards, counts = batch
    return [([card], Counter()) for card in cards] + [([], Counter({kind: counts[kind]})) for kind in counts]


class WriteBuffer:
    """Cards in their order, and counts of decisions; over the bound the oldest are given up."""

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

    def is_empty(self) -> bool:
        """Tell whether nothing waits to be written."""
        with self._lock:
            return not (self._cards or self._counts)

    def is_due(self) -> bool:
        """Tell whether there is something to write now: cards at once, counts when they are many or have waited."""
        with self._lock:
            waited = time.monotonic() - self._since
            return bool(self._cards or (self._counts and (waited > _COUNTS_AFTER or self._counts.total() > _COUNTS_AT)))

    def batches(self) -> int:
        """Return in how many batches all that waits now is taken out."""
        with self._lock:
            return max(ceil(len(self._cards) / _BATCH_CARDS), bool(self._counts))

    def take(self) -> Batch:
        """Take out as much as is written at once."""
        with self._lock:
            cards = [self._cards.popleft() for _ in range(min(_BATCH_CARDS, len(self._cards)))]
            counts, self._counts = self._counts, Counter()
            self._since = time.monotonic()
            return cards, counts

    def requeue(self, batch: Batch) -> None:
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


_INTERVAL = 1.0
_LOCK_TIMEOUT = 1.0
_RETRY_AFTER = 10.0
_LOG_INTERVAL = 60.0
"""Seconds."""


class Recorder:
    """Writes for one process; a store that cannot be written costs what is over `bound`, and never a card."""

    def __init__(self, store: Store, *, bound: int = 10_000) -> None:
        self.failures = 0
        """How often the store could not be written."""
        self.last_error = ""
        """Why it could not the last time."""
        self._store = store
        self._buffer = WriteBuffer(bound)
        self._writing = threading.Lock()
        self._worker = BackgroundWorker("recorder", self._step, interval=_INTERVAL)
        self._logged_at = float("-inf")

    @property
    def lost(self) -> int:
        """Return how many cards and decisions were given up."""
        return self._buffer.lost

    def record(self, cards: Sequence[ShownCard], counts: Mapping[Counted, int] | Iterable[Counted]) -> None:
        """Take what was shown and decided: cards are written within a second or so, counts within three."""
        self._buffer.add(cards, counts)
        self._worker.wake()

    def flush(self) -> bool:
        """Write all that was recorded so far, and tell whether the store could be used; what it has not is kept."""
        try:
            _writer()  # loaded before the lock is taken: whoever waits for that gives up after a while
        except (OSError, ImportError) as error:  # no file descriptors are left, or the disk fails
            self._note_failure(type(error).__name__)
            return False
        if not self._writing.acquire(timeout=_LOCK_TIMEOUT):
            self.last_error = "the write before does not end"
            return False
        try:
            # not until nothing waits: while calls come faster than a batch is written, that never is
            return all(self._write(self._buffer.take()) for _ in range(self._buffer.batches()))
        finally:
            self._writing.release()

    def close(self) -> None:
        """Write what is left, and end the thread."""
        if self._worker.stop(timeout=_INTERVAL):
            self.flush()
        self._store.close()

    def _step(self) -> float | None:
        """Write what is due; return the seconds until the next look, or None where nothing waits."""
        if self._buffer.is_due() and not self.flush():
            return _RETRY_AFTER
        return None if self._buffer.is_empty() else _INTERVAL

    def _write(self, batch: Batch) -> bool:
        """Write a batch, or row by row what is not refused of it; whatever goes wrong, what is left is kept."""
        unwritten = [batch]
        try:
            while unwritten:
                refused = self._refused(unwritten[-1])
                unwritten.pop()
                unwritten += refused
        except StoreUnavailable as error:
            self._note_failure(error.reason)
            return False
        finally:
            for unwritten_batch in unwritten:
                self._buffer.requeue(unwritten_batch)
        return True

    def _refused(self, batch: Batch) -> list[Batch]:
        """Write a batch and return the rows to try alone, the first of them last; a row that was alone is given up."""
        try:
            new_orders = _writer()(self._store, *batch)
        except StoreUnavailable as error:
            if not error.is_permanent:
                raise
            reason = error.reason
        except (OSError, ImportError) as error:
            raise StoreUnavailable(type(error).__name__) from None
        except Exception as error:  # noqa: BLE001 - a fault of ours: it must not come again and again
            reason = type(error).__name__
        else:
            metrics.orders_with_card(new_orders)
            return []
        rows = singles(batch)
        if len(rows) == 1:
            self._buffer.give_up(batch)
        self._note_failure(reason)
        return rows[::-1] if len(rows) > 1 else []

    def _note_failure(self, reason: str) -> None:
        """Count a write that failed, and log at most one in a minute."""
        self.failures, self.last_error = self.failures + 1, reason
        metrics.store_failure("write")
        if time.monotonic() - self._logged_at > _LOG_INTERVAL:
            self._logged_at = time.monotonic()
            log_event("error", "store_write_failed", error=reason, failures=self.failures, lost=self.lost)


@cache
def _writer() -> Callable[..., int]:
    from cds_service.store.writing import write_shown  # noqa: PLC0415 - it loads SQLAlchemy: slow, and no start waits

    return write_shown

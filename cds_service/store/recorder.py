"""The recorder: takes cards and counts without delay, and writes them in the background."""

import json
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from cds_service import metrics
from cds_service.errors import StoreUnavailable
from cds_service.store.database import Store
from cds_service.store.records import Counted, ShownCard

_COUNTS_AFTER = 2.0  # seconds: less than the server gives a worker that hangs when it is told to stop
_COUNTS_AT = 1000
_AT_ONCE = 500

Batch = tuple[list[ShownCard], Counter[Counted]]


def singles(batch: Batch) -> list[Batch]:
    """Return a batch for each row of a batch."""
    cards, counts = batch
    return [([card], Counter()) for card in cards] + [([], Counter({kind: counts[kind]})) for kind in counts]


class WriteBuffer:
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


_LOOKS_AFTER = 1.0
_WAITS = 1.0
_TRIES_AGAIN_AFTER = 10.0
_LOGS_AFTER = 60.0
"""Seconds."""


class Recorder:
    """Writes for one process; a store that cannot be written costs what is over `bound`, and never a card."""

    def __init__(self, store: Store, *, bound: int = 10_000) -> None:
        self.failures = 0
        """How often the store could not be written."""
        self.why = ""
        """Why it could not the last time."""
        self._store = store
        self._backlog = WriteBuffer(bound)
        self._writes = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._logged_at = float("-inf")

    @property
    def lost(self) -> int:
        """Return how many cards and decisions were given up."""
        return self._backlog.lost

    def note(self, cards: Sequence[ShownCard], counts: Mapping[Counted, int] | Iterable[Counted]) -> None:
        """Take what was shown and decided: cards are written within a second or so, counts within three."""
        self._backlog.add(cards, counts)
        if self._thread is None or not self._thread.is_alive():  # the first time, and in a process that was forked
            self._thread = threading.Thread(target=self._run, name="plexus-cds recorder", daemon=True)
            self._thread.start()

    def flush(self) -> bool:
        """Write all that was noted, and tell whether the store could be used; what it has not is kept for later."""
        _writer()  # loaded before the lock is taken: whoever waits for that gives up after a while
        if not self._writes.acquire(timeout=_WAITS):
            self.why = "the write before does not end"
            return False
        try:
            return all(self._wrote(batch) for batch in iter(self._backlog.taken, None))
        finally:
            self._writes.release()

    def close(self) -> None:
        """Write what is left, and end the thread."""
        self._closed.set()
        if self._thread:
            self._thread.join(_LOOKS_AFTER)
            self.flush()
        self._store.close()

    def _run(self) -> None:
        wait = _LOOKS_AFTER
        while not self._closed.wait(wait):
            wait = _LOOKS_AFTER if not self._backlog.is_due() or self.flush() else _TRIES_AGAIN_AFTER

    def _wrote(self, batch: Batch) -> bool:
        """Write a batch, or row by row what is not refused of it; whatever goes wrong, what is left is kept."""
        left = [batch]
        try:
            while left:
                refused = self._refused(left[-1])
                left.pop()
                left += refused
        except StoreUnavailable as error:
            self._note_failure(error.why)
            return False
        finally:
            for one in left:
                self._backlog.put_back(one)
        return True

    def _refused(self, batch: Batch) -> list[Batch]:
        """Write a batch and return the rows to try alone, the first of them last; a row that was alone is given up."""
        try:
            _writer()(self._store, *batch)
        except StoreUnavailable as error:
            if not error.for_good:
                raise
            why = error.why
        except Exception as error:  # noqa: BLE001 - a fault of ours: it must not come again and again
            why = type(error).__name__
        else:
            return []
        rows = singles(batch)
        if len(rows) == 1:
            self._backlog.give_up(batch)
        self._note_failure(why)
        return rows[::-1] if len(rows) > 1 else []

    def _note_failure(self, why: str) -> None:
        """Count it, and say at most once in a minute that the store cannot be written."""
        self.failures, self.why = self.failures + 1, why
        metrics.store_failure("write")
        if time.monotonic() - self._logged_at > _LOGS_AFTER:
            self._logged_at = time.monotonic()
            line = {"store": "not written", "why": why, "failures": self.failures, "lost": self.lost}
            logging.getLogger("plexus_cds").error(json.dumps(line))


@cache
def _writer() -> Callable[..., None]:
    from cds_service.store.writing import write_shown  # noqa: PLC0415 - it loads SQLAlchemy: slow, and no start waits

    return write_shown

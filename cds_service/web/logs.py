"""Log lines about refused calls: a flood of calls is to be no flood of lines, which would fill the disk."""

import json
import logging
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing import util
from threading import Lock
from time import monotonic

from cds_service.clock import Clock

_EVERY = 0.1
"""Seconds that lines wait for others."""

_MOST = 100_000
"""Lines that wait; where nobody reads for so long, the oldest are lost."""

_PATIENCE = 1.0
"""Seconds that the end of the process waits for a reader."""


class LogLines(logging.Handler):
    """Writes lines as they are, from a thread of its own, many at once.

    A call that wrote its line itself would hand the interpreter to another one meanwhile, and wait for it; and where
    nobody reads the pipe, for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[str] = deque(maxlen=_MOST)
        self._writes, self._awake = threading.Lock(), threading.Event()
        self._ended = threading.Event()
        util.Finalize(None, self.close, exitpriority=-1)  # after the recorder, which may have something to tell
        threading.Thread(target=self._run, name="plexus-cds log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        self.take([record.getMessage()])

    def take(self, lines: Iterable[str]) -> None:
        """Take lines."""
        self._waiting.extend(f"{line}\n" for line in lines)
        if not self._awake.is_set():
            self._awake.set()

    def flush(self) -> None:
        """Write what waits; a pipe that nobody reads any more costs the lines, and nothing else."""
        if not self._writes.acquire(timeout=_PATIENCE):
            return
        try:
            with suppress(OSError, ValueError):
                lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
                sys.stderr.write("".join(lines))
                sys.stderr.flush()
        finally:
            self._writes.release()

    def close(self) -> None:
        """Write what is left, unless a reader that does not read is waited for already."""
        self._ended.set()
        self._awake.set()
        self.flush()
        super().close()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._awake.wait()
            self._ended.wait(_EVERY)
            self._awake.clear()
            self.flush()


def log(logger: logging.Logger, lines: Iterable[str]) -> None:
    """Log lines of a level that is logged: a record for each, which takes longest, only where others handle them."""
    if len(logger.handlers) == 1 and isinstance(logger.handlers[0], LogLines) and not logger.propagate:
        logger.handlers[0].take(lines)
    else:
        for line in lines:
            logger.info(line)


_LOG = logging.getLogger("plexus_cds")


class LogThrottle:
    """Logs one refusal of a kind in a second, and after a pause so many of them at once.

    Kinds are words of ours: each is remembered.
    """

    def __init__(self, clock: Clock, at_once: int = 1) -> None:
        self._clock, self._at_once, self._lock = clock, at_once, Lock()
        self._paid_until: dict[str, float] = {}
        self._held_back: Counter[str] = Counter()

    def log(self, refused: str, **more: object) -> None:
        """Write a line, with the number of those of its kind that had none since the last one."""
        unlogged = self.turn(refused)
        if unlogged is not None:
            time = self._clock.now().isoformat(timespec="milliseconds")
            _LOG.warning(json.dumps({"time": time, "refused": refused, **more, "unlogged": unlogged}))

    def turn(self, kind: str) -> int | None:
        """Return how many were held back, or None where this one is held back, too."""
        with self._lock:
            now = monotonic()
            paid_until = max(now, self._paid_until.get(kind, now))
            if paid_until - now > self._at_once - 1:
                self._held_back[kind] += 1
                return None
            self._paid_until[kind] = paid_until + 1
            return self._held_back.pop(kind, 0)

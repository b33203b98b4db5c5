"""Log lines on their way to standard error: neither a slow reader nor a full pipe holds a call."""

import logging
import sys
import threading
from collections import deque
from contextlib import suppress
from multiprocessing import util

_EVERY = 0.2
"""Seconds that a line waits at most; one from `WARNING` on does not wait."""

_MOST = 100_000
"""Lines that wait; where nobody reads for so long, the oldest are lost."""


class LogLines(logging.Handler):
    """Writes lines as they are, from a thread of its own, many at once.

    A call that wrote its line itself would hand the interpreter to another one meanwhile, and wait for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[str] = deque(maxlen=_MOST)
        self._writes = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        util.Finalize(None, self.close, exitpriority=-1)  # after the recorder, which may have something to tell

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        self._waiting.append(f"{record.getMessage()}\n")
        if record.levelno >= logging.WARNING or self._closed.is_set():
            self.flush()
        elif self._thread is None:
            self._thread = threading.Thread(target=self._run, name="plexus-cds log", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Write what waits; a pipe that nobody reads any more costs the lines, and nothing else."""
        with self._writes, suppress(OSError, ValueError):
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            sys.stderr.write("".join(lines))
            sys.stderr.flush()

    def close(self) -> None:
        """Write what is left, and all that still comes at once."""
        self._closed.set()
        self.flush()
        super().close()

    def _run(self) -> None:
        while not self._closed.wait(_EVERY):
            if self._waiting:
                self.flush()

"""Log lines on their way to standard error: neither a slow reader nor a full pipe holds a call."""

import logging
import sys
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing import util

from cds_service.web.afterwards import afterwards

_MOST = 100_000
"""Lines that wait; where nobody reads for so long, the oldest are lost."""


class LogLines(logging.Handler):
    """Writes lines as they are, many at once: soon, or at once from `WARNING` on.

    A call that wrote its line itself would hand the interpreter to another one meanwhile, and wait for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[str] = deque(maxlen=_MOST)
        self._is_due = False
        self._writes = threading.Lock()
        util.Finalize(None, self.close, exitpriority=-1)  # after the recorder, which may have something to tell

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        self._waiting.append(f"{record.getMessage()}\n")
        if record.levelno >= logging.WARNING:
            self.flush()
        elif not self._is_due:
            self._is_due = True
            afterwards.do(self._due, None)

    def take(self, lines: Iterable[str]) -> None:
        """Take lines that need no record, and write them at once."""
        self._waiting.extend(f"{line}\n" for line in lines)
        self.flush()

    def flush(self) -> None:
        """Write what waits; a pipe that nobody reads any more costs the lines, and nothing else."""
        with self._writes, suppress(OSError, ValueError):
            self._is_due = False
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            sys.stderr.write("".join(lines))
            sys.stderr.flush()

    def _due(self, _: list[None]) -> None:
        self.flush()

    def close(self) -> None:
        """Write what is left."""
        self.flush()
        super().close()


def log(logger: logging.Logger, lines: Iterable[str]) -> None:
    """Log lines of a level that is logged: a record for each, which takes longest, only where others handle them."""
    if len(logger.handlers) == 1 and isinstance(logger.handlers[0], LogLines) and not logger.propagate:
        logger.handlers[0].take(lines)
    else:
        for line in lines:
            logger.info(line)

"""The progress of a long command, told on standard error."""

import sys
import time

_SECONDS_BETWEEN_LINES = 30


class Progress:
    """Tells how far a stage is: on a terminal in one line, else by a line every 30 seconds."""

    def __init__(self, task: str, total: int, unit: str) -> None:
        self._task, self._total, self._unit = task, total, unit
        self._done = 0
        self._started = self._reported = time.monotonic()

    def advance(self, amount: int) -> None:
        """Note progress, and tell it where it is time to."""
        self._done += amount
        now = time.monotonic()
        is_terminal = sys.stderr.isatty()
        if not is_terminal and now - self._reported < _SECONDS_BETWEEN_LINES:
            return
        self._reported = now
        seconds_left = (now - self._started) * (self._total - self._done) / max(self._done, 1)
        text = f"{self._task}: {self._done:,} of {self._total:,} {self._unit}, about {seconds_left:.0f} s left"
        is_last = self._done >= self._total
        sys.stderr.write(f"\r\x1b[K{text}{chr(10) if is_last else ''}" if is_terminal else f"{text}\n")
        sys.stderr.flush()

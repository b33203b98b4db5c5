"""Log lines about refused calls: a flood of calls is to be no flood of lines, which would fill the disk."""

import json
import logging
from collections import Counter
from threading import Lock
from time import monotonic

from cds_service.clock import Clock

_LOG = logging.getLogger("plexus_cds")


class Seldom:
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

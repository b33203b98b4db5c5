"""What is done when an answer is out: counting, and writing log lines, for many calls at once."""

import threading
from collections import deque
from collections.abc import Callable
from multiprocessing import util
from typing import Any

from cds_service.web.error_handlers import log_fault

_EVERY = 0.1
"""Seconds between two rounds, while there is something to do."""

_AT_ONCE, _PAUSE = 50, 0.001
"""So many are done together, in less than a millisecond, and then calls go first for so many seconds.

The interpreter lets a thread work for 5 ms, and a call that comes meanwhile would wait for so long.
"""

_MOST = 10_000
"""Things that wait; whoever brings one more does them all."""


Work = Callable[[list[Any]], object]


class Afterwards:
    """Does things at once, or, once it is started, soon, in a thread of its own, and those of a kind together.

    Done for many calls at a time they take a small part of what they take in the midst of each.
    """

    def __init__(self) -> None:
        self._is_started = False
        self._waiting: deque[tuple[Work, Any]] = deque()
        self._works = threading.RLock()
        self._awake, self._closed = threading.Event(), threading.Event()

    def start(self) -> None:
        """Let things wait from now on, in this process; what still waits at its end is done then."""
        self._is_started = True
        util.Finalize(None, self._close, exitpriority=1)  # before the recorder, which is told of calls here
        threading.Thread(target=self._run, name="plexus-cds afterwards", daemon=True).start()

    def do(self, work: Work, one: Any) -> None:
        """Let something be done, with others of its kind, that no answer waits for."""
        self._waiting.append((work, one))
        if not self._is_started or len(self._waiting) > _MOST:
            self.settle()
        elif not self._awake.is_set():
            self._awake.set()

    def settle(self) -> None:
        """Do all that waits; a fault of ours is logged by its kind, and the rest is done."""
        with self._works:
            while self._waiting:
                self._do_some()

    def _do_some(self) -> None:
        with self._works:
            for work, those in self._kinds().items():
                try:
                    work(those)
                except Exception as error:  # noqa: BLE001 - whatever it is, the next calls are to be counted
                    log_fault(error)

    def _kinds(self) -> dict[Work, list[Any]]:
        """Take out some of what waits."""
        kinds: dict[Work, list[Any]] = {}
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            work, one = self._waiting.popleft()
            kinds.setdefault(work, []).append(one)
        return kinds

    def _run(self) -> None:
        while not self._closed.is_set():
            self._awake.wait()
            self._closed.wait(_EVERY)
            self._awake.clear()
            while self._waiting and not self._closed.wait(_PAUSE):
                self._do_some()

    def _close(self) -> None:
        self._closed.set()
        self._awake.set()
        self._is_started = False
        self.settle()


afterwards = Afterwards()
"""Of this process."""

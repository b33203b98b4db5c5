"""Work that no answer waits for: the thread that does it, and the queue of what it does when an answer is out."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing import util
from typing import Any

from cds_service.logs import log_fault

_INTERVAL = 0.1
"""Seconds for which tasks are gathered, so that those of many calls are done together."""

_BATCH, _PAUSE = 50, 0.001
"""So many tasks are done together, in less than a millisecond, and then calls go first for so many seconds.

The interpreter lets a thread work for 5 ms, and a call that comes meanwhile would wait for so long.
"""

_CAPACITY = 10_000
"""Tasks that wait; whoever submits one more does them all."""

Task = Callable[[list[Any]], object]
"""Does its work for a list of items."""


class BackgroundWorker:
    """A thread that does a step of work again and again, and sleeps while there is none.

    `step` returns the seconds until the next one, or None where it has nothing to do until the worker is woken; it
    is then called `interval` seconds later. So it is after an exception, which is logged by its kind: what it works on
    is the step's to keep.
    """

    def __init__(self, name: str, step: Callable[[], float | None], *, interval: float) -> None:
        self._name, self._step, self._interval = name, step, interval
        self._awake, self._stopped = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Let the worker look for work, in this process: the first time, and after a fork, its thread is started."""
        if not self._is_running():
            self._start()
        if not self._awake.is_set():
            self._awake.set()

    def stop(self, timeout: float) -> bool:
        """Begin no further step, wait for the present one for so many seconds, and tell whether it ever worked."""
        self._stopped.set()
        self._awake.set()
        if self._thread is None:
            return False
        self._thread.join(timeout)
        return True

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _start(self) -> None:
        with self._starting:
            if not self._is_running():
                self._thread = threading.Thread(target=self._run, name=f"plexus-cds {self._name}", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                delay = self._step()
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread must not end without a word
                log_fault(error)
                delay = self._interval
            if delay is None:
                self._awake.wait()
                self._awake.clear()
                delay = self._interval
            self._stopped.wait(delay)


class TaskQueue:
    """Does tasks at once, or, once it is started, soon, in a thread of its own, and those of a kind together.

    Done for many calls at a time they take a small part of what they take in the midst of each.
    """

    def __init__(self) -> None:
        self._is_started = False
        self._waiting: deque[tuple[Task, Any]] = deque()
        self._works = threading.RLock()
        self._worker = BackgroundWorker("tasks", self._step, interval=_INTERVAL)

    def start(self) -> None:
        """Let tasks wait from now on, in this process; what still waits at its end is done then."""
        self._is_started = True
        util.Finalize(None, self._close, exitpriority=1)  # before the recorder, which tasks give rows to

    def submit(self, task: Task, item: Any) -> None:
        """Let a task be done for an item, with others of its kind, that no answer waits for."""
        self._waiting.append((task, item))
        if not self._is_started or len(self._waiting) > _CAPACITY:
            self.drain()
        else:
            self._worker.wake()

    def drain(self) -> None:
        """Do all that waits; a fault of ours is logged by its kind, and the rest is done."""
        with self._works:
            while self._waiting:
                self._do_batch()

    def _do_batch(self) -> None:
        with self._works:
            for task, items in self._batch().items():
                try:
                    task(items)
                except Exception as error:  # noqa: BLE001 - whatever it is, the next calls are to be counted
                    log_fault(error)

    def _batch(self) -> dict[Task, list[Any]]:
        """Take out some of what waits, and return the items of each task."""
        batch: dict[Task, list[Any]] = {}
        for _ in range(min(_BATCH, len(self._waiting))):
            task, item = self._waiting.popleft()
            batch.setdefault(task, []).append(item)
        return batch

    def _step(self) -> float | None:
        self._do_batch()
        return _PAUSE if self._waiting else None

    def _close(self) -> None:
        self._is_started = False
        self._worker.stop(timeout=0)
        self.drain()


task_queue = TaskQueue()
"""Of this process."""


_ORPHAN_SECONDS = 10

_PARENT_INTERVAL = 1.0
"""Seconds between two looks at the parent process."""


def end_with_parent(clean_up: Callable[[], None]) -> None:
    """End this worker process when the server that started it was killed: nobody else would stop it.

    It is asked to stop as the server would ask, so that it finishes its calls; if it does not, it is ended after
    `_ORPHAN_SECONDS`.
    """
    parent = multiprocessing.parent_process()
    server = parent.pid if parent else os.getppid()

    def look() -> float:
        if os.getppid() != server:
            clean_up()
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(_ORPHAN_SECONDS)
            os._exit(1)
        return _PARENT_INTERVAL

    BackgroundWorker("parent", look, interval=_PARENT_INTERVAL).wake()

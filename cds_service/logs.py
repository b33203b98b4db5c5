"""The log: one JSON object a line on standard error, of the events and fields that are listed here and no others.

Every line has `time`, `level` and `event`; docs/logging.md describes the schema. What is not in the list of an event is
not written, so no text of a client can come into the log by an oversight.
"""

import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from logging.handlers import QueueHandler, QueueListener
from multiprocessing import util
from queue import SimpleQueue
from threading import Lock
from time import monotonic
from typing import Literal

from cds_service.clock import SYSTEM_CLOCK, Clock
from cds_service.strict_json import to_json

Level = Literal["info", "warning", "error"]

FIELDS = ("time", "level", "event")
"""Of every line, before the fields of its event."""

EVENTS: dict[str, tuple[str, ...]] = {
    "call": (
        "service",
        "hook",
        "client",
        "status",
        "outcome",
        "error",
        "reasons",
        "against",
        "counts",
        "unmapped",
        "unrecognized",
        "prefetch",
        "fetch",
        "duration_ms",
        "phases_ms",
        "knowledge",
        "suppressed",
    ),
    "feedback": ("service", "client", "status", "reports", "stored", "repeated", "reason", "error", "suppressed"),
    "auth_refused": ("reason", "endpoint", "status", "client", "kid_hash", "jti_hash", "error", "suppressed"),
    "rate_limited": ("client", "status", "suppressed"),
    "overloaded": ("client", "status", "suppressed"),
    "fault": ("error", "location"),
    "client_keys_loaded": ("client", "used", "ignored"),
    "client_keys_unavailable": ("client", "error", "cached"),
    "site_file_reloaded": ("off", "policy"),
    "site_file_invalid": ("error",),
    "clients_file_reloaded": ("clients",),
    "clients_file_invalid": ("error",),
    "store_write_failed": ("error", "failures", "lost"),
    "startup_failed": ("error", "location"),
    "dismissals_unavailable": ("error", "suppressed"),
    "traces_not_sent": ("lost",),
    "startup_warning": ("reason", "error", "store", "state", "exposure", "effect", "action"),
}
"""The fields of each event, in the order in which a line has them."""

_LOG = logging.getLogger("plexus_cds")
_LEVELS: dict[Level, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_INTERVAL = 0.1
"""Seconds that a line waits for others, to be written with them."""

_BATCH = 1000
"""Lines that are written at once."""

_CAPACITY = 100_000
"""Lines that wait for a slow reader; further ones are dropped."""

_PATIENCE = 1.0
"""Seconds that the end of the process waits for a reader."""


def is_logged(level: Level) -> bool:
    """Return whether lines of a level are written; where not, their fields need not be put together."""
    return _LOG.isEnabledFor(_LEVELS[level])


def log_event(level: Level, event: str, *, at: datetime | None = None, **fields: object) -> None:
    """Log an event with those of its fields that EVENTS lists; `at` is its moment in UTC, by default now."""
    log_events(level, event, [(at or SYSTEM_CLOCK.now(), fields)])


def log_events(level: Level, event: str, entries: Iterable[tuple[datetime, Mapping[str, object]]]) -> None:
    """Log many events of a kind, each with its moment and fields, as the lines of one record.

    A record for each line would cost a call more than its decision where no order is monitored.
    """
    if is_logged(level) and (lines := [_line(level, event, at, fields) for at, fields in entries]):
        _LOG.log(_LEVELS[level], "\n".join(lines))


def _line(level: Level, event: str, at: datetime, fields: Mapping[str, object]) -> str:
    head = {"time": at.isoformat(timespec="milliseconds"), "level": level, "event": event}
    return to_json(head | {name: fields[name] for name in EVENTS[event] if name in fields}).decode()


def log_fault(error: Exception, event: str = "fault") -> None:
    """Log kind and place of a fault of ours, never its text, which may hold patient data."""
    trace, location = error.__traceback__, None
    while trace:
        location, trace = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}", trace.tb_next
    log_event("error", event, error=type(error).__name__, location=location)


class LogThrottle:
    """Lets one line of a kind through in a second, and after a pause a burst of them: a flood must not fill the disk.

    Kinds are words of ours: each is remembered.
    """

    def __init__(self, clock: Clock, burst: int = 1) -> None:
        self._clock, self._burst, self._lock = clock, burst, Lock()
        self._paid_until: dict[str, float] = {}
        self._suppressed: Counter[str] = Counter()

    def log(self, event: str, *, kind: str = "", **fields: object) -> None:
        """Log a warning, with the number of those of its kind (by default its event) that were suppressed before it."""
        suppressed = self.pass_one(kind or event)
        if suppressed is not None:
            log_event("warning", event, at=self._clock.now(), **fields, suppressed=suppressed)

    def pass_one(self, kind: str) -> int | None:
        """Return how many of a kind were suppressed since the last line, or None where this one is suppressed, too."""
        with self._lock:
            now = monotonic()
            paid_until = max(now, self._paid_until.get(kind, now))
            if paid_until - now > self._burst - 1:
                self._suppressed[kind] += 1
                return None
            self._paid_until[kind] = paid_until + 1
            return self._suppressed.pop(kind, 0)


def log_to_stderr() -> None:
    """Write lines to standard error at once, as the process does that starts the workers."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    _use(handler)


def log_in_background() -> "StderrListener":
    """Write lines to standard error from a thread of its own, so that no call waits for their reader."""
    lines: _Lines = SimpleQueue()
    listener = StderrListener(lines)
    listener.start()
    _use(_BoundedQueueHandler(lines))
    util.Finalize(None, listener.stop, exitpriority=-1)  # after the recorder, which may log; forks end without atexit
    return listener


def _use(handler: logging.Handler) -> None:
    """Let a handler alone have the lines, and spare each record what no line shows."""
    _LOG.handlers, _LOG.propagate = [handler], False
    _LOG.setLevel(logging.INFO)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - documented: nobody looks for the caller of each line


_Lines = SimpleQueue[logging.LogRecord | None]


class _BoundedQueueHandler(QueueHandler):
    """Hands lines to the listener; they are whole already, and over the capacity they are dropped."""

    queue: _Lines

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        if self.queue.qsize() < _CAPACITY:
            self.queue.put_nowait(record)


class StderrListener(QueueListener):
    """Writes many lines at once: to write each by itself would hand the interpreter over once for each call."""

    queue: _Lines

    def __init__(self, lines: _Lines) -> None:
        super().__init__(lines)
        self._batch: list[str] = []
        self._stopping = threading.Event()

    def handle(self, record: logging.LogRecord) -> None:
        """Take a line, and write all that wait once there are no more, or enough."""
        if not self._batch:
            self._stopping.wait(_INTERVAL)
        self._batch.append(f"{record.getMessage()}\n")
        if self.queue.empty() or len(self._batch) >= _BATCH:
            self._write()

    def stop(self) -> None:
        """Write what is left, unless a reader that does not read is waited for already; a second call does nothing."""
        if self._thread and not self._stopping.is_set():
            self._stopping.set()
            self.enqueue_sentinel()
            self._thread.join(_PATIENCE)
            if not self._thread.is_alive():
                self._write()

    def _write(self) -> None:
        """Write the batch; a pipe that nobody reads any more costs the lines, and nothing else."""
        text, self._batch = "".join(self._batch), []
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()

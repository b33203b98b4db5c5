"""What is counted and timed, for Prometheus: the only door to prometheus_client."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from cds_service.errors import SettingsError
from cds_service.model import FetchFault, PrefetchState

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client knows the folder through which the workers count together."""

CALLS = (
    *("card", "shadow", "silent", "record", "unauthenticated", "not_json", "not_a_call", "too_large"),
    *("unknown_service", "method", "media_type", "store", "overloaded", "throttled", "other", "fault"),
)
PHASES = ("authenticate", "read", "decide", "fetch", "write", "total")
FEEDBACK = ("accepted", "overridden", "repeated", "unusable", "refused")
STORE = ("write", "lost", "feedback")
RESOURCES = ("ServiceRequest", "Condition", "Procedure", "Encounter", "DiagnosticReport")
"""What may be of a code system that is not read."""
READ = "read"
"""The outcome of a search of the FHIR server that brought everything."""

_OTHER = "other"
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_claimed: list[IO[str]] = []
"""The lock of this worker's files, held until the process ends."""


class _Count:
    """A counter of which all label values are known before; whatever else comes counts as `other`."""

    def __init__(self, name: str, text: str, labels: Iterable[str], registry: CollectorRegistry) -> None:
        self._counter = Counter(f"plexus_cds_{name}", text, tuple(labels), registry=registry)
        self._children: dict[tuple[str, ...], Counter] = {}

    def foresee(self, *known: Iterable[str]) -> None:
        """Let these values be counted, in all their combinations, which begin at 0."""
        for labels in product(*known):
            self._children[labels] = self._counter.labels(*labels)

    def add(self, *labels: str, amount: int = 1) -> None:
        """Count one more, or `amount`."""
        child = self._children.get(labels) or self._counter.labels(*(_OTHER for _ in labels))
        child.inc(amount)


class _Metrics:
    """All that is counted by this process; `shown` also has what the other workers count."""

    def __init__(self, *, shared: bool) -> None:
        own = CollectorRegistry()
        self.shown = CollectorRegistry() if shared else own
        if shared:
            MultiProcessCollector(self.shown)  # type: ignore[no-untyped-call]
        self.calls = _Count("calls", "Calls of a service.", ("service", "outcome"), own)
        self.decisions = _Count("decisions", "Decisions, one for an order.", ("study", "outcome", "reason"), own)
        self.prefetch = _Count("prefetch", "What clients sent for a prefetch key.", ("key", "state"), own)
        self.fetch = _Count("fetch", "Searches of a FHIR server.", ("key", "outcome"), own)
        self.trials = _Count("trials", "Calls and feedback of the playground.", ("outcome",), own)
        self.feedback = _Count("feedback", "Reports of feedback.", ("outcome",), own)
        self.refused = _Count("refused", "Callers that were refused.", ("check",), own)
        self.unrecognized = _Count(
            "unrecognized", "Orders and entries that neither a code nor words explained.", ("resource",), own
        )
        self.store_failures = _Count("store_failures", "What the store could not do.", ("what",), own)
        seconds = Histogram("plexus_cds_phase_seconds", "Time of a call.", ["phase"], registry=own, buckets=_SECONDS)
        self.phases = {phase: seconds.labels(phase) for phase in PHASES}
        self.started = Gauge(
            "plexus_cds_start_time_seconds", "When the oldest worker began.", registry=own, multiprocess_mode="min"
        )
        self.knowledge = Info("plexus_cds_knowledge", "The knowledge in force.", registry=self.shown)


def prepare(
    *,
    services: Iterable[str],
    studies: Iterable[str],
    reasons: Iterable[str],
    indicators: Iterable[str],
    keys: Iterable[str],
    checks: Iterable[str],
    version: str,
    started: float,
) -> None:
    """Make known all that can be counted, so that a series is there before its first event."""
    metrics, studies, keys = _metrics(), (*studies, "none"), tuple(keys)
    metrics.calls.foresee((*services, "unknown"), CALLS)
    metrics.decisions.foresee(studies, ("card", "shadow"), tuple(indicators))
    metrics.decisions.foresee(studies, ("silent",), tuple(reasons))
    metrics.prefetch.foresee(keys, [str(state) for state in PrefetchState])
    metrics.fetch.foresee(keys, (READ, *(fault.label for fault in FetchFault)))
    metrics.trials.foresee((*CALLS, "feedback"))
    metrics.feedback.foresee(FEEDBACK)
    metrics.refused.foresee(checks)
    metrics.unrecognized.foresee(RESOURCES)
    metrics.store_failures.foresee(STORE)
    metrics.knowledge.info({"version": version})
    metrics.started.set(started)


def call(service: str, outcome: str, amount: int = 1) -> None:
    """Count calls."""
    _metrics().calls.add(service, outcome, amount=amount)


def decision(study: str, outcome: str, reason: str, amount: int = 1) -> None:
    """Count decisions."""
    _metrics().decisions.add(study, outcome, reason, amount=amount)


def unrecognized(resource: str, amount: int = 1) -> None:
    """Count orders or entries that neither a code nor words explained."""
    _metrics().unrecognized.add(resource, amount=amount)


def phases(seconds: Mapping[str, float]) -> None:
    """Note how long each phase of a call took."""
    known = _metrics().phases
    for phase, took in seconds.items():
        known[phase].observe(took)


def prefetch(key: str, state: str, amount: int = 1) -> None:
    """Count what clients sent for a key."""
    _metrics().prefetch.add(key, state, amount=amount)


def fetch(key: str, fault: FetchFault | None, amount: int = 1) -> None:
    """Count searches of a FHIR server."""
    _metrics().fetch.add(key, fault.label if fault else READ, amount=amount)


def feedback(outcome: str, amount: int = 1) -> None:
    """Count reports of feedback."""
    _metrics().feedback.add(outcome, amount=amount)


def trial(outcome: str) -> None:
    """Count a call of the playground, or its feedback."""
    _metrics().trials.add(outcome)


def refusal(check: str) -> None:
    """Count a caller that was refused."""
    _metrics().refused.add(check)


def store_failure(what: str, amount: int = 1) -> None:
    """Count what the store could not do."""
    _metrics().store_failures.add(what, amount=amount)


def exposition() -> bytes:
    """Return all that was counted, by all workers, as Prometheus reads it."""
    return generate_latest(_metrics().shown)


@contextmanager
def shared() -> Iterator[None]:
    """Let processes that start meanwhile count together: in the operator's folder, or in a new one of their own."""
    _metrics.cache_clear()  # what this process has is not for the others
    given = os.environ.get(FOLDER)
    if given is not None:
        if not Path(given).is_dir() or not os.access(given, os.W_OK):
            message = f"{FOLDER} must be a folder that can be written"
            raise SettingsError(message)
        yield
        return
    with TemporaryDirectory(prefix="plexus-cds-") as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


@cache
def _metrics() -> _Metrics:
    """Return the metrics of this process, made when they are first used: a worker is a fork of the server."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    folder = os.environ.get(FOLDER)
    if folder:
        own = _files_of(Path(folder))
        values.ValueClass = values.MultiProcessValue(lambda: own)  # type: ignore[no-untyped-call]
    return _Metrics(shared=bool(folder))


def _files_of(folder: Path, number: int = 1) -> str:
    """Return the name of this worker's files: those of one that has ended go on, so nothing is lost or doubled."""
    if sys.platform == "win32":
        return str(os.getpid())
    import fcntl  # noqa: PLC0415 - Windows has none

    lock = (folder / f"worker{number}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return _files_of(folder, number + 1)
    _claimed.append(lock)
    return f"worker{number}"

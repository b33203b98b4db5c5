"""Prometheus metrics of all workers; no other module imports prometheus_client.

Every label value is from a fixed list, so that no patient data and no unbounded number of series can come in.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path
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
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from cds_service.errors import SettingsError
from cds_service.logs import log_event
from cds_service.model import FetchFault, PrefetchState
from cds_service.temporary_folder import temporary_folder

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable of prometheus_client for the folder that the workers share."""

_TEMPORARY = f"{FOLDER}_TEMPORARY"
"""Set to the folder where it is the server's own, to be removed with the server."""

CALLS = (
    *("card", "shadow", "silent", "record", "unauthenticated", "not_json", "not_a_call", "too_large"),
    *("unknown_service", "method", "media_type", "store", "overloaded", "throttled", "other", "fault"),
)
PHASES = ("authenticate", "read", "decide", "fetch", "store", "write", "total")
FEEDBACK = ("accepted", "overridden", "repeated", "unusable", "refused")
STORE = ("write", "lost", "feedback", "dismissals")
CIRCUITS = ("replay", "feedback", "dashboard", "dismissals")
"""The circuit breakers in front of the store."""
FILES = ("site_file", "clients_file")
RESOURCES = ("ServiceRequest", "Condition", "Procedure", "Encounter", "DiagnosticReport")
"""The types of resources whose codes may be unrecognized."""
READ = "read"
"""The outcome of a FHIR search that was read completely."""

_OTHER = "other"
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_FILE_KINDS, _FILE_BYTES = ("counter", "histogram", "gauge_min"), 1 << 18
"""The files of a worker, and how large each is: four times what its series need, so that none grows."""

_NOT_SHARED = "/metrics has the counts of one worker alone, since it started; free space in the folder, then restart"

_locks: list[IO[str]] = []
"""The lock of this worker's files, held until the process ends."""


class _BoundedCounter:
    """A counter whose label values are declared beforehand; any others are counted as `other`."""

    def __init__(self, name: str, text: str, labels: Iterable[str], registry: CollectorRegistry) -> None:
        self._counter = Counter(f"plexus_cds_{name}", text, tuple(labels), registry=registry)
        self._children: dict[tuple[str, ...], Counter] = {}

    def declare(self, *label_values: Iterable[str]) -> None:
        """Declare all combinations of these label values, as series that start at 0."""
        for labels in product(*label_values):
            self._children[labels] = self._counter.labels(*labels)

    def inc(self, *labels: str, amount: int = 1) -> None:
        """Add to the series of these label values."""
        child = self._children.get(labels) or self._counter.labels(*(_OTHER for _ in labels))
        child.inc(amount)


class _State:
    """What the worker that is asked for its metrics knows of itself at this moment; it is not summed over workers."""

    def __init__(self) -> None:
        self.is_ready, self.is_store_ready, self.invalid_files = True, True, frozenset[str]()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges, as prometheus_client asks for them."""
        yield GaugeMetricFamily("plexus_cds_ready", "Hook calls are answered correctly.", float(self.is_ready))
        yield GaugeMetricFamily("plexus_cds_store_ready", "The store can be used.", float(self.is_store_ready))
        invalid = GaugeMetricFamily(
            "plexus_cds_file_invalid", "A file was changed and is not valid; the one before is in use.", labels=["file"]
        )
        for file in FILES:
            invalid.add_metric([file], float(file in self.invalid_files))
        yield invalid


class _Metrics:
    """The metrics of this process; the registry `exposed` has those of the other workers, too."""

    def __init__(self, *, shared: bool) -> None:
        own = CollectorRegistry()
        self.exposed = CollectorRegistry() if shared else own
        if shared:
            MultiProcessCollector(self.exposed)  # type: ignore[no-untyped-call]
        self.calls = _BoundedCounter("calls", "Calls of a service.", ("service", "outcome"), own)
        self.decisions = _BoundedCounter(
            "decisions", "Decisions, one for an order.", ("study", "outcome", "reason"), own
        )
        self.orders_with_card = Counter(
            "plexus_cds_orders_with_card", "Orders with a card, each counted once a day.", registry=own
        )
        self.prefetch = _BoundedCounter("prefetch", "What clients sent for a prefetch key.", ("key", "state"), own)
        self.fetch = _BoundedCounter("fetch", "Searches of a FHIR server.", ("key", "outcome"), own)
        self.trials = _BoundedCounter(
            "trials", "Calls and feedback of the playground and the doctor.", ("outcome",), own
        )
        self.feedback = _BoundedCounter("feedback", "Reports of feedback.", ("outcome",), own)
        self.refused = _BoundedCounter("refused", "Callers that were refused.", ("check",), own)
        self.unrecognized = _BoundedCounter(
            "unrecognized", "Orders and entries that neither a code nor words explained.", ("resource",), own
        )
        self.store_failures = _BoundedCounter("store_failures", "What the store could not do.", ("what",), own)
        self.circuit_opened = _BoundedCounter("circuit_opened", "Openings of a circuit breaker.", ("circuit",), own)
        seconds = Histogram("plexus_cds_phase_seconds", "Time of a call.", ["phase"], registry=own, buckets=_BUCKETS)
        self.phases = {phase: seconds.labels(phase) for phase in PHASES}
        self.started = Gauge(
            "plexus_cds_start_time_seconds", "When the oldest worker began.", registry=own, multiprocess_mode="min"
        )
        self.knowledge = Info("plexus_cds_knowledge", "The knowledge in force.", registry=self.exposed)
        self.state = _State()
        self.exposed.register(self.state)


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
    """Declare all series, so that each is there, at 0, before its first event."""
    metrics, studies, keys = _metrics(), (*studies, "none"), tuple(keys)
    metrics.calls.declare((*services, "unknown"), CALLS)
    metrics.decisions.declare(studies, ("card", "shadow"), tuple(indicators))
    metrics.decisions.declare(studies, ("silent",), tuple(reasons))
    metrics.prefetch.declare(keys, [str(state) for state in PrefetchState])
    metrics.fetch.declare(keys, (READ, *(fault.label for fault in FetchFault)))
    metrics.trials.declare((*CALLS, "feedback"))
    metrics.feedback.declare(FEEDBACK)
    metrics.refused.declare(checks)
    metrics.unrecognized.declare(RESOURCES)
    metrics.store_failures.declare(STORE)
    metrics.circuit_opened.declare(CIRCUITS)
    metrics.knowledge.info({"version": version})
    metrics.started.set(started)


def call(service: str, outcome: str, amount: int) -> None:
    """Count hook calls by service and outcome."""
    _metrics().calls.inc(service, outcome, amount=amount)


def decision(study: str, outcome: str, reason: str, amount: int) -> None:
    """Count decisions by study, outcome and reason."""
    _metrics().decisions.inc(study, outcome, reason, amount=amount)


def orders_with_card(amount: int) -> None:
    """Count orders that had their first card of the day."""
    _metrics().orders_with_card.inc(amount)


def unrecognized(resource: str, amount: int) -> None:
    """Count orders or entries that neither a code nor text identified, by resource type."""
    _metrics().unrecognized.inc(resource, amount=amount)


def phases(seconds: Mapping[str, float]) -> None:
    """Observe the seconds of each phase of a call."""
    histograms = _metrics().phases
    for phase, duration in seconds.items():
        histograms[phase].observe(duration)


def prefetch(key: str, state: str, amount: int) -> None:
    """Count what clients sent for a prefetch key, by state."""
    _metrics().prefetch.inc(key, state, amount=amount)


def fetch(key: str, fault: FetchFault | None, amount: int) -> None:
    """Count FHIR searches by prefetch key and fault."""
    _metrics().fetch.inc(key, fault.label if fault else READ, amount=amount)


def feedback(outcome: str, amount: int = 1) -> None:
    """Count feedback reports by outcome."""
    _metrics().feedback.inc(outcome, amount=amount)


def trial(outcome: str) -> None:
    """Count a call of the playground or its feedback, by outcome."""
    _metrics().trials.inc(outcome)


def refusal(check: str) -> None:
    """Count a refused caller by the check that failed."""
    _metrics().refused.inc(check)


def store_failure(operation: str, amount: int = 1) -> None:
    """Count failures of the store by operation."""
    _metrics().store_failures.inc(operation, amount=amount)


def circuit_opened(circuit: str) -> None:
    """Count an opening of a circuit breaker."""
    _metrics().circuit_opened.inc(circuit)


def exposition(*, is_ready: bool, is_store_ready: bool, invalid_files: Iterable[str]) -> bytes:
    """Return the metrics of all workers, and this state of the worker that is asked, in Prometheus' text format."""
    metrics = _metrics()
    state = metrics.state
    state.is_ready, state.is_store_ready, state.invalid_files = is_ready, is_store_ready, frozenset(invalid_files)
    return generate_latest(metrics.exposed)


@contextmanager
def shared() -> Iterator[None]:
    """Let the processes started in the body share their metrics, in the operator's folder or in a temporary one.

    SettingsError where the operator's folder cannot be written.
    """
    _metrics.cache_clear()  # the metrics of this process are not those of the workers
    operators_folder = os.environ.get(FOLDER)
    if operators_folder is not None:
        if not Path(operators_folder).is_dir() or not os.access(operators_folder, os.W_OK):
            message = f"{FOLDER} must be a folder that can be written"
            raise SettingsError(message)
        yield
        return
    with temporary_folder("plexus-cds-metrics-") as folder:
        os.environ[FOLDER] = os.environ[_TEMPORARY] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER], os.environ[_TEMPORARY]


def remove_temporary_folder() -> None:
    """Remove the folder that the server made for its workers, where it did not live to do so itself."""
    if folder := os.environ.get(_TEMPORARY):
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _metrics() -> _Metrics:
    """Return the metrics of this process, created on first use, as each worker is a fork of the server."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    folder = os.environ.get(FOLDER)
    if not folder:
        return _Metrics(shared=False)
    try:
        own = _claim_files(Path(folder))
        _allocate(Path(folder), own)
    except OSError as error:
        log_event("warning", "startup_warning", reason="metrics_not_shared", error=error.strerror, effect=_NOT_SHARED)
        values.ValueClass = values.MutexValue
        return _Metrics(shared=False)
    values.ValueClass = values.MultiProcessValue(lambda: own)  # type: ignore[no-untyped-call]
    return _Metrics(shared=True)


def _allocate(folder: Path, own: str) -> None:
    """Reserve the space of a worker's files, or raise OSError; they are written as memory, and a full disk would kill.

    prometheus_client makes a file of 64 KiB without reserving them, and continues one that is there.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    for kind in _FILE_KINDS:
        path = folder / f"{kind}_{own}.db"
        with path.open("ab") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, max(_FILE_BYTES, os.fstat(file.fileno()).st_size))
            except OSError:
                if not os.fstat(file.fileno()).st_size:
                    path.unlink()  # other workers read all files, and could not read an empty one
                raise


def _claim_files(folder: Path, number: int = 1) -> str:
    """Return the name of this worker's files; those of an ended worker are continued, so that no count is lost."""
    if sys.platform == "win32":
        return str(os.getpid())
    import fcntl  # noqa: PLC0415 - Windows has none

    lock = (folder / f"worker{number}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return _claim_files(folder, number + 1)
    _locks.append(lock)
    return f"worker{number}"

"""A log line for each call: a fixed list of fields, none of which can hold patient data."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from flask import Flask

from cds_service import metrics
from cds_service.decision.record import KEYS
from cds_service.model import Retrieval
from cds_service.store.period import PLAYGROUND
from cds_service.strict_json import to_json
from cds_service.web import call_summary, recording
from cds_service.web.authentication import CHECKS
from cds_service.web.background import afterwards
from cds_service.web.call_summary import CallSummary
from cds_service.web.logs import LogLines, LogThrottle, log
from cds_service.web.request_context import RequestContext
from cds_service.web.services import AppServices, current_services

_TAKEN, _NOT_STORED = 200, "store"


def prepare(app: Flask) -> None:
    """Let every series begin at 0: a rate misses the first event of one that begins later."""
    with app.app_context():
        services = current_services()
        knowledge, hooks, now = services.knowledge, services.hooks, services.clock.now()
    metrics.prepare(
        services=hooks,
        studies=knowledge.watched,
        reasons=knowledge.silences,
        indicators={row.indicator for row in knowledge.strength.values()},
        keys=KEYS,
        checks=CHECKS,
        version=knowledge.version,
        started=now.timestamp(),
    )


def count_calls(calls: Sequence[CallSummary]) -> None:
    """Count calls, the decisions on their orders, and how their records were had; those that are alike together.

    The phases are timed where a record was read: the many calls that need none would hide how long the others take.
    """
    for (service, outcome), times in Counter((call.service, call.outcome) for call in calls).items():
        metrics.call(service, outcome, times)
    for (study, said, reason), times in Counter(one for call in calls for one in call.decisions).items():
        metrics.decision(study or "none", said, reason, times)
    for call in calls:
        is_at_once = call.decisions and call.counts is None
        metrics.phases({"total": call.seconds["total"]} if is_at_once else call.seconds)
    for call in calls:
        for resource, _, amount in call.unrecognized:
            metrics.unrecognized(resource, amount)
    _count_retrievals([call.retrieval for call in calls if call.retrieval])


def count_feedback(status: int, outcome: str, reports: Mapping[str, int]) -> None:
    """Count the reports of feedback that were kept by their outcome, and the refused call that brought them."""
    for became, amount in reports.items():
        metrics.feedback(became, amount)
    if status != _TAKEN:
        metrics.feedback("refused")
    if outcome == _NOT_STORED:
        metrics.store_failure("feedback")


def count_trial(outcome: str, *, is_feedback: bool) -> None:
    """Count a call of the playground, or its feedback, which no other figure has; a store that fails is no trial."""
    metrics.trial("feedback" if is_feedback else outcome)
    if outcome == _NOT_STORED:
        metrics.store_failure("feedback")


def _count_retrievals(retrievals: Sequence[Retrieval]) -> None:
    for (key, state), times in Counter(one for had in retrievals for one in had.prefetched.items()).items():
        metrics.prefetch(key, state, times)
    for (key, fault), times in Counter(one for had in retrievals for one in had.fetched.items()).items():
        metrics.fetch(key, fault, times)


_LOG = logging.getLogger("plexus_cds")
_ANSWERED, _FAULT = 200, 500
_BY_ANYONE = (404, 405)
"""An address without a service needs no token."""

_LINES_AT_ONCE = 60
"""Of these: a minute's, and then one a second."""

_OUTCOMES = {
    400: "not_json",
    401: "unauthenticated",
    404: "unknown_service",
    405: "method",
    412: "record",
    413: "too_large",
    415: "media_type",
    422: "not_a_call",
    503: "store",
}


def to_stderr() -> None:
    """Let the lines go to standard error as they are: each is one JSON object."""
    _LOG.handlers, _LOG.propagate = [LogLines()], False
    _LOG.setLevel(logging.INFO)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line tells it
    logging._srcfile = None  # noqa: SLF001 - documented: nobody looks for the caller of each line


def telling(found: AppServices) -> Callable[[RequestContext, int], None]:
    """Return what logs and counts each call of a service; preflights, discovery and pages are none."""
    seldom = LogThrottle(found.clock, _LINES_AT_ONCE)
    tell = partial(_tell, found, seldom)

    def note(call: RequestContext, status: int) -> None:
        """Let be told what was answered; feedback that was taken and refused callers have their own line."""
        if not call.path.startswith("/cds-services/") or call.method == "OPTIONS":
            return
        became = _outcome_of(call, status, found)
        if call.path.endswith("/feedback"):
            _tell_feedback(became, call.reports, seldom)
        else:
            afterwards.do(tell, became)

    return note


def _outcome_of(call: RequestContext, status: int, found: AppServices) -> CallSummary:
    now, decision = found.clock.now(), call.decision
    decisions = call_summary.decisions(decision) if decision else ()
    return CallSummary(
        at=now,
        day=found.clock.day_of(now),
        service=call.service,
        hook=call.hook,
        client=call.client,
        status=status,
        outcome=call.outcome or _outcome(status, decisions),
        seconds=call.stopwatch.stop(),
        retrieval=call.retrieval,
        decisions=decisions,
        reasons=call_summary.reasons(decision) if decision else (),
        against=call_summary.against(decision) if decision else (),
        counts=call_summary.counts(decision) if decision else None,
        unrecognized=tuple((*one, count) for one, count in decision.unrecognized.items()) if decision else (),
        has_own_line=call.is_logged,
    )


def _tell(found: AppServices, seldom: LogThrottle, calls: list[CallSummary]) -> None:
    """Count, log and keep what became of calls, when their answers are out."""
    count_calls([call for call in calls if call.client != PLAYGROUND])
    for call in calls:
        if call.client == PLAYGROUND:
            count_trial(call.outcome, is_feedback=False)
    if _LOG.isEnabledFor(logging.INFO):
        version = found.knowledge.version
        log(_LOG, [line for call in calls for line in _line(call, _fields(call, version), seldom)])
    recording.keep_decisions(found, calls)


def _line(call: CallSummary, fields: dict[str, Any], seldom: LogThrottle) -> Iterator[str]:
    """Yield the line of a call, or none where it has another, or is one of many that anyone can send."""
    if call.has_own_line:
        return
    if call.status in _BY_ANYONE:
        unlogged = seldom.turn(call.outcome)
        if unlogged is None:
            return
        fields["unlogged"] = unlogged
    yield to_json(fields).decode()


def _tell_feedback(call: CallSummary, reports: Mapping[str, int], seldom: LogThrottle) -> None:
    if call.client == PLAYGROUND:
        count_trial(call.outcome, is_feedback=True)
    else:
        count_feedback(call.status, call.outcome, reports)
    log(_LOG, _line(call, _refused_feedback(call), seldom))


def _refused_feedback(call: CallSummary) -> dict[str, Any]:
    """Return what is logged of feedback that was not even read; what was read has a line of its own."""
    return {
        "time": call.at.isoformat(timespec="milliseconds"),
        "service": call.service,
        "client": call.client,
        "feedback": {"refused": 1},
        "status": call.status,
        "why": call.outcome if call.outcome != "not_a_call" else "not_feedback",
    }


def _fields(call: CallSummary, version: str) -> dict[str, Any]:
    """Return what is logged of a call; the fields are named here and nowhere else."""
    phases = {phase: round(took * 1000, 1) for phase, took in call.seconds.items()}
    fetched = call.retrieval.fetched if call.retrieval else {}
    return {
        "time": call.at.isoformat(timespec="milliseconds"),
        "service": call.service,
        "hook": call.hook,
        "client": call.client,
        "status": call.status,
        "outcome": call.outcome,
        "reasons": call.reasons,
        "against": call.against,
        "counts": call.counts or {},
        "unrecognized": [
            {"resource": resource, "system": system, "count": count} for resource, system, count in call.unrecognized
        ],
        "prefetch": call.retrieval.prefetched if call.retrieval else {},
        "fetch": {key: fault.label if fault else "read" for key, fault in fetched.items()},
        "milliseconds": phases.pop("total"),
        "phases": phases,
        "knowledge": version,
    }


def _outcome(status: int, decisions: tuple[tuple[str, str, str], ...]) -> str:
    """Return the word for a whole call: of several decisions that of the loudest."""
    if not decisions or status != _ANSWERED:
        return _OUTCOMES.get(status, "fault" if status >= _FAULT else "other")
    said = [outcome for _, outcome, _ in decisions]
    return next((outcome for outcome in ("card", "shadow") if outcome in said), "silent")

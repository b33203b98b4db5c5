"""A log line for each call: a fixed list of fields, none of which can hold patient data."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from cds_service.store.period import PLAYGROUND
from cds_service.strict_json import to_json
from cds_service.web import counting, keeping, outcomes
from cds_service.web.afterwards import afterwards
from cds_service.web.call import Call
from cds_service.web.log_lines import LogLines, log
from cds_service.web.outcomes import CallOutcome
from cds_service.web.parts import Parts
from cds_service.web.seldom import Seldom

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


def telling(found: Parts) -> Callable[[Call, int], None]:
    """Return what logs and counts each call of a service; preflights, discovery and pages are none."""
    seldom = Seldom(found.clock, _LINES_AT_ONCE)
    tell = partial(_tell, found, seldom)

    def note(call: Call, status: int) -> None:
        """Let be told what was answered; feedback that was taken and refused callers have their own line."""
        if not call.path.startswith("/cds-services/") or call.method == "OPTIONS":
            return
        became = _outcome_of(call, status, found)
        if call.path.endswith("/feedback"):
            _tell_feedback(became, call.reports, seldom)
        else:
            afterwards.do(tell, became)

    return note


def _outcome_of(call: Call, status: int, found: Parts) -> CallOutcome:
    now, decision = found.clock.now(), call.decision
    decisions = outcomes.decisions(decision) if decision else ()
    return CallOutcome(
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
        reasons=outcomes.reasons(decision) if decision else (),
        against=outcomes.against(decision) if decision else (),
        counts=outcomes.counts(decision) if decision else None,
        unrecognized=tuple((*one, count) for one, count in decision.unrecognized.items()) if decision else (),
        has_own_line=call.has_own_line,
    )


def _tell(found: Parts, seldom: Seldom, calls: list[CallOutcome]) -> None:
    """Count, log and keep what became of calls, when their answers are out."""
    counting.count_calls([call for call in calls if call.client != PLAYGROUND])
    for call in calls:
        if call.client == PLAYGROUND:
            counting.count_trial(call.outcome, is_feedback=False)
    if _LOG.isEnabledFor(logging.INFO):
        version = found.knowledge.version
        log(_LOG, [line for call in calls for line in _line(call, _fields(call, version), seldom)])
    keeping.keep_decisions(found, calls)


def _line(call: CallOutcome, fields: dict[str, Any], seldom: Seldom) -> Iterator[str]:
    """Yield the line of a call, or none where it has another, or is one of many that anyone can send."""
    if call.has_own_line:
        return
    if call.status in _BY_ANYONE:
        unlogged = seldom.turn(call.outcome)
        if unlogged is None:
            return
        fields["unlogged"] = unlogged
    yield to_json(fields).decode()


def _tell_feedback(call: CallOutcome, reports: Mapping[str, int], seldom: Seldom) -> None:
    if call.client == PLAYGROUND:
        counting.count_trial(call.outcome, is_feedback=True)
    else:
        counting.count_feedback(call.status, call.outcome, reports)
    log(_LOG, _line(call, _refused_feedback(call), seldom))


def _refused_feedback(call: CallOutcome) -> dict[str, Any]:
    """Return what is logged of feedback that was not even read; what was read has a line of its own."""
    return {
        "time": call.at.isoformat(timespec="milliseconds"),
        "service": call.service,
        "client": call.client,
        "feedback": {"refused": 1},
        "status": call.status,
        "why": call.outcome if call.outcome != "not_a_call" else "not_feedback",
    }


def _fields(call: CallOutcome, version: str) -> dict[str, Any]:
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

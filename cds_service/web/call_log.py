"""A log line for each call: a fixed list of fields, none of which can hold patient data."""

import logging
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response

from cds_service.model import Decision, Recommendation, Retrieval
from cds_service.store.period import PLAYGROUND
from cds_service.strict_json import to_json
from cds_service.web import counting
from cds_service.web.context import this_call, this_request
from cds_service.web.log_lines import LogLines
from cds_service.web.parts import parts
from cds_service.web.stopwatch import Stopwatch

_LOG = logging.getLogger("plexus_cds")
_ANSWERED, _UNKNOWN = 200, "unknown"
_NOT_NEEDED = Retrieval()
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


def register(app: Flask) -> None:
    """Let the application log and count each call of a service; preflights, discovery and pages are none."""
    app.before_request(start)
    app.after_request(write)


def start() -> None:
    """Note when the call came."""
    this_call().stopwatch = Stopwatch()


def write(response: Response) -> Response:
    """Log and count what was answered to a call; feedback that was taken and refused callers have their own line."""
    asked, held = this_request(), this_call()
    path = asked.path
    if not path.startswith("/cds-services/") or asked.method == "OPTIONS":
        return response
    seconds = held.stopwatch.stop()
    outcome = held.get("outcome") or _outcome(response.status_code, held.get("decision"))
    if held.get("client") == PLAYGROUND:
        counting.count_trial(outcome, is_feedback=path.endswith("/feedback"))
    elif path.endswith("/feedback"):
        counting.count_feedback(response.status_code, outcome, held.get("reports", {}))
    else:
        counting.count_call(
            held.get("service", _UNKNOWN), outcome, seconds, held.get("decision"), held.get("retrieval")
        )
    if not held.get("has_own_line") and _LOG.isEnabledFor(logging.INFO):
        fields = _refused_feedback if path.endswith("/feedback") else _fields
        _LOG.info(to_json(fields(held, response.status_code, outcome, seconds)).decode())
    return response


def _refused_feedback(held: Any, status: int, outcome: str, _seconds: dict[str, float]) -> dict[str, Any]:
    """Return what is logged of feedback that was not even read; what was read has a line of its own."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "service": held.get("service", _UNKNOWN),
        "client": held.get("client", ""),
        "feedback": {"refused": 1},
        "status": status,
        "why": outcome if outcome != "not_a_call" else "not_feedback",
    }


def _fields(held: Any, status: int, outcome: str, seconds: dict[str, float]) -> dict[str, Any]:
    """Return what is logged of a call; the fields are named here and nowhere else."""
    decision: Decision | None = held.get("decision")
    retrieval: Retrieval = held.get("retrieval") or _NOT_NEEDED
    phases = {phase: round(took * 1000, 1) for phase, took in seconds.items()}
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "service": held.get("service", _UNKNOWN),
        "hook": held.get("hook", _UNKNOWN),
        "client": held.get("client", ""),
        "status": status,
        "outcome": outcome,
        "reasons": _reasons(decision),
        "counts": _counts(decision),
        "prefetch": retrieval.prefetched,
        "fetch": {key: fault.label if fault else "read" for key, fault in retrieval.fetched.items()},
        "milliseconds": phases.pop("total"),
        "phases": phases,
        "knowledge": parts().knowledge.version,
    }


def _outcome(status: int, decision: Decision | None) -> str:
    if decision is None or status != _ANSWERED:
        return _OUTCOMES.get(status, "fault")
    if decision.is_shadow and any(isinstance(one, Recommendation) for one in decision.outcomes):
        return "shadow"
    return "card" if decision.cards else "silent"


def _reasons(decision: Decision | None) -> list[str]:
    """Name the reason of each silence, and of each card its indicator, history and presentation."""
    outcomes = decision.outcomes if decision else ()
    return [
        f"{one.indicator}:{one.findings.history}:{one.findings.presentation}"
        if isinstance(one, Recommendation)
        else one.reason
        for one in outcomes
    ]


def _counts(decision: Decision | None) -> dict[str, Any]:
    record = decision.record if decision else None
    if decision is None or record is None:
        return {}
    return {
        "cards": len(decision.cards),
        "conditions": len(record.conditions),
        "procedures": len(record.procedures),
        "skipped": record.skipped,
        "other_patient": record.other_patient,
        "unread": len(record.unread),
    }

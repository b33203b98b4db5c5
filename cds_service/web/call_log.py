"""A log line for each call: a fixed list of fields, none of which can hold patient data."""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, request

from cds_service.model import Decision, Recommendation
from cds_service.web.parts import parts

_LOG = logging.getLogger("plexus_cds")
_OUTCOMES = {
    400: "not_json",
    404: "unknown_service",
    405: "method",
    412: "record",
    413: "too_large",
    422: "not_a_call",
}


def to_stderr() -> None:
    """Let the lines go to standard error as they are: each is one JSON object."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    _LOG.handlers, _LOG.propagate = [handler], False
    _LOG.setLevel(logging.INFO)


def register(app: Flask) -> None:
    """Let the application log each call of a service; preflights, discovery and pages are none."""
    app.before_request(start)
    app.after_request(write)


def start() -> None:
    """Note when the call came."""
    g.began = time.perf_counter()


def write(response: Response) -> Response:
    """Log what was answered to a call; the fields are named here and nowhere else."""
    if not request.path.startswith("/cds-services/") or request.method == "OPTIONS" or g.get("is_feedback"):
        return response
    decision: Decision | None = g.get("decision")
    fields = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "service": g.get("service", "unknown"),
        "hook": g.get("hook", "unknown"),
        "status": response.status_code,
        "outcome": _outcome(response.status_code, decision),
        "reasons": _reasons(decision),
        "counts": _counts(decision),
        "milliseconds": round((time.perf_counter() - g.began) * 1000, 1),
        "knowledge": parts().knowledge.version,
    }
    _LOG.info(json.dumps(fields))
    return response


def _outcome(status: int, decision: Decision | None) -> str:
    if decision is None:
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

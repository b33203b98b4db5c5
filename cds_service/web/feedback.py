"""`POST /cds-services/{id}/feedback`: what became of a card (CDS Hooks 2.0.1, Feedback)."""

import json
import logging
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, jsonify

from cds_service.errors import NotAHookCall
from cds_service.web.body import json_body
from cds_service.web.parts import parts

blueprint = Blueprint("feedback", __name__)
_OUTCOMES = ("accepted", "overridden")


@blueprint.post("/cds-services/<service>/feedback")
def feedback(service: str) -> Response:
    """Take a batch, or a single report; count its outcomes in the log."""
    g.is_feedback = True
    parts().hook_of(service)
    outcomes = Counter(_outcome(report) for report in _reports(json_body()))
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "service": service, "feedback": outcomes}
    logging.getLogger("plexus_cds").info(json.dumps(line))
    return jsonify({})


def _reports(body: Any) -> list[Any]:
    reports = body.get("feedback", [body] if "card" in body else None) if isinstance(body, dict) else None
    if not isinstance(reports, list) or not all(isinstance(one, dict) for one in reports):
        message = "This is not feedback: a body with a list `feedback` of objects is expected."
        raise NotAHookCall(message)
    return reports


def _outcome(report: dict[str, Any]) -> str:
    outcome = report.get("outcome")
    return outcome if outcome in _OUTCOMES else "unknown"

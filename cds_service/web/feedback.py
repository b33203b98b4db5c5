"""`POST /cds-services/{id}/feedback`: what became of a card (CDS Hooks 2.0.1, Feedback)."""

import json
import logging
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, jsonify

from cds_service.errors import NotAHookCall, StoreUnavailable
from cds_service.store.records import Report
from cds_service.store.writing import write_reports
from cds_service.web.body import json_body
from cds_service.web.parts import parts
from cds_service.web.reports import Reading, read_report

blueprint = Blueprint("feedback", __name__)


@blueprint.post("/cds-services/<service>/feedback")
def feedback(service: str) -> Response:
    """Store a batch, or a single report; 200 says that what can be used of it is durable."""
    found = parts()
    found.hook_of(service)
    g.service = service
    given, reading = _reports(json_body(found.body_limit, found.body_depth)), _reading()
    reports = [report for report in (read_report(one, reading) for one in given) if report]
    _store(reports, unusable=len(given) - len(reports))
    return jsonify({})


def _reports(body: Any) -> list[Any]:
    """Return the reports: those of the list, the one in its place, or the body itself."""
    found = body.get("feedback", body) if isinstance(body, dict) else None
    reports = [found] if isinstance(found, dict) and "card" in found else found
    if not isinstance(reports, list) or (reports and not any(isinstance(one, dict) for one in reports)):
        message = "This is not feedback: a body with a list `feedback` of objects is expected."
        raise NotAHookCall(message)
    return [one if isinstance(one, dict) else {} for one in reports]


def _reading() -> Reading:
    found = parts()
    reasons = found.knowledge.card["override_reasons"]
    return Reading(
        service=g.service,
        client=g.get("client", ""),
        now=datetime.now(UTC),
        codes={**found.site.override_reasons, **{code: code for code in found.knowledge.override_reasons}},
        displays={reason["display"].lower(): reason["code"] for reason in reasons},
        keeps_comments=found.keeps.comments,
    )


def _store(reports: list[Report], unusable: int) -> None:
    """Write the reports after the cards of this process, so that a card just shown is known; log counts alone."""
    g.has_own_line = True
    given = Counter(report.outcome for report in reports) + Counter(unusable=unusable)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "service": g.service, "client": g.get("client", ""), "feedback": given}
    log = logging.getLogger("plexus_cds")
    try:
        new = _written(reports)
    except StoreUnavailable as error:
        log.error(json.dumps({**line, "status": 503, "why": error.why}))  # noqa: TRY400 - a trace may hold values
        raise
    repeated = len(reports) - new.total()
    g.reports = new + Counter(repeated=repeated, unusable=unusable)
    log.info(json.dumps({**line, "status": 200, "stored": new.total(), "repeated": repeated}))


def _written(reports: list[Report]) -> Counter[str]:
    """Write the reports and return how many of each outcome were new."""
    found = parts()
    with found.feedback_gate.passed():
        if not found.recorder.flush():
            raise StoreUnavailable(found.recorder.why)
        return Counter(write_reports(found.store, reports))

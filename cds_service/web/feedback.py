"""`POST /cds-services/{id}/feedback`: what became of a card (CDS Hooks 2.0.1, Feedback)."""

import json
import logging
from collections import Counter
from typing import Any

from flask import Blueprint, Response, jsonify

from cds_service.errors import NotAHookCall, StoreUnavailable, TooLarge
from cds_service.store.records import Report
from cds_service.web.afterwards import afterwards
from cds_service.web.body import json_body
from cds_service.web.call import Call
from cds_service.web.context import this_call
from cds_service.web.parts import parts
from cds_service.web.reports import Reading, read_report

blueprint = Blueprint("feedback", __name__)

_REPORTS = 1000
"""In one body, at most: one of megabytes would keep the store from others, who need it to prove who they are."""


@blueprint.post("/cds-services/<service>/feedback")
def feedback(service: str) -> Response:
    """Store a batch, or a single report; 200 says that what can be used of it is durable."""
    found, call = parts(), this_call()
    found.hook_of(service)
    call.service = service
    given = _reports(json_body(call.environ, found.body_limit, found.body_depth))
    reading = _reading(call)
    reports = [report for report in (read_report(one, reading) for one in given) if report]
    _store(call, reports, unusable=len(given) - len(reports))
    return jsonify({})


def _reports(body: Any) -> list[Any]:
    """Return the reports: those of the list, the one in its place, or the body itself."""
    found = body.get("feedback", body) if isinstance(body, dict) else None
    reports = [found] if isinstance(found, dict) and "card" in found else found
    if not isinstance(reports, list) or (reports and not any(isinstance(one, dict) for one in reports)):
        message = "This is not feedback: a body with a list `feedback` of objects is expected."
        raise NotAHookCall(message)
    if len(reports) > _REPORTS:
        message = (
            f"The body has {len(reports)} reports, and this service takes {_REPORTS} in one. "
            "Nothing of it was kept: send them again in several bodies."
        )
        raise TooLarge(message)
    return [one if isinstance(one, dict) else {} for one in reports]


def _reading(call: Call) -> Reading:
    found = parts()
    now = found.clock.now()
    reasons = found.knowledge.card["override_reasons"]
    return Reading(
        service=call.service,
        client=call.client,
        now=now,
        today=found.clock.day_of(now),
        codes={**found.site.override_reasons, **{code: code for code in found.knowledge.override_reasons}},
        displays={reason["display"].lower(): reason["code"] for reason in reasons},
        keeps_comments=found.keeps.comments,
    )


def _store(call: Call, reports: list[Report], unusable: int) -> None:
    """Write the reports after the cards of this process, so that a card just shown is known; log counts alone."""
    call.has_own_line = True
    given = Counter(report.outcome for report in reports) + Counter(unusable=unusable)
    now = parts().clock.now().isoformat(timespec="milliseconds")
    line = {"time": now, "service": call.service, "client": call.client, "feedback": given}
    log = logging.getLogger("plexus_cds")
    new = call.reports = Counter[str]()  # what is kept before a fault counts, too: sent again, it counts as repeated
    try:
        _write(reports, new)
    except StoreUnavailable as error:
        failed = {"status": 503, "why": error.why, "stored": new.total()}
        log.error(json.dumps({**line, **failed}))  # noqa: TRY400 - a trace may hold values
        raise
    repeated = len(reports) - new.total()
    call.reports = new + Counter(repeated=repeated, unusable=unusable)
    log.info(json.dumps({**line, "status": 200, "stored": new.total(), "repeated": repeated}))


def _write(reports: list[Report], new: Counter[str]) -> None:
    """Write the reports, and count those of each outcome that were new."""
    from cds_service.store.writing import write_reports  # noqa: PLC0415 - slow; the cards before have loaded it

    found = parts()
    with found.feedback_gate.passed():
        afterwards.settle()  # what was decided before is written before, too
        if not found.recorder.flush():
            raise StoreUnavailable(found.recorder.why)
        write_reports(found.store, reports, new)

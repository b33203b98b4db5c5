"""`POST /cds-services/{id}/feedback`: what became of a card (CDS Hooks 2.0.1, Feedback)."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify

from cds_service.background import task_queue
from cds_service.errors import NotAHookCall, StoreUnavailable, TooLarge
from cds_service.logs import log_event
from cds_service.model import Json
from cds_service.store.records import Report
from cds_service.web.request_body import json_body
from cds_service.web.request_context import RequestContext, this_call
from cds_service.web.services import services

UNLISTED = "unlisted"
_OUTCOMES = ("accepted", "overridden")
_COMMENT_LENGTH = 4000
_MOST_SUGGESTIONS = 10
"""More than any card has: who reports thousands as accepted has not seen them on a card."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What reports of one client to one service are read with."""

    service: str
    client: str
    now: datetime
    today: date
    codes: Mapping[str, str]
    """Our override reason by each code that means it, the site's own too."""
    displays: Mapping[str, str]
    """Our override reason by its display text, in lower case."""
    keeps_comments: bool


def read_report(report: Json, reading: Reading) -> Report | None:
    """Return what is stored of a report, or None where it does not say what became of which card, or takes too much."""
    card, outcome = _uuid(report.get("card")), report.get("outcome")
    suggestions = tuple(sorted(_suggestions(report))) if outcome == "accepted" else ()
    if card is None or outcome not in _OUTCOMES or len(suggestions) > _MOST_SUGGESTIONS:
        return None
    overrides = list(_overrides(report)) if outcome == "overridden" else []
    reason = _reason(overrides, reading)
    happened_at = _moment(report.get("outcomeTimestamp"))
    same = [reading.client, card, outcome, str(happened_at or ""), suggestions, reason]
    return Report(
        card=card,
        service=reading.service,
        client=reading.client,
        outcome=outcome,
        reason=reason,
        comment=_comment(overrides) if reading.keeps_comments else None,
        happened_at=min(happened_at or reading.now, reading.now),  # a clock ahead would beat all later reports
        received_at=reading.now,
        received_day=reading.today,
        suggestions=suggestions,
        digest=hashlib.sha256(json.dumps(same).encode()).hexdigest(),
    )


def _uuid(value: object) -> str | None:
    """Return a UUID in the one spelling of ours; what is none could be anything, so it is not kept."""
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _moment(value: object) -> datetime | None:
    """Return the moment in UTC; one without an offset is UTC already (requirement F-07)."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC) if moment else None
    except (ValueError, OverflowError):
        return None


def _suggestions(report: Json) -> set[str]:
    accepted = report.get("acceptedSuggestions")
    ids = (_uuid(one.get("id")) for one in _objects(accepted))
    return {found for found in ids if found}


def _overrides(report: Json) -> Iterator[Json]:
    """Yield each override reason with its comment; Epic writes `overrideReasons`."""
    for name in ("overrideReason", "overrideReasons"):
        yield from _objects(report.get(name))


def _objects(value: object) -> list[Json]:
    """Return the objects of a list; one that stands alone is a list of one."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _reason(overrides: list[Json], reading: Reading) -> str | None:
    """Return the first of our override reasons that is given, `unlisted` for any other, None where none is."""
    given = [coding for override in overrides for coding in _codings(override)]
    listed = (_listed(coding, reading) for coding in given)
    return next((reason for reason in listed if reason), UNLISTED if given else None)


def _codings(override: Json) -> Iterator[Json]:
    """Yield the reason as a Coding; Epic may give its display text alone, in an extension."""
    if override.get("reason"):
        reason = override["reason"]
        yield reason if isinstance(reason, dict) else {"code": reason}
    for text in _reason_displays(override.get("extension")):
        yield {"display": text}


def _reason_displays(extension: object) -> Iterator[str]:
    """Yield what an extension names reasonDisplay, itself or one level down."""
    for outer in _objects(extension):
        for level in (outer, *_objects(list(outer.values()))):
            yield from (
                text for name, text in level.items() if name.endswith("reasonDisplay") and isinstance(text, str)
            )


def _listed(coding: Json, reading: Reading) -> str | None:
    code, display = coding.get("code"), coding.get("display")
    if code:
        return reading.codes.get(code) if isinstance(code, str) else None
    return reading.displays.get(display.strip().lower()) if isinstance(display, str) else None


def _comment(overrides: list[Json]) -> str | None:
    """Return the clinician's words, without the NUL that PostgreSQL cannot store."""
    said: list[Any] = [override.get("userComment") for override in overrides]
    words = "\n".join(one.replace("\0", "") for one in said if isinstance(one, str))
    return words[:_COMMENT_LENGTH] or None


blueprint = Blueprint("feedback", __name__)

_REPORTS = 1000
"""In one body, at most: one of megabytes would keep the store from others, who need it to prove who they are."""


@blueprint.post("/cds-services/<service>/feedback")
def feedback(service: str) -> Response:
    """Store a batch, or a single report; 200 says that what can be used of it is durable."""
    found, call = services(), this_call()
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


def _reading(call: RequestContext) -> Reading:
    found = services()
    now = found.clock.now()
    reasons = found.knowledge.card["override_reasons"]
    return Reading(
        service=call.service,
        client=call.client,
        now=now,
        today=found.clock.day_of(now),
        codes={**found.site.override_reasons, **{code: code for code in found.knowledge.override_reasons}},
        displays={reason["display"].lower(): reason["code"] for reason in reasons},
        keeps_comments=found.privacy.comments,
    )


def _store(call: RequestContext, reports: list[Report], unusable: int) -> None:
    """Write the reports after the cards of this process, so that a card just shown is known; log counts alone."""
    call.has_own_line = True
    given = Counter(report.outcome for report in reports) + Counter(unusable=unusable)
    line: dict[str, Any] = {"service": call.service, "client": call.client, "reports": given}
    now = services().clock.now()
    new = call.reports = Counter[str]()  # what is kept before a fault counts, too: sent again, it counts as repeated
    try:
        _write(reports, new)
    except StoreUnavailable as error:
        failed = {"status": 503, "reason": "store", "error": error.why, "stored": new.total()}
        log_event("error", "feedback", at=now, **line, **failed)
        raise
    repeated = len(reports) - new.total()
    call.reports = new + Counter(repeated=repeated, unusable=unusable)
    log_event("info", "feedback", at=now, **line, status=200, stored=new.total(), repeated=repeated)


def _write(reports: list[Report], new: Counter[str]) -> None:
    """Write the reports, and count those of each outcome that were new."""
    from cds_service.store.writing import write_reports  # noqa: PLC0415 - slow; the cards before have loaded it

    found = services()
    with found.feedback_gate.calling():
        task_queue.drain()  # what was decided before is written before, too
        if not found.recorder.flush():
            raise StoreUnavailable(found.recorder.last_error)
        write_reports(found.store, reports, new)

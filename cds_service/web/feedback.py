"""`POST /cds-services/{id}/feedback`: the outcome of cards (CDS Hooks 2.0.1, Feedback)."""

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
from cds_service.web.request_context import RequestContext, current_request
from cds_service.web.services import current_services

UNLISTED = "unlisted"
_OUTCOMES = ("accepted", "overridden")
_MAX_SUGGESTIONS = 10
"""More than any card has; a report with more is not about one of our cards."""


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What is the same for all reports of one request."""

    service: str
    client: str
    now: datetime
    today: date
    codes: Mapping[str, str]
    """Our override reason by each code that means it, the site's own too."""
    displays: Mapping[str, str]
    """Our override reason by its display text, in lower case."""
    stores_comments: bool


def read_report(report: Json, context: ReportContext) -> Report | None:
    """Return what is stored of a report, or None where card or outcome is missing, or it has too many suggestions."""
    card, outcome = _uuid(report.get("card")), report.get("outcome")
    suggestions = tuple(sorted(_suggestions(report))) if outcome == "accepted" else ()
    if card is None or outcome not in _OUTCOMES or len(suggestions) > _MAX_SUGGESTIONS:
        return None
    overrides = list(_overrides(report)) if outcome == "overridden" else []
    reason = _reason(overrides, context)
    happened_at = _moment(report.get("outcomeTimestamp"))
    same = [context.client, card, outcome, str(happened_at or ""), suggestions, reason]
    return Report(
        card=card,
        service=context.service,
        client=context.client,
        outcome=outcome,
        reason=reason,
        comment=_comment(overrides) if context.stores_comments else None,
        happened_at=min(happened_at or context.now, context.now),  # a clock ahead would beat all later reports
        received_at=context.now,
        received_day=context.today,
        suggestions=suggestions,
        digest=hashlib.sha256(json.dumps(same).encode()).hexdigest(),
    )


def _uuid(value: object) -> str | None:
    """Return a UUID in its canonical form, or None: any other text could be patient data, and is not stored."""
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


_FIRST_YEAR = 2000
"""A report of before is misdated; and PostgreSQL, where its time zone is not UTC, returns year 1 as a year BC."""


def _moment(value: object) -> datetime | None:
    """Return the moment in UTC; one without an offset is UTC already (requirement F-07)."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        utc = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC) if moment else None
    except (ValueError, OverflowError):
        return None
    return utc if utc and utc.year >= _FIRST_YEAR else None


def _suggestions(report: Json) -> set[str]:
    accepted = report.get("acceptedSuggestions")
    ids = (_uuid(suggestion.get("id")) for suggestion in _objects(accepted))
    return {suggestion_id for suggestion_id in ids if suggestion_id}


def _overrides(report: Json) -> Iterator[Json]:
    """Yield each override reason with its comment; Epic writes `overrideReasons`."""
    for name in ("overrideReason", "overrideReasons"):
        yield from _objects(report.get(name))


def _objects(value: object) -> list[Json]:
    """Return the objects of a list; one that stands alone is a list of one."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _reason(overrides: list[Json], context: ReportContext) -> str | None:
    """Return the first of our override reasons that is given, `unlisted` for any other, None where none is."""
    codings = [coding for override in overrides for coding in _codings(override)]
    reasons = (_listed_reason(coding, context) for coding in codings)
    return next((reason for reason in reasons if reason), UNLISTED if codings else None)


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


def _listed_reason(coding: Json, context: ReportContext) -> str | None:
    code, display = coding.get("code"), coding.get("display")
    if code:
        return context.codes.get(code) if isinstance(code, str) else None
    return context.displays.get(display.strip().lower()) if isinstance(display, str) else None


def _comment(overrides: list[Json]) -> str | None:
    """Return the clinician's comments."""
    comments: list[Any] = [override.get("userComment") for override in overrides]
    text = "\n".join(comment for comment in comments if isinstance(comment, str))
    return text or None


blueprint = Blueprint("feedback", __name__)

_MAX_REPORTS = 1000
"""In one request: a body of megabytes would block the store for others, who need it to authenticate."""


@blueprint.post("/cds-services/<service>/feedback")
def feedback(service: str) -> Response:
    """Store a batch or a single report; 200 means that its usable reports are durable."""
    services, context = current_services(), current_request()
    services.hook_of(service)
    context.service = service
    received = _reports(json_body(context.environ, services.body_limit, services.body_depth))
    report_context = _report_context(context)
    reports = [report for report in (read_report(report, report_context) for report in received) if report]
    _store(context, reports, unusable=len(received) - len(reports))
    return jsonify({})


def _reports(body: Any) -> list[Any]:
    """Return the reports: a list, a single one in place of the list, or the body itself."""
    content = body.get("feedback", body) if isinstance(body, dict) else None
    reports = [content] if isinstance(content, dict) and "card" in content else content
    if not isinstance(reports, list) or (reports and not any(isinstance(report, dict) for report in reports)):
        message = "Not feedback: the body must be an object with a list `feedback` of objects."
        raise NotAHookCall(message)
    if len(reports) > _MAX_REPORTS:
        message = (
            f"The body has {len(reports)} reports; the limit is {_MAX_REPORTS}. "
            "None was stored: send them again in several requests."
        )
        raise TooLarge(message)
    return [report if isinstance(report, dict) else {} for report in reports]


def _report_context(context: RequestContext) -> ReportContext:
    services = current_services()
    now = services.clock.now()
    reasons = services.knowledge.card["override_reasons"]
    return ReportContext(
        service=context.service,
        client=context.client,
        now=now,
        today=services.clock.day_of(now),
        codes={**services.site.override_reasons, **{code: code for code in services.knowledge.override_reasons}},
        displays={reason["display"].lower(): reason["code"] for reason in reasons},
        stores_comments=services.privacy.comments,
    )


def _store(context: RequestContext, reports: list[Report], unusable: int) -> None:
    """Write the reports after the cards of this process, so that a card just shown is known; log counts alone."""
    context.is_logged = True
    received = Counter(report.outcome for report in reports) + Counter(unusable=unusable)
    line: dict[str, Any] = {"service": context.service, "client": context.client, "reports": received}
    now = current_services().clock.now()
    new = context.reports = Counter[str]()  # what is kept before a fault counts, too: sent again, it counts as repeated
    try:
        with context.stopwatch.part("store"):
            _write(reports, new)
    except StoreUnavailable as error:
        failed = {"status": 503, "reason": "store", "error": error.reason, "stored": new.total()}
        log_event("error", "feedback", at=now, **line, **failed)
        raise
    repeated = len(reports) - new.total()
    context.reports = new + Counter(repeated=repeated, unusable=unusable)
    log_event("info", "feedback", at=now, **line, status=200, stored=new.total(), repeated=repeated)


def _write(reports: list[Report], new: Counter[str]) -> None:
    """Write the reports, and count those of each outcome that were new."""
    services = current_services()
    with services.feedback_breaker.calling() as progressed:
        task_queue.drain()  # what was decided before is written before, too
        if not services.recorder.flush():
            raise StoreUnavailable(services.recorder.last_error)
        progressed()

        from cds_service.store.writing import write_reports  # noqa: PLC0415 - slow; the recorder has loaded it

        write_reports(services.store, reports, new, progressed)

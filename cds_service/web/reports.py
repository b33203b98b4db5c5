"""A report of feedback as clients write it -> the Report that is stored, which has nothing of its free text."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from cds_service.model import Json
from cds_service.store.records import Report

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

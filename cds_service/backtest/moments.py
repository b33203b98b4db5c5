"""When an order was made, and whether an entry was on the record by then."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from cds_service.decision.as_of import when_recorded
from cds_service.decision.fhir_fields import partial_date
from cds_service.model import Json

_DAY = len("2024-08-01")


class Timing(StrEnum):
    """Whether an entry was on the record when an order was made."""

    BEFORE = "before"
    AFTER = "after"
    SAME_DAY = "same_day"
    """On the order's day without a time, or by a month or year that includes that day: nobody can tell."""
    UNDATED = "undated"


@dataclass(frozen=True, slots=True)
class Moment:
    """A FHIR date or dateTime: the days that it can mean, and the instant if it has a time with its offset."""

    first: date
    last: date
    instant: datetime | None = None


def moment(stated: Any) -> Moment | None:
    """Return the moment of a date, a dateTime, or the start (else the end) of a Period; None if it is none."""
    text = stated.get("start") or stated.get("end") if isinstance(stated, dict) else stated
    days = partial_date(text, date.max)
    if days is None or not isinstance(text, str):
        return None
    return Moment(days.first, days.last, _instant(text) if len(text) > _DAY else None)


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else None


def recorded_moment(entry: Json) -> Moment | None:
    """Return when an entry was recorded, else when it began (a Procedure in R4 has no more); None without a date."""
    return moment(when_recorded(entry))


def timing(recorded: Moment | None, ordered: Moment) -> Timing:
    """Return whether what was recorded at a moment was on the record when the order was made."""
    if recorded is None:
        return Timing.UNDATED
    if recorded.instant and ordered.instant:
        return Timing.BEFORE if recorded.instant <= ordered.instant else Timing.AFTER
    if recorded.last < ordered.first:
        return Timing.BEFORE
    return Timing.AFTER if recorded.first > ordered.first else Timing.SAME_DAY

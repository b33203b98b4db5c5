"""When an order was made, and whether an entry was on the record by then."""

import re
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from cds_service.decision.as_of import dated_by
from cds_service.decision.fhir_fields import partial_date
from cds_service.model import Json

_EXACT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d|\d{4}-\d\d-\d\d\Z")


class Timing(StrEnum):
    """Whether an entry was on the record when an order was made."""

    BEFORE = "before"
    AFTER = "after"
    SAME_DAY = "same_day"
    """On the order's day without a time, or by a month or year that includes that day: nobody can tell."""
    UNDATED = "undated"


class Moment(NamedTuple):
    """A FHIR date or dateTime: the days that it can mean, and the instant if it has a time with its offset."""

    first: date
    last: date
    instant: datetime | None = None


def moment(stated: Any) -> Moment | None:
    """Return the moment of a date, a dateTime, or the start (else the end) of a Period; None if it is none."""
    text = stated.get("start") or stated.get("end") if isinstance(stated, dict) else stated
    if not isinstance(text, str):
        return None
    if _EXACT.match(text):
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return Moment(instant.date(), instant.date(), instant if instant.tzinfo else None)
    days = partial_date(text, date.max)
    return Moment(days.first, days.last) if days else None


def recorded_moment(entry: Json) -> Moment | None:
    """Return when an entry was recorded, else when it began (a Procedure in R4 has no more); None without a date."""
    for name in dated_by(entry):
        if recorded := moment(entry.get(name)):
            return recorded
    return None


def timing(recorded: Moment | None, ordered: Moment) -> Timing:
    """Return whether what was recorded at a moment was on the record when the order was made."""
    if recorded is None:
        return Timing.UNDATED
    if recorded.instant and ordered.instant:
        return Timing.BEFORE if recorded.instant <= ordered.instant else Timing.AFTER
    if recorded.last < ordered.first:
        return Timing.BEFORE
    return Timing.AFTER if recorded.first > ordered.first else Timing.SAME_DAY

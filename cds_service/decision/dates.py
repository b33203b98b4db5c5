"""FHIR dates as precisely as they were recorded."""

import re
from calendar import monthrange
from datetime import date
from typing import Any

from cds_service.model import PartialDate

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T.*)?)?)?", re.DOTALL)


def partial_date(value: Any, today: date) -> PartialDate | None:
    """Return a FHIR date or dateTime, or None for anything else; a future date is today."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        read = _span(*(int(part) if part else None for part in match.groups()))
    except ValueError:
        return None
    return read if read.first <= today else PartialDate(today.isoformat(), today, today)


def _span(year: int | None, month: int | None, day: int | None) -> PartialDate:
    if year is None or not year:
        raise ValueError
    if month is None:
        return PartialDate(f"{year:04}", date(year, 1, 1), date(year, 12, 31))
    if day is None:
        last = monthrange(year, month)[1]
        return PartialDate(f"{year:04}-{month:02}", date(year, month, 1), date(year, month, last))
    exact = date(year, month, day)
    return PartialDate(exact.isoformat(), exact, exact)


def period(resource: Any, names: tuple[str, ...], today: date) -> tuple[PartialDate | None, PartialDate | None]:
    """Return first and last date of the first of these members that is dated: a dateTime or a Period."""
    for name in names:
        value = resource.get(name)
        start, end = (value.get("start"), value.get("end")) if isinstance(value, dict) else (value, value)
        first, last = partial_date(start, today), partial_date(end, today)
        if first or last:
            return first or last, last or first
    return None, None


def months_since(then: PartialDate, today: date) -> int:
    """Return the whole months from a date to today, at the precision of the date."""
    months = (today.year - then.last.year) * 12 + today.month - then.last.month
    return max(0, months - (len(then.text) == len("2024-08-01") and then.last.day > today.day))

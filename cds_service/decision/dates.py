"""FHIR dates as precisely as they were recorded."""

import re
from calendar import monthrange
from datetime import date
from typing import Any

from cds_service.model import PartialDate

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T.*)?)?)?", re.DOTALL)
_DAY = len("2024-08-01")


def partial_date(value: Any, today: date) -> PartialDate | None:
    """Return a FHIR date or dateTime, or None for anything else; a future date is today."""
    if not isinstance(value, str):
        return None
    day = _day(value)
    read = PartialDate(value[:_DAY], day, day) if day else _read(value)
    return read if read is None or read.first <= today else PartialDate(today.isoformat(), today, today)


def _read(text: str) -> PartialDate | None:
    match = _DATE.fullmatch(text)
    try:
        return _span(*(int(part) for part in match.groups() if part)) if match else None
    except ValueError:
        return None


def _day(text: str) -> date | None:
    """Return the day that a text begins with, as nearly all do: the standard library is quicker than our pattern."""
    if text[7:8] != "-" or text[_DAY : _DAY + 1] not in ("", "T"):
        return None
    try:
        return date.fromisoformat(text[:_DAY])
    except ValueError:
        return None


def _span(year: int, month: int | None = None, day: int | None = None) -> PartialDate:
    if month is None:
        return PartialDate(f"{year:04}", date(year, 1, 1), date(year, 12, 31))
    if day is None:
        first = date(year, month, 1)
        return PartialDate(f"{year:04}-{month:02}", first, first.replace(day=monthrange(year, month)[1]))
    exact = date(year, month, day)
    return PartialDate(exact.isoformat(), exact, exact)


def period(resource: Any, names: tuple[str, ...], today: date) -> tuple[PartialDate | None, PartialDate | None]:
    """Return first and last date of the first of these members that is dated: a dateTime or a Period."""
    for name in names:
        value = resource.get(name)
        if isinstance(value, dict):
            first, last = partial_date(value.get("start"), today), partial_date(value.get("end"), today)
        else:
            first = last = partial_date(value, today)
        if first or last:
            return first or last, last or first
    return None, None


def first_day(value: Any) -> date | None:
    """Return the first day that a date, dateTime or the start (else the end) of a Period can mean, of any time."""
    given = value.get("start") or value.get("end") if isinstance(value, dict) else value
    read = partial_date(given, date.max)
    return read.first if read else None


def months_since(then: PartialDate, today: date) -> int:
    """Return the whole months from a date to today, at the precision of the date."""
    months = (today.year - then.last.year) * 12 + today.month - then.last.month
    return max(0, months - (len(then.text) == len("2024-08-01") and then.last.day > today.day))

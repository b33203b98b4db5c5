"""The times that a clinician typed ("3 wks ago", "x 2 mo", "since 2019", "11/20/2026"), as days before today."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

_UNITS = {"h": 0.05, "d": 1, "w": 7, "m": 30, "y": 365}
"""The fewest days that each unit can have, by its first letter: what may be recent is taken as recent."""

_LONG_UNITS = "hrs?|hours?|days?|wks?|weeks?|mos?|months?|yrs?|years?"
_LONG_UNIT = rf"(?P<unit>{_LONG_UNITS})"
_UNIT = rf"(?:{_LONG_UNIT}|(?P<letter>[hdwmy]))"
_SPELLED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORDS = {"a": 1, "an": 1, "couple": 2, "few": 3, "several": 4, **{word: n for n, word in enumerate(_SPELLED, 1)}}
_NUMBER = r"(?:\d+(?:\.\d+)?\s*(?:-|to)\s*)?(?P<number>\d{1,4}(?:\.\d+)?)[\s-]*"
_SPELLED_NUMBER = rf"(?P<number>{'|'.join(_WORDS)})\s+(?:of\s+)?"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month>(?:{'|'.join(_MONTHS)})[a-z]{{0,6}})"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_SINCE = (
    r"(?<![a-z])(?:(?P<since>since|from|x|for|over|past|last|these|this|on|>|~)\s*(?:the\s+)?(?:past\s+|last\s+)?)?"
)
_STARTS_NUMBER = r"(?<![a-z])(?=[sfxoptl>~\d])"
"""Where one of the words above, or a number begins; few places pass."""
_OF = r"(?:\s+(?:of|ho|hx of|hx|history of|history|duration))?"
_IN_FIGURES = r"\d[\s-]*[hdwmy]"
_IN_WORDS = rf"\s(?:{_LONG_UNITS})\b"
_A_WEEK = 7
_NAMED_DAYS = {
    "today": 0, "tonight": 0, "this morning": 0, "this am": 0, "overnight": 1, "last night": 1, "yesterday": 1,
    "this week": 7, "last week": 14, "last weekend": 14, "last month": 61, "weeks ago": 60, "days ago": 20,
    "hours ago": 1, "months ago": 90,
    **dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), 7),
}  # fmt: skip
"""The most days that can lie between each and today."""


_NAMED = "|".join(_NAMED_DAYS).replace(" ", r"\s+")


class TypedTime(NamedTuple):
    """When something was or began: the last day that it can mean, and whether it is a matter of hours or days."""

    last: date
    is_duration: bool = False
    is_days: bool = False


def _ago(match: re.Match[str], today: date) -> TypedTime | None:
    number, unit = match["number"], (match["unit"] or match.groupdict()["letter"])[0]
    days = int(float(_WORDS.get(number, 0) or number) * _UNITS[unit])
    last = today - timedelta(days=days) if days < today.toordinal() else date.min
    return TypedTime(last, match.groupdict().get("ago") is None, unit in "hd")


def _named(match: re.Match[str], today: date) -> TypedTime:
    days = _NAMED_DAYS[" ".join(match["named"].split())]
    return TypedTime(today - timedelta(days=days), match["since"] is not None, days <= _A_WEEK)


def _last_year(_: re.Match[str], today: date) -> TypedTime:
    return TypedTime(date(today.year - 1, 12, 31))


def _day(match: re.Match[str], today: date) -> TypedTime | None:
    year, month = int(match["year"]), match["month"]
    if len(match["year"]) == len("26"):
        year += 2000 if 2000 + year <= today.year + 1 else 1900
    return _dated(year, _month_number(month), int(match["day"]), match)


def _month_number(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS.index(text[:3]) + 1


def _month(match: re.Match[str], _: date) -> TypedTime | None:
    return _dated(int(match["year"]), _month_number(match["month"]), None, match)


def _year(match: re.Match[str], _: date) -> TypedTime | None:
    return TypedTime(date(int(match["year"]), 12, 31), match["since"] is not None)


def _dated(year: int, month: int, day: int | None, match: re.Match[str]) -> TypedTime | None:
    try:
        last = date(year, month, day) if day else date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    except ValueError:
        return None
    return TypedTime(last, match["since"] is not None)


_DATE_IN_FIGURES = r"\d[/-]\d\d?[/-]\d"
_Read = Callable[[re.Match[str], date], TypedTime | None]
_FORMS: tuple[tuple[str, str, _Read], ...] = (
    (_DATE_IN_FIGURES, rf"{_SINCE}\b{_YEAR}-(?P<month>\d\d?)-(?P<day>\d\d?)\b", _day),
    (
        _DATE_IN_FIGURES,
        rf"{_SINCE}\b(?P<month>\d\d?)[/-](?P<day>\d\d?)[/-](?P<year>(?:19|20)?\d\d)\b",
        _day,
    ),
    (_YEAR, rf"{_SINCE}\b{_MONTH}\.?\s+(?P<day>\d\d?)(?:st|nd|rd|th)?,?\s+{_YEAR}\b", _day),
    (r"\d[/-](?:19|20)", rf"{_SINCE}\b(?P<month>\d\d?)[/-]{_YEAR}\b", _month),
    (r"(?:19|20)\d\d-\d", rf"{_SINCE}\b{_YEAR}-(?P<month>\d\d?)\b", _month),
    (_YEAR, rf"{_SINCE}\b{_MONTH}\.?,?\s+(?:of\s+)?{_YEAR}\b", _month),
    (_IN_FIGURES, rf"{_STARTS_NUMBER}{_SINCE}\b{_NUMBER}{_UNIT}\b\s*(?P<ago>ago|prior|earlier)\b", _ago),
    (_IN_FIGURES, rf"{_STARTS_NUMBER}{_SINCE}\b{_NUMBER}{_UNIT}\b{_OF}", _ago),
    (_IN_WORDS, rf"{_SINCE}\b{_SPELLED_NUMBER}{_LONG_UNIT}\b\s*(?P<ago>ago|prior|earlier)\b", _ago),
    (_IN_WORDS, rf"{_SINCE}\b{_SPELLED_NUMBER}{_LONG_UNIT}\b{_OF}", _ago),
    (_NAMED, rf"{_SINCE}\b(?P<named>{_NAMED})\b", _named),
    (r"last\s+year", r"(?P<since>since\s+)?\blast\s+year\b", _last_year),
    (_YEAR, rf"{_STARTS_NUMBER}{_SINCE}\b{_YEAR}\b", _year),
)
"""The forms of a time, of text in lower case, in the order in which they are tried.

The first pattern is a part of the second that is looked for many times faster, as it begins with few characters.
"""

_PATTERNS = tuple(
    (re.compile(needed), [(re.compile(pattern), read) for _, pattern, read in forms])
    for needed, forms in groupby(_FORMS, key=itemgetter(0))
)
"""By what it needs, the forms that stand one after another above."""
_HINT = re.compile(r"\d|ago\b|night|yester|today|day\b|tonight|morning|this am\b|week|month|year|day|hour")
"""Every time has one of these: a text without it has none, and most have none."""
_TIMES_TWO = re.compile(r"x(?<!\w.)(?=\d)")
"""As in "x2 wks", where no space parts the sign from the number."""


def may_have_time(text: str) -> bool:
    """Return whether a text (in lower case) may have a time; a wrong "yes" only costs time."""
    return _HINT.search(text) is not None


def cut_times(text: str, today: date) -> tuple[str, list[TypedTime]]:
    """Return a text (in lower case) with each time as `@0`, `@1` ... in its place, and those times."""
    times: list[TypedTime] = []
    if not _HINT.search(text):
        return text, times
    text = _TIMES_TWO.sub("x ", text)

    def cut(text: str, pattern: re.Pattern[str], read: _Read) -> str:
        def mark(match: re.Match[str]) -> str:
            time = read(match, today)
            if time is None:
                return match[0]
            times.append(time)
            return f" @{len(times) - 1} "

        return pattern.sub(mark, text)

    for needed, forms in _PATTERNS:
        if needed.search(text):
            for pattern, read in forms:
                text = cut(text, pattern, read)
    return text, times

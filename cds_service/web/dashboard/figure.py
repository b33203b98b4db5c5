"""What a figure of the dashboard is: words, a table and a chart of the same numbers; and how numbers are told."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from cds_service.model import Json
from cds_service.store.period import Period

FEW = 20
"""A share of fewer is told as n of N only: it would be too few to judge by."""

_WEEK = 7
"""Days."""

TOO_FEW = "too few to judge"


@dataclass(frozen=True, slots=True)
class Tile:
    """One number, what it counts, and what it is a part of."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One question answered: in words, as a table whose first column names its rows, and as a chart."""

    name: str
    heading: str
    summary: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    chart: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one colour; its role in dashboard.js says which."""

    role: str
    name: str
    values: tuple[float | None, ...]


def number(count: int) -> str:
    """Return a count as people write it."""
    return f"{count:,}"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def percent(part: int, whole: int) -> str:
    """Return a share in percent, or that it is too few to judge."""
    if whole < FEW:
        return TOO_FEW
    return "under 1%" if 0 < part / whole < 0.01 else f"{part / whole:.0%}"  # noqa: PLR2004 - as it says


def share(part: int, whole: int) -> str:
    """Return a share with its numerator and denominator."""
    return f"{number(part)} of {number(whole)} ({percent(part, whole)})" if whole else "none"


def share_tile(label: str, part: int, whole: int, what: str) -> Tile:
    """Return a tile that tells a share, and no percentage where there are too few."""
    fraction = f"{number(part)} of {number(whole)}"
    if whole < FEW:
        return Tile(label, fraction, f"{what}; {TOO_FEW}" if whole else f"{what}: there was none")
    return Tile(label, percent(part, whole), f"{fraction} {what}")


def step(begins: date, period: Period) -> str:
    """Return a week, or a month of a long period, with those of its days that are of the period."""
    whole = monthrange(begins.year, begins.month)[1] if period.by_month else _WEEK
    begin = max(begins, period.first)
    end = date.fromordinal(min(begins.toordinal() + whole - 1, period.last.toordinal()))
    days = (end - begin).days + 1
    part = "" if days == whole else f" ({counted(days, 'day')})"
    if period.by_month:
        return f"{begin:%b} {begin.year}{part}"
    year, week, _ = begins.isocalendar()
    return f"{year}-W{week:02}, {begin:%b} {begin.day} to {end:%b} {end.day}{part}"


def steps_chart(period: Period, series: Sequence[Series], unit: str, marks: Sequence[date] = ()) -> Json:
    """Return columns over weeks or months; on a marked day a new version of the knowledge came into use."""
    return _chart("steps", series, unit) | {
        "step": "month" if period.by_month else "week",
        "days": [day.isoformat() for day in period.steps],
        "marks": [day.isoformat() for day in marks],
    }


def bars_chart(
    labels: Sequence[str], notes: Sequence[str], series: Sequence[Series], *, unit: str = "", whole: int = 0
) -> Json:
    """Return one bar under each label, as long as its part of the whole, or of the longest; the notes tell numbers."""
    return _chart("bars", series, unit) | {"labels": list(labels), "notes": list(notes), "whole": whole}


def share_series(name: str, parts: Sequence[tuple[int, int]]) -> list[Series]:
    """Return shares in percent, those of too few apart."""

    def chosen(*, few: bool) -> tuple[float | None, ...]:
        return tuple(100 * part / whole if whole and (whole < FEW) == few else None for part, whole in parts)

    return [
        Series("share", name, chosen(few=False)),
        Series("few", f"{name}: {TOO_FEW}", chosen(few=True)),
    ]


def _chart(kind: str, series: Sequence[Series], unit: str) -> dict[str, object]:
    used = [one for one in series if any(one.values)] or list(series[:1])
    told = [{"role": one.role, "name": one.name, "values": list(one.values)} for one in used]
    return {"kind": kind, "unit": unit, "series": told}

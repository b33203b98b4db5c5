"""The charts of the dashboard: columns over weeks or months as SVG, and bars as numbers that the template draws."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from cds_service.plots import Column, ColumnSegment, Mark, columns_over_time
from cds_service.store.period import Period

FEW = 20
"""Of fewer, a share is shown as n of N, without a percentage, and its bar is gray."""

TOO_FEW = f"n < {FEW}"

_WEEK = 7
"""Days."""

_WIDTHS = {"narrow": 340, "medium": 520, "wide": 900}
"""Pixels for which the columns are drawn; the style sheet shows the one that fits, so that its text stays readable."""


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one color; its role is its class in dashboard.css."""

    role: str
    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar, in percent of the width, and what a pointer is told."""

    role: str
    begin: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar under its label and its number."""

    label: str
    note: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The same columns in each width, or bars; the legend names more than one color."""

    legend: tuple[tuple[str, str], ...] = ()
    plots: tuple[tuple[str, Markup], ...] = ()
    bars: tuple[Bar, ...] = ()
    has_track: bool = False
    """The bars are shares of a whole, which is drawn behind them."""


def step(begins: date, period: Period) -> str:
    """Return the label of a week, or of a month of a long period, with the number of its days in the period if cut."""
    whole = monthrange(begins.year, begins.month)[1] if period.by_month else _WEEK
    begin = max(begins, period.first)
    end = date.fromordinal(min(begins.toordinal() + whole - 1, period.last.toordinal()))
    days = (end - begin).days + 1
    part = "" if days == whole else f" ({days} day{'' if days == 1 else 's'})"
    if period.by_month:
        return f"{begin:%b} {begin.year}{part}"
    year, week, _ = begins.isocalendar()
    return f"{year}-W{week:02}, {begin:%b} {begin.day} to {end:%b} {end.day}{part}"


def steps_chart(
    title: str, period: Period, series: Sequence[Series], *, unit: str = "", marks: Sequence[date] = ()
) -> Chart:
    """Return columns over weeks or months; on a marked day a new rule version came into use."""
    drawn = _drawn(series)
    columns = [
        Column(_axis_label(begins, period), _words(step(begins, period), drawn, at, unit), _column_segments(drawn, at))
        for at, begins in enumerate(period.steps)
    ]
    lines = [Mark(_place(day, period), "new rule version" if day == marks[-1] else "") for day in marks]
    plots = (
        (name, Markup(columns_over_time(title, columns, width=width, unit=unit, marks=lines)))  # noqa: S704 - escaped there
        for name, width in _WIDTHS.items()
    )
    return Chart(_legend(drawn), tuple(plots))


def bars_chart(
    labels: Sequence[str], notes: Sequence[str], series: Sequence[Series], *, unit: str = "", whole: int = 0
) -> Chart:
    """Return one bar for each label, scaled to the whole or to the longest; the notes have the numbers."""
    drawn = _drawn(series)
    totals = [sum(item.values[at] or 0 for item in drawn) for at in range(len(labels))]
    longest = whole or max([1, *totals])
    bars = (
        Bar(label, note, tuple(_segments(drawn, at, longest, unit)))
        for at, (label, note) in enumerate(zip(labels, notes, strict=True))
    )
    return Chart(_legend(drawn), bars=tuple(bars), has_track=bool(whole))


def share_series(name: str, parts: Sequence[tuple[int, int]]) -> list[Series]:
    """Return shares in percent; those of too few are a series of their own."""

    def chosen(*, few: bool) -> tuple[float | None, ...]:
        return tuple(100 * part / whole if whole and (whole < FEW) == few else None for part, whole in parts)

    return [
        Series("share", name, chosen(few=False)),
        Series("few", f"{name}: {TOO_FEW}", chosen(few=True)),
    ]


def _drawn(series: Sequence[Series]) -> list[Series]:
    """Return the series that have a value, or the first."""
    return [item for item in series if any(item.values)] or list(series[:1])


def _legend(series: Sequence[Series]) -> tuple[tuple[str, str], ...]:
    return tuple((item.role, item.name) for item in series) if len(series) > 1 else ()


def _column_segments(series: Sequence[Series], at: int) -> tuple[ColumnSegment, ...]:
    return tuple(ColumnSegment(item.role, item.values[at] or 0) for item in series)


def _words(name: str, series: Sequence[Series], at: int, unit: str) -> str:
    values = [f"{item.name} {_value(value, unit)}" for item in series if (value := item.values[at]) is not None]
    return f"{name}: {', '.join(values) or 'none'}"


def _value(value: float, unit: str) -> str:
    return f"{value:.1f}%" if unit else f"{value:,}"


def _segments(series: Sequence[Series], at: int, longest: float, unit: str) -> "list[Segment]":
    segments, begin = [], 0.0
    for item in series:
        value = item.values[at] or 0
        if value:
            width = 100 * value / longest
            segments.append(Segment(item.role, round(begin, 2), round(width, 2), f"{item.name}: {_value(value, unit)}"))
            begin += width
    return segments


def _axis_label(begins: date, period: Period) -> str:
    """Return the month, or the first day of the week; with the year below where a period has more than one."""
    day = f"{begins:%b}" if period.by_month else f"{begins:%b} {begins.day}"
    return f"{day}\n{begins.year}" if period.first.year != period.last.year else day


def _place(day: date, period: Period) -> float:
    """Return the place of a day, counted in columns from the left."""
    begins = period.step_of(day)
    days = monthrange(begins.year, begins.month)[1] if period.by_month else _WEEK
    return period.steps.index(begins) + (day - begins).days / days

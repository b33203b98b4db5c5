"""Plots as inline SVG: columns over time, and bars beside names. They need no script and no network.

The page colors them by class: `bar` and the roles of segments, `grid`, `mark`, `slot`, `hatch`, and text by `faint`.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 760, 220, 44, 30, 10
_LINE = 16
"""Pixels of a further line of labels, or of the words at a mark."""

_ROW, _NAME, _LABEL = 26, 290, 90
_STEPS = (1, 2, 5)
_HATCHED = (
    '<defs><pattern id="hidden" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line x1="0" y1="0" x2="0" y2="6" class="hatch"/></pattern></defs>'
)


class ColumnSegment(NamedTuple):
    """One color of a stacked column: its CSS class, and its value, or None where it is hidden."""

    role: str
    value: float | None


class Column(NamedTuple):
    """One period: what stands below it, in one or two lines, what a pointer is told, and its segments from below."""

    label: str
    words: str
    segments: tuple[ColumnSegment, ...]


class Mark(NamedTuple):
    """A line between columns or within one: its place, counted in columns from the left, and its words."""

    place: float
    words: str


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _svg(width: int, height: int, title: str, content: Sequence[str]) -> str:
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{"".join(content)}</svg>'


def _tick(highest: float) -> int:
    """Return a step of the axis that divides it into five parts at most."""
    step = 1
    while True:
        for digit in _STEPS:
            if highest <= 5 * digit * step:
                return digit * step
        step *= 10


def columns_over_time(
    title: str, columns: Sequence[Column], *, width: int = _WIDTH, unit: str = "", marks: Iterable[Mark] = ()
) -> str:
    """Return stacked columns by period; a hidden value is a hatched column of no height that means anything."""
    highest = max([sum(segment.value or 0 for segment in column.segments) for column in columns], default=0) or 1
    tick = _tick(highest)
    top = tick * max(1, int(-(-highest // tick)))
    lines = max(column.label.count("\n") for column in columns) if columns else 0
    marks = list(marks)
    begin = _TOP + (_LINE if marks else 0)
    plot = _HEIGHT - _BOTTOM - _TOP
    slot = (width - _LEFT) / max(len(columns), 1)
    base = begin + plot
    content = [_HATCHED if any(segment.value is None for column in columns for segment in column.segments) else ""]
    for value in range(0, top + 1, tick):
        y = base - plot * value / top
        content.append(f'<line x1="{_LEFT}" x2="{width}" y1="{_number(y)}" y2="{_number(y)}" class="grid"/>')
        content.append(f'<text x="{_LEFT - 6}" y="{_number(y + 4)}" class="end">{value:,}{escape(unit)}</text>')
    every = -(-len(columns) // max(2, width // _LABEL))
    for number, column in enumerate(columns):
        x = _LEFT + number * slot
        content.append(_column(column, (x, slot), base, plot / top, plot))
        if number % every == 0 and x + _LABEL * 0.6 < width:
            for line, text in enumerate(column.label.split("\n")):
                content.append(f'<text x="{_number(x)}" y="{_number(base + 20 + line * _LINE)}">{escape(text)}</text>')
    for mark in marks:
        x = _LEFT + mark.place * slot
        side = "end" if x > width / 2 else "begin"
        content.append(f'<line x1="{_number(x)}" x2="{_number(x)}" y1="0" y2="{_number(base)}" class="mark"/>')
        shift = -5 if side == "end" else 5
        content.append(
            f'<text x="{_number(x + shift)}" y="{_LINE - 4}" class="{side} faint">{escape(mark.words)}</text>'
        )
    return _svg(width, round(base) + _BOTTOM + lines * _LINE, title, content)


def _column(column: Column, x_and_width: tuple[float, float], base: float, scale: float, plot: float) -> str:
    """Return the segments of a column upon each other, and, over its whole height, what a pointer is told."""
    x, slot = x_and_width
    left, width = _number(x + slot * 0.1), _number(max(slot * 0.8, 1))
    rectangles = []
    y = base
    for segment in column.segments:
        height = plot * 0.06 if segment.value is None else segment.value * scale
        y -= height
        if height:
            role = "hidden" if segment.value is None else segment.role
            size = f'y="{_number(y)}" width="{width}" height="{_number(height)}"'
            rectangles.append(f'<rect x="{left}" {size} class="{role}"/>')
    size = f'y="{_number(base - plot)}" width="{_number(slot)}" height="{_number(plot)}"'
    slot_words = f'<rect x="{_number(x)}" {size} class="slot"><title>{escape(column.words)}</title></rect>'
    return "".join((*rectangles, slot_words))


def bars_by_name(title: str, rows: Sequence[tuple[str, int | None]]) -> str:
    """Return a bar beside each name, with its count or the word hidden."""
    highest = max([count or 0 for _, count in rows], default=1) or 1
    space = _WIDTH - _NAME - _LABEL
    content = []
    for number, (name, count) in enumerate(rows):
        y = number * _ROW
        width = space * (count or 0) / highest
        label = f"{count:,}" if count is not None else "hidden"
        content.append(f'<text x="{_NAME - 10}" y="{y + 17}" class="end">{escape(name)}</text>')
        content.append(f'<rect x="{_NAME}" y="{y + 4}" width="{_number(max(width, 1))}" height="18" class="bar"/>')
        content.append(f'<text x="{_number(_NAME + max(width, 1) + 6)}" y="{y + 17}" class="value">{label}</text>')
    return _svg(_WIDTH, max(len(rows), 1) * _ROW, title, content)

"""Plots of the report as inline SVG: bars over time, and bars beside names. They need no script and no network."""

from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 760, 220, 44, 30
_ROW, _NAME, _LABEL = 26, 290, 90
_MOST_LABELS = 8
_STEPS = (1, 2, 5)
_HATCHED = (
    '<defs><pattern id="hidden" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line x1="0" y1="0" x2="0" y2="6" class="hatch"/></pattern></defs>'
)


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _svg(width: int, height: int, title: str, content: Sequence[str]) -> str:
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{"".join(content)}</svg>'


def _tick(highest: int) -> int:
    """Return a step of the axis that divides it into five parts at most."""
    step = 1
    while True:
        for digit in _STEPS:
            if highest <= 5 * digit * step:
                return digit * step
        step *= 10


def bars_over_time(title: str, rows: Sequence[tuple[str, int | None]]) -> str:
    """Return bars of counts by period; a hidden count is a hatched bar of no height that means anything."""
    tick = _tick(max([count or 0 for _, count in rows], default=1) or 1)
    top = tick * max(1, -(-max([count or 0 for _, count in rows], default=1) // tick))
    plot = _HEIGHT - _BOTTOM - 10
    slot = (_WIDTH - _LEFT) / max(len(rows), 1)
    content = [_HATCHED]
    for value in range(0, top + 1, tick):
        y = 10 + plot * (1 - value / top)
        content.append(f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{_number(y)}" y2="{_number(y)}" class="grid"/>')
        content.append(f'<text x="{_LEFT - 6}" y="{_number(y + 4)}" class="end">{value:,}</text>')
    every = -(-len(rows) // _MOST_LABELS)
    for place, (name, count) in enumerate(rows):
        x, width = _LEFT + place * slot + slot * 0.1, max(slot * 0.8, 1)
        height = plot * (count / top if count is not None else 0.06)
        kind = "bar" if count is not None else "hidden"
        words = escape(f"{name}: {f'{count:,}' if count is not None else 'hidden'}")
        content.append(
            f'<rect x="{_number(x)}" y="{_number(10 + plot - height)}" width="{_number(width)}" '
            f'height="{_number(height)}" class="{kind}"><title>{words}</title></rect>'
        )
        if place % every == 0 and x + _LABEL < _WIDTH:
            content.append(f'<text x="{_number(x)}" y="{_HEIGHT - 10}">{escape(name)}</text>')
    return _svg(_WIDTH, _HEIGHT, title, content)


def bars_by_name(title: str, rows: Sequence[tuple[str, int | None]]) -> str:
    """Return a bar beside each name, with its count or the word hidden."""
    highest = max([count or 0 for _, count in rows], default=1) or 1
    space = _WIDTH - _NAME - _LABEL
    content = []
    for place, (name, count) in enumerate(rows):
        y = place * _ROW
        width = space * (count or 0) / highest
        label = f"{count:,}" if count is not None else "hidden"
        content.append(f'<text x="{_NAME - 10}" y="{y + 17}" class="end">{escape(name)}</text>')
        content.append(f'<rect x="{_NAME}" y="{y + 4}" width="{_number(max(width, 1))}" height="18" class="bar"/>')
        content.append(f'<text x="{_number(_NAME + max(width, 1) + 6)}" y="{y + 17}" class="value">{label}</text>')
    return _svg(_WIDTH, max(len(rows), 1) * _ROW, title, content)

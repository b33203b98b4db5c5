"""plot.svg: the throughput of each subject, and the response time by the size of the chart."""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from statistics import median
from typing import Any

Row = dict[str, Any]

_WIDTH, _BAR, _TOP, _NAMES, _BARS = 960, 26, 56, 120, 330
"""Pixels: of the picture, of a bar and its gap, above both halves, and the widths of the left half."""
_LEFT, _RIGHT = 590, 880
"""Pixels: where the axes of the right half begin and end."""
_STYLE = (
    "<style>text{font:13px sans-serif;fill:#222}"
    ".head{font-weight:bold}.end{text-anchor:end}.mid{text-anchor:middle}</style>"
)
_CONNECTIONS = 8
_BARE, _OURS, _PEER = "#8a939c", "#1769aa", "#b5651d"
_APART = 14
"""Pixels between two labels, the slowest on top."""

_LINES = (("service_us", "service", _OURS), ("json_us", "json.loads", "#2f7d4f"), ("orjson_us", "orjson.loads", _BARE))


def to_svg(results: dict[str, Any]) -> str:
    """Return the results as an SVG picture, or no text where too little was measured."""
    bars, lines = _throughputs(results), _medians(results["charts"])
    if not bars and not lines:
        return ""
    height = _TOP + max(len(bars), 10) * _BAR + 48
    parts = [*_bars(bars), *(_curves(lines, height - 60) if lines else [])]
    box = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    name = "<title>Calls a second of each subject, and the time of a call by the size of the chart</title>"
    return "\n".join([box, name, _STYLE, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>"]) + "\n"


def _throughputs(results: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Return color, name and calls a second of each subject that was measured."""
    bars = []
    for subject in results["subjects"]:
        name = subject["name"]
        rows = [row for row in results["rows"] if row["subject"] == name and row.get("connections") == _CONNECTIONS]
        color = {"a": _BARE, "h": _PEER}.get(subject["letter"], _OURS)
        if rows:
            bars.append((color, name, median(row["per_second"] for row in rows)))
    return bars


def _medians(rows: Sequence[Row]) -> dict[str, list[tuple[int, float]]]:
    """Return the points of each line: entries, of which a logarithm needs one or more, and microseconds."""
    sizes = sorted({row["entries"] for row in rows} - {0})
    return {
        name: [(size, median(row[name] for row in rows if row["entries"] == size)) for size in sizes]
        for name, _, _ in _LINES
        if sizes
    }


def _bars(bars: Sequence[tuple[str, str, float]]) -> list[str]:
    if not bars:
        return []
    highest = max(value for _, _, value in bars)
    parts = [_text(16, 28, f"Calls a second, one core, {_CONNECTIONS} connections", "head")]
    for place, (color, name, value) in enumerate(bars):
        top, width = _TOP + place * _BAR, max(1.0, value / highest * _BARS)
        parts.append(f'<rect x="{_NAMES}" y="{top}" width="{width:.0f}" height="{_BAR - 8}" fill="{color}"/>')
        parts.append(_text(_NAMES - 8, top + 14, name, "end"))
        parts.append(_text(round(_NAMES + width + 6), top + 14, f"{value:,.0f}"))
    return parts


def _curves(lines: dict[str, list[tuple[int, float]]], bottom: int) -> list[str]:
    """Return a chart with logarithmic axes."""
    points = [point for line in lines.values() for point in line]
    across = _Axis([size for size, _ in points], _LEFT, _RIGHT)
    up = _Axis([time for _, time in points], bottom, _TOP)
    parts = [_text(_LEFT - 50, 28, "Time of a call, by entries in the chart", "head")]
    for power in across.powers:
        x = across.at(10.0**power)
        parts.append(f'<path d="M{x:.0f} {_TOP}V{bottom}" stroke="#ddd"/>')
        parts.append(_text(round(x), bottom + 18, f"{10**power:,}", "mid"))
    for power in up.powers:
        y = up.at(10.0**power)
        parts.append(f'<path d="M{_LEFT} {y:.0f}H{_RIGHT}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, round(y) + 4, f"{10.0**power / 1000:g} ms", "end"))
    label = -_APART
    for name, title, color in _LINES:
        path = " L".join(f"{across.at(size):.0f} {up.at(time):.0f}" for size, time in lines[name])
        parts.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2.5"/>')
        size, time = lines[name][-1]
        label = max(label + _APART, round(up.at(time)) + 4)
        parts.append(_text(round(across.at(size)) + 6, label, title))
    return parts


class _Axis:
    """A logarithmic axis from one pixel to another, which begins and ends with powers of ten."""

    def __init__(self, values: Sequence[float], first: int, last: int) -> None:
        self._low, self._high = floor(log10(min(values))), ceil(log10(max(values)))
        self._first, self._last = first, last
        self.powers = range(self._low, self._high + 1)

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (log10(value) - self._low) / (self._high - self._low or 1)
        return self._first + share * (self._last - self._first)


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(text)}</text>'

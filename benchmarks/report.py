"""The report: table.md, and plot.svg beside it."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

from benchmarks import plot
from benchmarks.goals import Outcome, Row, outcomes, spread

Results = dict[str, Any]
_KIB = 1024


def write(results: Results, folder: Path) -> str:
    """Write results.json, table.md and plot.svg to a folder, and return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = table(results)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(tables, encoding="utf-8")
    svg = plot.to_svg(results)
    if svg:
        (folder / "plot.svg").write_text(svg, encoding="utf-8")
    return tables


def table(results: Results) -> str:
    """Return all tables, as Markdown."""
    parts = [
        _about(results),
        _subjects(results["subjects"], results["rows"]),
        _goals(outcomes(results["rows"], results["memory"])),
        _charts(results["charts"]),
        _memory(results["memory"]),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _about(results: Results) -> str:
    machine = results["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return (
        "# Benchmark results\n\n"
        "Written by `python -m benchmarks`; [README.md](../README.md) describes what is measured.\n\n"
        f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, {machine['system']}, Python "
        f"{machine['python']}, {packages}. Rounds: {results['rounds']}, of {results['seconds']} s at each number of "
        "connections; each number is the median of the rounds, with the least and the most in brackets. "
        f"{_generator(results['rows'])}"
    )


def _generator(rows: Sequence[Row]) -> str:
    busiest = max((row for row in rows if "failed" not in row), key=lambda row: row["generator_busy"], default=None)
    if busiest is None:
        return ""
    return (
        f"The load generator was busy for at most {busiest['generator_busy']:.0%} of the time ({busiest['subject']})."
    )


def _subjects(subjects: Sequence[Row], rows: Sequence[Row]) -> str:
    lines = [_subject(subject, [row for row in rows if row["subject"] == subject["name"]]) for subject in subjects]
    head = (
        "",
        "subject",
        "what is called",
        "kB",
        *(f"{figure} ({connections})" for connections in (1, 8) for figure in ("p50 ms", "p99 ms", "calls/s")),
        "MiB",
        "start s",
    )
    return "## Side by side\n\n(1) and (8) are the connections.\n\n" + _markdown(head, lines) if lines else ""


def _subject(subject: Row, rows: Sequence[Row]) -> list[str]:
    first = [f"({subject['letter']})", subject["name"], subject["title"]]
    good = [row for row in rows if "failed" not in row]
    if not good:
        why = rows[0]["failed"] if rows else "was not asked for"
        return [*first, f"not measured: {' '.join(why.split())[:200]}", *[""] * 8]
    figures = [f"{good[0]['body_bytes'] / 1000:.0f}"]
    for count in (1, 8):
        at = [row for row in good if row["connections"] == count]
        figures += [_spread([row[name] / 1000 for row in at], 2) for name in ("p50", "p99")]
        figures.append(_spread([row["per_second"] for row in at], 0))
    figures.append(_spread([row["resident_kib"] / _KIB for row in good], 0))
    return [*first, *figures, _spread([row["start_seconds"] for row in good], 2)]


def _goals(goals: Sequence[Outcome]) -> str:
    lines = []
    for goal in goals:
        values = [_spread(value, 2) for value in goal.values.values()]
        values += [""] * (2 - len(values))
        lines.append([goal.title, goal.limit, *values, "met" if goal.is_met else "**missed**"])
    return "## Goals\n\n" + _markdown(("goal", "limit", "at 1 connection", "at 8", ""), lines) if lines else ""


def _charts(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    names = ("service_us", "json_us", "orjson_us")
    sizes = sorted({row["entries"] for row in rows})
    of = {name: [median(row[name] for row in rows if row["entries"] == size) for size in sizes] for name in names}
    slopes = {name: linear_regression(sizes, times) for name, times in of.items()} if len(sizes) > 1 else {}
    bytes_of = {row["entries"]: row["body_bytes"] for row in rows}
    lines = [
        [f"{size:,}", f"{bytes_of[size] / 1000:,.0f}", *(f"{of[name][at] / 1000:.3f}" for name in names)]
        for at, size in enumerate(sizes)
    ]
    fitted = ", ".join(f"{name.removesuffix('_us')} {line.slope:.2f} µs" for name, line in slopes.items())
    head = ("entries", "kB", "service ms", "json.loads ms", "orjson.loads ms")
    text = f"Each further entry costs (line fitted): {fitted}." if fitted else ""
    return "\n\n".join(["## The size of the chart", "p50 at one connection.", _markdown(head, lines), text])


def _memory(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    lines = [[f"{row['calls']:,}", f"{row['resident_kib'] / _KIB:.1f}"] for row in rows]
    return "## Memory\n\nResident memory of one worker, answering at 8 connections.\n\n" + _markdown(
        ("calls", "MiB"), lines
    )


def _spread(values: Sequence[float], digits: int) -> str:
    middle, least, most = (f"{value:,.{digits}f}" for value in spread(values))
    return middle if least == most else f"{middle} ({least}-{most})"


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    marks = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, marks, *lines))

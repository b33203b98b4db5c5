"""The goals: each a ratio within one round, so that what drifts from round to round falls out; met or missed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

Row = dict[str, Any]
Rounds = dict[str, Row]
"""The rows of one round at one number of connections, by subject."""

_SERVICE = ("unwatched", "card", "silent", "large", "fetched", "es384", "rs384")
_FLAT = 1.02
"""What the second half of the calls may make of the memory."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached: `at_least` a limit, or else at most."""

    title: str
    limit: float
    needs: tuple[str, ...]
    value: Callable[[Rounds], float]
    at_least: bool = False

    def meets(self, value: float) -> bool:
        """Tell whether a value reaches it."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a goal: median, least and most of the rounds, by what it was measured at."""

    title: str
    limit: str
    found: dict[str, tuple[float, float, float]]
    is_met: bool


def _throughput(subject: str, base: str, limit: float) -> Goal:
    title = f"throughput of {subject} / {base}"
    return Goal(title, limit, (subject, base), partial(_ratio, "per_second", subject, base), at_least=True)


def _p99(subject: str, base: str, limit: float) -> Goal:
    return Goal(f"p99 of {subject} / {base}", limit, (subject, base), partial(_ratio, "p99", subject, base))


def _token(subject: str, base: str, limit: float) -> Goal:
    title = f"time that {subject} adds to {base} / verification alone"
    return Goal(title, limit, (subject, base), partial(_added, subject, base))


def _ratio(measure: str, subject: str, base: str, rows: Rounds) -> float:
    return float(rows[subject][measure] / rows[base][measure])


def _added(subject: str, base: str, rows: Rounds) -> float:
    """Return what a token adds to the time of a call, in verifications; a busy core has one call's time for each."""
    added = 1e6 / rows[subject]["per_second"] - 1e6 / rows[base]["per_second"]
    return float(added / rows[subject]["verification_us"])


GOALS = (
    _throughput("unwatched", "bare", 0.9),
    _throughput("silent", "bare", 0.6),
    _throughput("card", "bare", 0.4),
    _throughput("large", "bare-large", 0.5),
    _p99("large", "bare-large", 3.0),
    _throughput("unwatched", "bare-gunicorn", 2.0),
    _throughput("silent", "bare-gunicorn", 2.0),
    _throughput("card", "bare-gunicorn", 1.0),
    _token("es384", "unwatched", 1.15),
    _token("rs384", "unwatched", 1.15),
)


def outcomes(rows: Sequence[Row], memory: Sequence[Row]) -> list[Outcome]:
    """Return what became of each goal that was measured; a ratio is met where it is at each number of connections."""
    return [*_ratios(rows), *_starts(rows), *_memory(memory)]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, least and most."""
    return median(values), min(values), max(values)


def _ratios(rows: Sequence[Row]) -> list[Outcome]:
    made = []
    for goal in GOALS:
        found = {
            f"{count}": spread([goal.value(one) for one in _by_round(rows, count, goal.needs)])
            for count in sorted({row["connections"] for row in rows if "connections" in row})
            if _by_round(rows, count, goal.needs)
        }
        limit = f"{'≥' if goal.at_least else '≤'} {goal.limit:g}"
        if found:
            made.append(Outcome(goal.title, limit, found, all(goal.meets(value[0]) for value in found.values())))
    return made


def _by_round(rows: Sequence[Row], connections: int, needs: tuple[str, ...]) -> list[Rounds]:
    """Return the rounds in which all that is needed was measured."""
    found: dict[int, Rounds] = {}
    for row in rows:
        if row.get("connections") == connections:
            found.setdefault(row["round"], {})[row["subject"]] = row
    return [one for one in found.values() if all(name in one for name in needs)]


def _starts(rows: Sequence[Row]) -> list[Outcome]:
    """Return the slowest of the service's subjects, by the median of its starts."""
    seconds = {
        name: [row["start_seconds"] for row in rows if row["subject"] == name and "start_seconds" in row]
        for name in _SERVICE
    }
    found = [spread(values) for values in seconds.values() if values]
    slowest = max(found, default=None)
    title = "seconds from the start to the first answer, of the slowest"
    return [Outcome(title, "< 1", {"": slowest}, slowest[0] < 1)] if slowest else []


def _memory(memory: Sequence[Row]) -> list[Outcome]:
    """Return what the second half of the calls made of the memory."""
    half = [row["resident_kib"] for row in memory if row["calls"] >= memory[-1]["calls"] / 2]
    if len(half) < 2:
        return []
    grown = half[-1] / half[0]
    title = f"memory after {memory[-1]['calls']:,} calls / after half of them"
    return [Outcome(title, f"≤ {_FLAT:g}", {"": (grown, grown, grown)}, grown <= _FLAT)]

"""The goals: each a ratio within one round, so that drift from round to round cancels out; met or missed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

Row = dict[str, Any]
Rounds = dict[str, Row]
"""The rows of one round at one number of connections, by subject."""

_SERVICE = ("unwatched", "card", "silent", "large", "fetched", "es384", "rs384")
_MAX_GROWTH = 1.02
"""The largest growth of the memory over the second half of the calls."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit on a measured value, which must be `at_least` the limit, or else at most."""

    title: str
    limit: float
    subjects: tuple[str, ...]
    value: Callable[[Rounds], float]
    at_least: bool = False
    connections: tuple[int, ...] = (1, 8)
    """The numbers of connections at which it must be met."""

    def meets(self, value: float) -> bool:
        """Return whether a value meets the limit."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a goal: median, minimum and maximum of the rounds, by the number of connections."""

    title: str
    limit: str
    values: dict[str, tuple[float, float, float]]
    is_met: bool


def _throughput(subject: str, base: str, limit: float, connections: tuple[int, ...] = (1, 8)) -> Goal:
    title = f"throughput of {subject} / {base}" + ("" if len(connections) > 1 else f" at {connections[0]} connections")
    value = partial(_ratio, "per_second", subject, base)
    return Goal(title, limit, (subject, base), value, at_least=True, connections=connections)


def _p99(subject: str, base: str, limit: float) -> Goal:
    return Goal(f"p99 of {subject} / {base}", limit, (subject, base), partial(_ratio, "p99", subject, base))


def _token(subject: str, base: str, limit: float) -> Goal:
    title = f"time that {subject} adds to {base} / verification alone"
    return Goal(title, limit, (subject, base), partial(_added, subject, base))


def _ratio(measure: str, subject: str, base: str, rows: Rounds) -> float:
    return float(rows[subject][measure] / rows[base][measure])


def _added(subject: str, base: str, rows: Rounds) -> float:
    """Return what a token adds to the time of a call, in verifications; a busy core does one call at a time."""
    added = 1e6 / rows[subject]["per_second"] - 1e6 / rows[base]["per_second"]
    return float(added / rows[subject]["verification_us"])


GOALS = (
    _throughput("unwatched", "bare", 0.9, (8,)),
    _throughput("silent", "bare", 0.5, (8,)),
    _throughput("card", "bare", 0.35, (8,)),
    _throughput("large", "bare-large", 0.5),
    _p99("large", "bare-large", 3.0),
    _throughput("unwatched", "bare-gunicorn", 2.0),
    _throughput("silent", "bare-gunicorn", 2.0),
    _throughput("card", "bare-gunicorn", 1.0),
    _token("es384", "unwatched", 1.15),
    _token("rs384", "unwatched", 1.15),
)


def outcomes(rows: Sequence[Row], memory: Sequence[Row]) -> list[Outcome]:
    """Return the outcome of each goal that was measured; it must be met at each of its numbers of connections."""
    return [*_ratios(rows), *_starts(rows), *_memory(memory)]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, minimum and maximum."""
    return median(values), min(values), max(values)


def _ratios(rows: Sequence[Row]) -> list[Outcome]:
    reached = []
    for goal in GOALS:
        values = {
            count: spread([goal.value(rows_of_round) for rows_of_round in _by_round(rows, count, goal.subjects)])
            for count in sorted({row["connections"] for row in rows if "connections" in row})
            if _by_round(rows, count, goal.subjects)
        }
        medians = [value[0] for count, value in values.items() if count in goal.connections]
        limit = f"{'≥' if goal.at_least else '≤'} {goal.limit:g}"
        if medians:
            by_connections = {f"{count}": value for count, value in values.items()}
            reached.append(Outcome(goal.title, limit, by_connections, all(map(goal.meets, medians))))
    return reached


def _by_round(rows: Sequence[Row], connections: int, subjects: tuple[str, ...]) -> list[Rounds]:
    """Return the rounds in which all these subjects were measured."""
    by_round: dict[int, Rounds] = {}
    for row in rows:
        if row.get("connections") == connections:
            by_round.setdefault(row["round"], {})[row["subject"]] = row
    return [rows_of_round for rows_of_round in by_round.values() if all(name in rows_of_round for name in subjects)]


def _starts(rows: Sequence[Row]) -> list[Outcome]:
    """Return the outcome of the slowest start of the service's subjects, by the median."""
    seconds = {
        name: [row["start_seconds"] for row in rows if row["subject"] == name and "start_seconds" in row]
        for name in _SERVICE
    }
    slowest = max((spread(values) for values in seconds.values() if values), default=None)
    title = "seconds from the start to the first answer, of the slowest"
    return [Outcome(title, "< 1", {"": slowest}, slowest[0] < 1)] if slowest else []


def _memory(memory: Sequence[Row]) -> list[Outcome]:
    """Return the outcome of the memory's growth over the second half of the calls."""
    second_half = [row["resident_kib"] for row in memory if row["calls"] >= memory[-1]["calls"] / 2]
    if len(second_half) < 2:
        return []
    growth = second_half[-1] / second_half[0]
    title = f"memory after {memory[-1]['calls']:,} calls / after half of them"
    return [Outcome(title, f"≤ {_MAX_GROWTH:g}", {"": (growth, growth, growth)}, growth <= _MAX_GROWTH)]

"""The sums of a back-test -> summary.json: every number that the report has, and none that it must not have."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from math import sqrt
from typing import Any

from cds_service import __version__
from cds_service.backtest.linked_cells import hide_linked
from cds_service.backtest.moments import Timing
from cds_service.backtest.replay import CARDS, WITHOUT
from cds_service.backtest.scan import EARLIEST, NOT_WATCHED, Plan
from cds_service.backtest.small_cells import is_small, protect, shown
from cds_service.backtest.tally import Key, Tally

_Z = 1.959964
"""Of a 95% interval."""

_SILENT = "silent"
_MONITORED = "monitored"
_HIDE_LAST = ("cards", _MONITORED)
"""What the report is about: rather a silence is hidden."""

_WEEK = timedelta(days=7)
_MOST_HIDDEN = 0.2
"""Share of the periods whose numbers may be hidden, before longer periods are shown instead."""

_UNITS: Mapping[str, Callable[[date], date]] = {
    "week": lambda week: week,
    "month": lambda week: week.replace(day=1),
    "quarter": lambda week: date(week.year, (week.month - 1) // 3 * 3 + 1, 1),
    "year": lambda week: date(week.year, 1, 1),
}
"""The first day of the period to which a week that begins on a day belongs."""


def summarize(tally: Tally, plan: Plan, files_of_other_types: Iterable[str]) -> dict[str, Any]:
    """Return the summary; None stands for a number that is hidden (see small_cells.py)."""
    summary = _Summary(tally, plan).as_json()
    hide_linked(summary, tally, plan.at_least)
    return summary | {
        "errors": _errors(tally),
        "lines": tally.total("lines"),
        "files_of_other_types": sorted(files_of_other_types),
    }


class _Summary:
    def __init__(self, tally: Tally, plan: Plan) -> None:
        self._tally, self._plan, self._at_least = tally, plan, plan.at_least
        counts = tally.counts
        self._monitored, self._cards = counts["monitored",], counts["cards",]
        results = {key[0]: count for key, count in tally.under("result").items()}
        of_monitored = {key[0]: count for key, count in tally.under("monitored_result").items()}
        not_monitored = {reason: count for reason, count in results.items() if reason not in of_monitored}
        not_monitored[NOT_WATCHED] = results.get(NOT_WATCHED, 0)
        self._orders = shown(sum(results.values()), self._at_least)
        top = self._part(self._orders, {**not_monitored, _MONITORED: self._monitored})
        if top[_MONITORED] is None and self._monitored >= self._at_least:  # rather all orders are hidden than these
            self._orders = None
            top = {reason: shown(count, self._at_least) for reason, count in not_monitored.items()}
            top[_MONITORED] = self._monitored
        self._shown_monitored = top.pop(_MONITORED)
        silent = {reason: count for reason, count in of_monitored.items() if reason not in CARDS}
        middle = self._part(self._shown_monitored, {**silent, "cards": self._cards})
        self._shown_cards = middle.pop("cards")
        self._silences = {**top, **middle}
        self._by_indicator = self._part(self._shown_cards, {name: of_monitored.get(name, 0) for name in CARDS})

    def _part(
        self, total: int | None, cells: Mapping[Any, int], caps: Mapping[Any, int | None] | None = None
    ) -> dict[Any, int | None]:
        """Return the cells of a total; where that is hidden, all of them are."""
        return dict.fromkeys(cells) if total is None else protect(cells, self._at_least, caps, _HIDE_LAST)

    def as_json(self) -> dict[str, Any]:
        """Return all numbers that are counts of orders and patients."""
        tally, plan = self._tally, self._plan
        weeks = self._weeks()
        with_history = self._part(
            self._shown_monitored,
            {True: tally.counts["with_history",], False: self._monitored - tally.counts["with_history",]},
        )
        variant = plan.variants[0]
        return {
            "version": __version__,
            "knowledge": variant.knowledge.version,
            "policy": variant.site.policy,
            "at_least": self._at_least,
            "period": {"first_week": weeks[0].isoformat(), "weeks": len(weeks)} if weeks else None,
            "orders": self._orders,
            "monitored": self._shown_monitored,
            "with_history": with_history[True],
            "cards": {"total": self._shown_cards, **self._by_indicator},
            "rates": self._rates(len(weeks)),
            "silences": dict(sorted(self._silences.items())),
            "studies": self._two_way("study", "study"),
            "weeks": self._by_period(weeks),
            "cells": self._cells(),
            "findings": self._findings(),
            "against": self._among_cards("against", "reason"),
            "recommended": {
                key[0]: count for key, count in self._part(self._shown_cards, tally.under("recommended")).items()
            },
            "as_of_excluded": self._as_of(),
            "without": self._without(),
            "left_out": {key[0]: shown(n, self._at_least) for key, n in tally.under("left_out").items()},
            "unmapped_orders": self._unmapped("order", ("recognized", "study", "system", "code", "name", "orders")),
            "unmapped_entries": self._unmapped("entry", ("resource", "system", "code", "name", "reads_as", "patients")),
            "places": self._places() if plan.by_place else None,
            "compared": self._compared() if len(plan.variants) > 1 else None,
        }

    def _weeks(self) -> list[date]:
        """Return the Mondays of the period: from the first monitored order to the last, unless it was given."""
        monitored = [date.fromisoformat(key[0]) for key in self._tally.under("week", _MONITORED)]
        if not monitored:
            return []
        first, last = min(monitored), max(monitored)
        if self._plan.first > EARLIEST:
            first = min(first, self._plan.first - timedelta(days=self._plan.first.weekday()))
        if self._plan.last < date.max:
            last = max(last, self._plan.last - timedelta(days=self._plan.last.weekday()))
        return [first + _WEEK * number for number in range((last - first) // _WEEK + 1)]

    def _rates(self, weeks: int) -> dict[str, Any] | None:
        if self._shown_cards is None or not self._shown_monitored or not weeks:
            return None
        step = max(self._at_least - 1, 1)
        by_clinician = max(self._tally.under("clinician").values(), default=0)
        return {
            "per_week": round(self._cards / weeks, 2),
            "per_week_interval": [round(bound / weeks, 2) for bound in poisson_interval(self._cards)],
            "per_thousand": round(1000 * self._cards / self._monitored, 1),
            "per_thousand_interval": [
                round(1000 * bound, 1) for bound in wilson_interval(self._cards, self._monitored)
            ],
            "most_in_a_week_to_one_clinician": -(-by_clinician // step) * step or None,  # a few are hidden here, too
        }

    def _two_way(self, table: str, name: str) -> list[dict[str, Any]]:
        """Return monitored orders and cards by the names of a table."""
        monitored = {key[0]: count for key, count in self._tally.under(table, _MONITORED).items()}
        return [
            {name: key, "monitored": orders, "cards": cards} for key, orders, cards in self._pairs(table, monitored)
        ]

    def _pairs(self, table: str, monitored: Mapping[str, int]) -> list[tuple[str, int | None, int | None]]:
        with_cards = {key: self._tally.counts[table, "cards", key] for key in monitored}
        orders = self._part(self._shown_monitored, monitored)
        cards = self._part(self._shown_cards, with_cards, orders)
        return [(key, orders[key], cards[key]) for key in monitored]

    def _by_period(self, weeks: list[date]) -> dict[str, Any]:
        """Return monitored orders and cards by the shortest periods of which most can be shown."""
        shortest: dict[str, Any] = {}
        for unit, start_of in _UNITS.items():
            sums = {kind: Counter({start_of(week).isoformat(): 0 for week in weeks}) for kind in (_MONITORED, "cards")}
            for kind, by_start in sums.items():
                for (week,), count in self._tally.under("week", kind).items():
                    by_start[start_of(date.fromisoformat(week)).isoformat()] += count
            orders = self._part(self._shown_monitored, sums[_MONITORED])
            cards = self._part(self._shown_cards, sums["cards"], orders)
            rows = [{"start": start, "monitored": orders[start], "cards": cards[start]} for start in sorted(orders)]
            hidden = sum(row["cards"] is None or row["monitored"] is None for row in rows)
            shortest = {"unit": unit, "rows": rows}
            if hidden <= _MOST_HIDDEN * len(rows):
                break
        return shortest

    def _cells(self) -> list[dict[str, Any]]:
        """Return orders by history and presentation: those with a card, and those without."""
        rows = defaultdict[Key, dict[str, int | None]](dict)
        totals = {"cards": self._shown_cards, _SILENT: None if self._shown_cards is None else self._shown_monitored}
        for kind, total in totals.items():
            for key, count in self._part(total, self._tally.under("cell", kind)).items():
                rows[key][kind] = count
        return [
            {"history": key[0], "presentation": key[1], **{kind: row.get(kind, 0) for kind in totals}}
            for key, row in sorted(rows.items())
        ]

    def _findings(self) -> list[dict[str, Any]]:
        rows = self._among_cards("finding", "kind", "finding")
        return [row for row in rows if self._is_common(("finding", row["kind"], row["finding"]))]

    def _among_cards(self, table: str, *names: str) -> list[dict[str, Any]]:
        """Return the names that hold for so many cards, and do not hold for none or so many of the others."""
        if self._shown_cards is None:
            return []
        rows = sorted(self._tally.under(table).items(), key=lambda row: (-row[1], row[0]))
        return [
            {**dict(zip(names, key, strict=True)), "cards": count}
            for key, count in rows
            if count >= self._at_least and not is_small(self._cards - count, self._at_least)
        ]

    def _is_common(self, key: Key) -> bool:
        return len(self._tally.patients[key]) >= self._at_least

    def _as_of(self) -> dict[str, int | None]:
        counts = {str(when): self._tally.counts["as_of", when] for when in Timing}
        return {name: shown(count, self._at_least) for name, count in counts.items()}

    def _without(self) -> dict[str, Any]:
        """Return the cards where entries are left out that nobody can place in time.

        A difference of a few, to a number that is shown, would tell of those few. To the cards as reported it is said
        to be that; another is hidden.
        """
        published, rows = [self._cards], dict[str, Any]()
        for name in WITHOUT:
            cards = self._tally.total("without", name)
            is_close = [is_small(abs(cards - other), self._at_least) for other in published]
            is_hidden = self._shown_cards is None or any(is_close) or is_small(cards, self._at_least)
            rows[name] = {"cards": None if is_hidden else cards, "is_about_the_same": is_close[0]}
            published += [] if is_hidden else [cards]
        return rows

    def _unmapped(self, kind: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
        table = f"unmapped_{kind}"
        rows = sorted(self._tally.under(table).items(), key=lambda row: (-row[1], row[0]))
        return [dict(zip(columns, (*key, count), strict=True)) for key, count in rows if self._is_common((table, *key))]

    def _places(self) -> list[dict[str, Any]]:
        """Return clinicians and places with so many monitored orders, and cards where those are not few."""
        rows = []
        for key, count in self._tally.under("place", _MONITORED).items():
            cards = self._tally.counts["place", "cards", *key]
            is_hidden = is_small(cards, self._at_least) or is_small(count - cards, self._at_least)
            if count >= self._at_least:
                names = dict(zip(("role", "reference", "name"), key, strict=True))
                rows.append({**names, "monitored": count, "cards": None if is_hidden else cards})
        return rows

    def _compared(self) -> dict[str, Any]:
        """Return the cards that the other variant adds and loses, by the results of both."""
        changed: dict[str, Counter[Key]] = {"gained": Counter(), "lost": Counter(), "changed": Counter()}
        still_shown = 0
        for key, count in self._tally.under("compared").items():
            before, after = (result in CARDS for result in key)
            if before and after:
                still_shown += count
            if key[0] != key[1]:
                changed["changed" if before == after else "gained" if after else "lost"][key] += count
        sums = {name: sum(rows.values()) for name, rows in changed.items()}
        parts = self._part(self._shown_cards, {"kept": still_shown, "lost": sums["lost"]})
        gained = shown(sums["gained"], self._at_least)
        is_known = gained is not None and parts["kept"] is not None
        totals = {"gained": gained, "lost": parts["lost"], "changed": shown(sums["changed"], self._at_least)}
        return {
            "knowledge": self._plan.variants[1].knowledge.version,
            "policy": self._plan.variants[1].site.policy,
            "cards": still_shown + sums["gained"] if is_known else None,
            **totals,
            "rows": [
                {"what": name, "before": key[0], "after": key[1], "orders": count}
                for name, rows in changed.items()
                for key, count in sorted(self._part(totals[name], rows).items())
            ],
        }


def _errors(tally: Tally) -> list[dict[str, Any]]:
    """Return how many lines of each file could not be used and why, with the first such line of the file."""
    lines_before = _lines_before(tally)
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], int] = {}
    for (file, start, kind), count in tally.under("error").items():
        line = lines_before[file, int(start)] + tally.first_lines[file, start, kind]
        counts[file, kind] += count
        first[file, kind] = min(line, first.get((file, kind), line))
    return [
        {"file": file, "kind": kind, "lines": count, "first_line": first[file, kind]}
        for (file, kind), count in sorted(counts.items())
    ]


def _lines_before(tally: Tally) -> dict[tuple[str, int], int]:
    """Return how many lines of its file are before each chunk."""
    before: dict[tuple[str, int], int] = {}
    by_file: Counter[str] = Counter()
    chunks = sorted((file, int(start), count) for (file, start), count in tally.under("lines").items())
    for file, start, count in chunks:
        before[file, start] = by_file[file]
        by_file[file] += count
    return before


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927)."""
    share, squared = successes / trials, _Z**2 / trials
    middle = (share + squared / 2) / (1 + squared)
    half = _Z / (1 + squared) * sqrt(share * (1 - share) / trials + squared / trials / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the 95% interval of a Poisson count, by Byar's approximation."""
    low = count * (1 - 1 / (9 * count) - _Z / (3 * sqrt(count))) ** 3 if count else 0.0
    high = (count + 1) * (1 - 1 / (9 * (count + 1)) + _Z / (3 * sqrt(count + 1))) ** 3
    return max(0.0, low), high

"""Numbers that stand in several tables: what one table hides must not follow from another.

Each table protects its own total (small_cells.py). Here all numbers of a summary and the sums between them are one
system, in which as many more are hidden as it takes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cds_service.backtest.replay import CARDS, Joint
from cds_service.backtest.tally import Tally
from cds_service.model import History

Name = tuple[str, ...]
"""Of a number: its table, and what it counts."""

_MOST_ROUNDS = 200
_PRIME = (1 << 61) - 1


class Sum(NamedTuple):
    """What any reader can add up: the parts make the whole."""

    whole: Name
    parts: Sequence[Name]


class Linked:
    """The numbers of a report: what each is, which are published, and which sums hold between them."""

    def __init__(self, at_least: int) -> None:
        self._at_least = at_least
        self.counts: dict[Name, int] = {}
        self.published: set[Name] = set()
        self._in_a_table: set[Name] = set()
        self._kept: set[Name] = set()
        self._protected: set[Name] = set()
        self._sums: list[Sum] = []
        self._sums_with: dict[Name, list[Sum]] = {}

    def publish(self, name: Name, count: int, shown: int | None, *, keep: bool = False) -> None:
        """Add a number of the report, None where it is hidden already; with `keep` it is never hidden here."""
        self.counts[name] = count
        self._in_a_table.add(name)
        self._protected.add(name)
        if shown is not None:
            self.published.add(name)
        if keep:
            self._kept.add(name)

    def add(self, name: Name, count: int, *, protect: bool = False) -> None:
        """Add a number that no table has; with `protect` no sum may tell it either, if it is small."""
        self.counts[name] = count
        if protect:
            self._protected.add(name)

    def link(self, whole: Name, parts: Iterable[Name]) -> None:
        """State that these numbers make another, if they do."""
        link = Sum(whole, tuple(parts))
        if sum(self.counts[part] for part in link.parts) == self.counts[whole]:
            self._sums.append(link)
            for name in (whole, *link.parts):
                self._sums_with.setdefault(name, []).append(link)

    def to_hide(self) -> set[Name]:
        """Return which published numbers have to be hidden as well."""
        hidden = set[Name]()
        while exposed := self._exposed():
            more = set(filter(None, (self._to_hide_for(name) for name in exposed)))
            if not more:
                break
            self.published -= more
            hidden |= more
        return hidden

    def _exposed(self) -> list[Name]:
        """Return the small numbers that are not published, and yet have too few possible values."""
        small = self._protected - self.published
        small = {name for name in small if 0 < self.counts[name] < self._at_least}
        low, high = self._bounds()
        exposed = [name for name in small if high[name] - low[name] + 1 < self._at_least - 1]
        return exposed or sorted(small & self._determined(low, high))

    def _bounds(self) -> tuple[Mapping[Name, int], Mapping[Name, int]]:
        """Return the least and the most that each number can be, by all that is published and all sums."""
        most = max(self.counts.values(), default=0) * 2
        hidden = self._in_a_table - self.published
        without_zeros = {name[0] for name in self._in_a_table} - {name[0] for name in hidden if not self.counts[name]}
        low, high = dict[Name, int](), dict[Name, int]()
        for name, count in self.counts.items():
            is_known = name in self.published or not (count or name in hidden)
            low[name] = count if is_known else int(name in hidden and name[0] in without_zeros)
            high[name] = count if is_known else most
        for _ in range(_MOST_ROUNDS):
            if True not in [_narrow(link, low, high) for link in self._sums]:
                break
        return low, high

    def _determined(self, low: Mapping[Name, int], high: Mapping[Name, int]) -> set[Name]:
        """Return the numbers for which the sums have one solution (Gauss-Jordan elimination, modulo a prime)."""
        solved: dict[Name, dict[Name, int]] = {}
        rows_with: defaultdict[Name, set[Name]] = defaultdict(set)
        for link in self._sums:
            row: Counter[Name] = Counter(name for name in link.parts if low[name] < high[name])
            if low[link.whole] < high[link.whole]:
                row[link.whole] -= 1
            left = {name: factor % _PRIME for name, factor in row.items() if factor}
            for name in [name for name in left if name in solved]:
                _subtract(left, solved[name], left[name])
            if not left:
                continue
            pivot = next(iter(left))
            inverse = pow(left[pivot], -1, _PRIME)
            left = {name: factor * inverse % _PRIME for name, factor in left.items()}
            for other in list(rows_with[pivot]):
                if factor := solved[other].get(pivot):
                    _subtract(solved[other], left, factor)
                    for name in left:
                        rows_with[name].add(other)
            solved[pivot] = left
            for name in left:
                rows_with[name].add(pivot)
        return {pivot for pivot, row in solved.items() if len(row) == 1}

    def _to_hide_for(self, exposed: Name) -> Name | None:
        """Return the smallest published number that is nearest to an exposed one by the sums, if there is one."""
        seen, edge = {exposed}, {exposed}
        while edge:
            near = {
                part for name in edge for link in self._sums_with.get(name, ()) for part in (link.whole, *link.parts)
            }
            free = [name for name in near if name in self.published and self.counts[name] and name not in self._kept]
            if free:
                return min(free, key=lambda name: (self.counts[name], str(name)))
            edge = {name for name in near - seen if name not in self.published}
            seen |= near
        return None


def _subtract(row: dict[Name, int], other: Mapping[Name, int], times: int) -> None:
    """Subtract a multiple of another row from a row, both without zeros."""
    for name, factor in other.items():
        left = (row.get(name, 0) - times * factor) % _PRIME
        if left:
            row[name] = left
        else:
            row.pop(name, None)


def hide_linked(summary: dict[str, Any], tally: Tally, at_least: int) -> None:
    """Hide in a summary what sums over several of its tables would tell."""
    system = _Tables(summary, tally, at_least)
    for name in system.linked.to_hide():
        system.hide(name)
    for table in ("against", "unmapped_orders"):  # they have no row for what is hidden
        summary[table] = [row for row in summary[table] if None not in row.values()]


class _Tables:
    """The numbers of a summary, where each stands, and the sums between them."""

    def __init__(self, summary: dict[str, Any], tally: Tally, at_least: int) -> None:
        self.linked = Linked(at_least)
        self._summary, self._tally = summary, tally
        self._stands: dict[Name, tuple[dict[str, Any], str]] = {}
        self._joint = {Joint(*key): count for key, count in tally.under("joint").items()}
        for key, count in self._joint.items():
            self.linked.add(("joint", *key), count)
        self._results()
        self._tables()
        self._periods()
        self._unmapped()
        self._places()
        if summary["compared"]:
            self._compared()

    def hide(self, name: Name) -> None:
        """Hide a number where it stands."""
        row, column = self._stands[name]
        row[column] = None

    def _number(self, name: Name, count: int, row: dict[str, Any], column: str, *, keep: bool = False) -> None:
        self.linked.publish(name, count, row[column], keep=keep)
        self._stands[name] = (row, column)

    def _rest(self, whole: Name, parts: Iterable[Name], *, protect: bool = True) -> None:
        """Link numbers to their whole, with what is left of it."""
        parts = tuple(parts)
        left = self.linked.counts[whole] - sum(self.linked.counts[part] for part in parts)
        if left >= 0:
            rest = ("rest", *whole, str(parts))
            self.linked.add(rest, left, protect=protect)
            self.linked.link(whole, (*parts, rest))

    def _those(self, **values: str) -> Iterator[Name]:
        """Yield the joint counts with these values."""
        for key in self._joint:
            if all(getattr(key, column) == value for column, value in values.items()):
                yield ("joint", *key)

    def _results(self) -> None:
        summary, counts = self._summary, self._tally.counts
        results = {key[0]: count for key, count in self._tally.under("result").items()}
        of_monitored = {key[0]: count for key, count in self._tally.under("monitored_result").items()}
        self._number(_ORDERS, sum(results.values()), summary, "orders", keep=True)
        self._number(_MONITORED, counts["monitored",], summary, "monitored", keep=True)
        self._number(_CARDS, counts["cards",], summary["cards"], "total", keep=True)
        for rows in (summary["silences"], summary["cards"]):
            for reason in rows.keys() - {"total"}:
                count = of_monitored.get(reason, results.get(reason, 0))
                self._number(("result", reason), count, rows, reason)
                if reason in of_monitored:
                    self.linked.link(("result", reason), self._those(result=reason))
        silences = [("result", reason) for reason in summary["silences"]]
        not_monitored = [name for name in silences if name[1] not in of_monitored]
        self.linked.link(_ORDERS, (_MONITORED, *not_monitored))
        self.linked.link(_MONITORED, (_CARDS, *(name for name in silences if name not in not_monitored)))
        self.linked.link(_CARDS, [("result", card) for card in CARDS])
        self._number(_WITH_HISTORY, counts["with_history",], summary, "with_history")
        self._rest(_MONITORED, [_WITH_HISTORY])
        self.linked.link(_MONITORED, [("joint", *key) for key in self._joint])
        self.linked.link(_CARDS, [("joint", *key) for key in self._joint if key.result in CARDS])
        with_history = [key for key in self._joint if key.history not in ("", History.NONE)]
        self.linked.link(_WITH_HISTORY, [("joint", *key) for key in with_history])

    def _tables(self) -> None:
        cards = [key for key in self._joint if key.result in CARDS]
        for row in self._summary["cells"]:
            cell = {"history": row["history"], "presentation": row["presentation"]}
            for column in ("cards", "silent"):
                name = (f"cell {column}", *cell.values())
                self._number(name, self._tally.counts["cell", column, *cell.values()], row, column)
                is_card = column == "cards"
                self.linked.link(name, [one for one in self._those(**cell) if (one[2] in CARDS) == is_card])
        for reason in self._summary["recommended"]:
            name = ("recommended", reason)
            self._number(name, self._tally.counts[name], self._summary["recommended"], reason)
            self.linked.link(name, self._those(recommended=reason))
        for row in self._summary["against"]:
            name = ("against", row["reason"])
            self._number(name, self._tally.counts[name], row, "cards")
            self.linked.link(name, [("joint", *key) for key in cards if row["reason"] in key.against.split()])
            self._rest(_CARDS, [name])
        for row in self._summary["studies"]:
            study = row["study"]
            self._pair(("study", study), row, [self._tally.counts["study", kind, study] for kind in _KINDS])
            self.linked.link(("study monitored", study), self._those(study=study))
            self.linked.link(("study cards", study), [one for one in self._those(study=study) if one[2] in CARDS])
        self._whole("study", [row["study"] for row in self._summary["studies"]])

    def _pair(self, name: Name, row: dict[str, Any], counts: Sequence[int]) -> None:
        """Add the monitored orders and the cards of a row."""
        table, *key = name
        names = [(f"{table} {kind}", *key) for kind in _KINDS]
        for kind, one, count in zip(_KINDS, names, counts, strict=True):
            self._number(one, count, row, kind)
        self._rest(names[0], names[1:])

    def _whole(self, table: str, keys: Sequence[str]) -> None:
        """Link the rows of a table to all monitored orders and all cards."""
        for kind, whole in zip(_KINDS, (_MONITORED, _CARDS), strict=True):
            self._rest(whole, [(f"{table} {kind}", key) for key in keys])

    def _periods(self) -> None:
        starts = [row["start"] for row in self._summary["weeks"]["rows"]]
        sums: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
        for kind, by_start in sums.items():
            for (week,), count in self._tally.under("week", kind).items():
                by_start[max(start for start in starts if start <= week)] += count
        for row in self._summary["weeks"]["rows"]:
            self._pair(("period", row["start"]), row, [sums[kind][row["start"]] for kind in _KINDS])
        self._whole("period", starts)

    def _unmapped(self) -> None:
        by_whole: defaultdict[Name, list[Name]] = defaultdict(list)
        for row in self._summary["unmapped_orders"]:
            name = ("unmapped", *[row[column] for column in ("recognized", "study", "system", "code", "name")])
            self._number(name, row["orders"], row, "orders")
            whole: Name = ("study monitored", row["study"]) if row["study"] else ("result", "nothing_watched")
            if whole in self.linked.counts:
                by_whole[whole].append(name)
        for whole, names in by_whole.items():
            self._rest(whole, names)
            for name in names if len(names) > 1 else ():
                self._rest(whole, [name])

    def _places(self) -> None:
        names = defaultdict[str, list[str]](list)
        for row in self._summary["places"] or ():
            key = (row["role"], row["reference"], row["name"])
            counts = [self._tally.counts["place", kind, *key] for kind in _KINDS]
            table, place = f"place {row['role']}", str(key)
            self._pair((table, place), row, counts)
            names[table].append(place)
        for table, listed in names.items():
            self._whole(table, listed)

    def _compared(self) -> None:
        compared, counts = self._summary["compared"], self._tally.under("compared")
        by_what, by_before = defaultdict[str, list[Name]](list), defaultdict[str, list[Name]](list)
        for row in compared["rows"]:
            name = ("compared", row["before"], row["after"])
            self._number(name, counts[row["before"], row["after"]], row, "orders")
            by_what[row["what"]].append(name)
            by_before[row["before"]].append(name)
        for what in ("gained", "lost", "changed"):
            total = sum(self.linked.counts[name] for name in by_what[what])
            self._number(("changes", what), total, compared, what)
            self.linked.link(("changes", what), by_what[what])
        for before, names in by_before.items():
            if ("result", before) in self.linked.counts:
                same = ("same", before)
                self.linked.add(same, counts.get((before, before), 0), protect=True)
                self._rest(("result", before), (same, *names), protect=False)
        kept = ("kept",)
        self.linked.add(kept, sum(n for key, n in counts.items() if key[0] in CARDS and key[1] in CARDS), protect=True)
        self._rest(_CARDS, [kept, ("changes", "lost")], protect=False)
        others = ("changes", "cards")
        self._number(others, self.linked.counts[kept] + self.linked.counts["changes", "gained"], compared, "cards")
        self.linked.link(others, [kept, ("changes", "gained")])


_KINDS = ("monitored", "cards")
_ORDERS, _MONITORED, _CARDS, _WITH_HISTORY = (
    ("all", "orders"),
    ("all", "monitored"),
    ("all", "cards"),
    ("history", "any"),
)


def _narrow(link: Sum, low: dict[Name, int], high: dict[Name, int]) -> bool:
    """Narrow the bounds of a sum's numbers by each other; returns whether any changed."""
    lows, highs = sum(low[part] for part in link.parts), sum(high[part] for part in link.parts)
    least, most = max(low[link.whole], lows), min(high[link.whole], highs)
    has_changed = (least, most) != (low[link.whole], high[link.whole])
    low[link.whole], high[link.whole] = least, most
    for part in link.parts:
        new_high, new_low = min(high[part], most - (lows - low[part])), max(low[part], least - (highs - high[part]))
        if (new_low, new_high) != (low[part], high[part]):
            has_changed = True
            lows, highs = lows + new_low - low[part], highs + new_high - high[part]
            low[part], high[part] = new_low, new_high
    return has_changed

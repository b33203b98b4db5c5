"""Which rows a figure or an export is about: those of a period, and perhaps of one service, client or version."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Table

NARROWED_BY = ("service", "client", "knowledge")

PLAYGROUND, UNNAMED = "playground", "unnamed"
"""Choices of a client that no client can be called, as an issuer is a URI: our own page, and whoever has no name."""

_LONG = 2 * 366
"""Days; a longer period is told by month, as its weeks are too many to be seen."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included; an empty text narrows nothing, but leaves the playground out."""

    first: date
    last: date
    service: str = ""
    client: str = ""
    knowledge: str = ""

    def of(self, table: "Table", day: "Column[date] | None" = None) -> "ColumnElement[bool]":
        """Return what a row of the period fulfills; a table without a column is not narrowed by it."""
        when = table.c.day if day is None else day
        wanted = {name: getattr(self, name) for name in ("service", "knowledge") if name in table.c}
        narrowed = [table.c[name] == value for name, value in wanted.items() if value]
        return reduce(and_, narrowed, when.between(self.first, self.last) & self._of_clients(table.c.client))

    def _of_clients(self, client: "Column[str]") -> "ColumnElement[bool]":
        if not self.client:
            return client != PLAYGROUND
        return client == ("" if self.client == UNNAMED else self.client)

    @property
    def by_month(self) -> bool:
        """Tell whether the period is told by month, and not by week."""
        return (self.last - self.first).days > _LONG

    def step_of(self, day: date) -> date:
        """Return the first day of the ISO week of a day, or of its month where the period is long."""
        return day.replace(day=1) if self.by_month else monday_of(day)

    @property
    def steps(self) -> list[date]:
        """Return the first day of each week, or month, that the period touches."""
        days = map(date.fromordinal, range(self.first.toordinal(), self.last.toordinal() + 1))
        return list(dict.fromkeys(map(self.step_of, days)))


def monday_of(day: date) -> date:
    """Return the first day of the ISO week."""
    return day - timedelta(days=day.weekday())

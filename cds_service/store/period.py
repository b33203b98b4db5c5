"""The rows that a figure or an export covers: those of a period, filtered by service, client or knowledge version."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Table

FILTERS = ("service", "client", "knowledge")

PLAYGROUND, UNNAMED = "playground", "unnamed"
"""Filter values for the playground and for clients without a name; no issuer has them, as an issuer is a URI."""

_LONG = 2 * 366
"""Days; a longer period is shown by month, as its weeks are too many to read."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included; an empty text does not filter, but excludes the playground."""

    first: date
    last: date
    service: str = ""
    client: str = ""
    knowledge: str = ""

    def where(self, table: "Table", day: "Column[date] | None" = None) -> "ColumnElement[bool]":
        """Return the WHERE condition for a table's rows; a filter whose column the table lacks does not apply."""
        day = table.c.day if day is None else day
        values = {name: getattr(self, name) for name in ("service", "knowledge") if name in table.c}
        filters = [table.c[name] == value for name, value in values.items() if value]
        return reduce(and_, filters, day.between(self.first, self.last) & self._client_condition(table.c.client))

    def _client_condition(self, client: "Column[str]") -> "ColumnElement[bool]":
        if not self.client:
            return client != PLAYGROUND
        return client == ("" if self.client == UNNAMED else self.client)

    @property
    def days(self) -> int:
        """Return the number of its days."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """Return the period of as many days that ends on the day before this one."""
        first = date.fromordinal(max(1, self.first.toordinal() - self.days))
        return replace(self, first=first, last=max(first, self.first - timedelta(days=1)))

    @property
    def by_month(self) -> bool:
        """Return whether the period is shown by month, and not by week."""
        return (self.last - self.first).days > _LONG

    def step_of(self, day: date) -> date:
        """Return the first day of a day's ISO week, or of its month where the period is shown by month."""
        return day.replace(day=1) if self.by_month else monday_of(day)

    @property
    def steps(self) -> list[date]:
        """Return the first day of each week, or month, that overlaps the period."""
        days = map(date.fromordinal, range(self.first.toordinal(), self.last.toordinal() + 1))
        return list(dict.fromkeys(map(self.step_of, days)))


def monday_of(day: date) -> date:
    """Return the first day of the ISO week."""
    return day - timedelta(days=day.weekday())

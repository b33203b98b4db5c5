"""Which rows a figure or an export is about: a period, and each of its cards with what became of it."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Column, ColumnElement, FromClause, Subquery, Table, and_, or_, select

from cds_service.store.tables import CARDS, FEEDBACK

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

    def of(self, table: Table, day: Column[date] | None = None) -> ColumnElement[bool]:
        """Return what a row of the period fulfills; a table without a column is not narrowed by it."""
        when = table.c.day if day is None else day
        wanted = {name: getattr(self, name) for name in ("service", "knowledge") if name in table.c}
        narrowed = [table.c[name] == value for name, value in wanted.items() if value]
        return and_(when.between(self.first, self.last), self._of_clients(table.c.client), *narrowed)

    def _of_clients(self, client: Column[str]) -> ColumnElement[bool]:
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


def is_on(reports: FromClause, cards: FromClause) -> ColumnElement[bool]:
    """Return whether a report is on a card: by its client alone, unless the card was shown to one without a name."""
    by_its_client = or_(cards.c.client == "", cards.c.client == reports.c.client)
    return and_(reports.c.card == cards.c.uuid, by_its_client)


def judged_cards(period: Period) -> Subquery:
    """Return a query for each card of the period once, with its latest report: the one that happened last."""
    reports = FEEDBACK.alias("reports")
    latest = (
        select(reports.c.id)
        .where(is_on(reports, CARDS), reports.c.outcome.in_(("accepted", "overridden")))
        .order_by(reports.c.happened_at.desc(), reports.c.received_at.desc(), reports.c.id.desc())
        .limit(1)
        .correlate(CARDS)
        .scalar_subquery()
    )
    said = (FEEDBACK.c.id.label("report"), FEEDBACK.c.outcome, FEEDBACK.c.reason, FEEDBACK.c.happened_at)
    judged = CARDS.outerjoin(FEEDBACK, FEEDBACK.c.id == latest)
    return select(CARDS, *said).select_from(judged).where(period.of(CARDS)).subquery("judged")

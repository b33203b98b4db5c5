"""Which rows a figure or an export is about: a period, and each of its cards with what became of it."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Column, ColumnElement, Subquery, Table, and_, select

from cds_service.store.tables import CARDS, FEEDBACK

NARROWED_BY = ("service", "client", "knowledge")


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included; an empty text narrows nothing."""

    first: date
    last: date
    service: str = ""
    client: str = ""
    knowledge: str = ""

    def of(self, table: Table, day: Column[date] | None = None) -> ColumnElement[bool]:
        """Return what a row of the period fulfills; a table without a column is not narrowed by it."""
        when = table.c.day if day is None else day
        wanted = {name: getattr(self, name) for name in NARROWED_BY if name in table.c and getattr(self, name)}
        return and_(when.between(self.first, self.last), *(table.c[name] == value for name, value in wanted.items()))

    @property
    def mondays(self) -> list[date]:
        """Return the Monday of each ISO week that the period touches."""
        days = range(monday_of(self.first).toordinal(), self.last.toordinal() + 1, 7)
        return [date.fromordinal(day) for day in days]


def monday_of(day: date) -> date:
    """Return the first day of the ISO week."""
    return day - timedelta(days=day.weekday())


def judged_cards(period: Period) -> Subquery:
    """Return a query for each card of the period once, with its latest report: the one that happened last."""
    reports = FEEDBACK.alias("reports")
    latest = (
        select(reports.c.id)
        .where(reports.c.card == CARDS.c.uuid, reports.c.outcome.in_(("accepted", "overridden")))
        .order_by(reports.c.happened_at.desc(), reports.c.received_at.desc(), reports.c.id.desc())
        .limit(1)
        .correlate(CARDS)
        .scalar_subquery()
    )
    said = (FEEDBACK.c.id.label("report"), FEEDBACK.c.outcome, FEEDBACK.c.reason, FEEDBACK.c.happened_at)
    judged = CARDS.outerjoin(FEEDBACK, FEEDBACK.c.id == latest)
    return select(CARDS, *said).select_from(judged).where(period.of(CARDS)).subquery("judged")

"""What became of the cards of a period: each with the report that counts."""

from sqlalchemy import ColumnElement, FromClause, Subquery, and_, or_, select

from cds_service.store.period import Period
from cds_service.store.tables import CARDS, FEEDBACK


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

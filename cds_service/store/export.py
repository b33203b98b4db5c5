"""The cards, the reports and the counts of a period as rows, for whoever evaluates them elsewhere."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Label, ScalarSelect, Select, func, select

from cds_service.store.period import Period
from cds_service.store.statistics import is_on, judged_cards
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED

Value = str | int | bool | date | datetime | list[str] | None
Row = dict[str, Value]

_AT_ONCE = 1000
_LISTS = ("suggestions", "accepted_suggestions")


def columns(what: str) -> list[str]:
    """Return the names of the columns of `cards`, `feedback`, `decisions`, `unrecognized` or `comments`."""
    return list(_QUERIES[what](Period(date.min, date.max)).selected_columns.keys())


def rows(connection: Connection, what: str, period: Period) -> Iterator[Row]:
    """Yield such rows of a period, oldest first, not all in memory at once."""
    found = connection.execution_options(yield_per=_AT_ONCE).execute(_QUERIES[what](period))
    for row in found.mappings():
        yield {name: _listed(value) if name in _LISTS else value for name, value in row.items()}


def _cards(period: Period) -> Select[Any]:
    """Each card once: what it was about, what it suggested, and what became of it."""
    cards = judged_cards(period)
    names = ("shown_at", "day", "service", "client", "knowledge", "study", "indicator", "history", "presentation")
    theirs = select(_kinds()).where(SUGGESTIONS.c.card == cards.c.uuid)
    return select(
        cards.c.uuid.label("card"),
        *(cards.c[name] for name in names),
        cards.c.incomplete,
        theirs.scalar_subquery().label("suggestions"),
        theirs.where(SUGGESTIONS.c.recommended).scalar_subquery().label("recommended"),
        func.coalesce(cards.c.outcome, "no report").label("outcome"),
        cards.c.happened_at.label("outcome_at"),
        _accepted(cards.c.report, cards.c.uuid).label("accepted_suggestions"),
        cards.c.reason.label("override_reason"),
    ).order_by(cards.c.shown_at, cards.c.uuid)


def _feedback(period: Period) -> Select[Any]:
    """Each report once, those on cards that the store does not have among them."""
    names = ("received_at", "happened_at", "card", "service", "client", "outcome")
    query = select(
        *(FEEDBACK.c[name] for name in names),
        CARDS.c.uuid.is_not(None).label("known"),
        CARDS.c.knowledge,
        _accepted(FEEDBACK.c.id, FEEDBACK.c.card).label("accepted_suggestions"),
        FEEDBACK.c.reason.label("override_reason"),
    ).outerjoin(CARDS, is_on(FEEDBACK, CARDS))
    if period.knowledge:
        query = query.where(CARDS.c.knowledge == period.knowledge)
    received = period.of(FEEDBACK, FEEDBACK.c.received_day)
    return query.where(received).order_by(FEEDBACK.c.received_at, FEEDBACK.c.id)


def _comments(period: Period) -> Select[Any]:
    """Each report with a comment, where the site keeps these: patient data, so it is never sent over HTTP."""
    return _feedback(period).add_columns(FEEDBACK.c.comment).where(FEEDBACK.c.comment.is_not(None))


def _decisions(period: Period) -> Select[Any]:
    """Each count as it is kept."""
    return select(DECISIONS).where(period.of(DECISIONS)).order_by(*DECISIONS.primary_key.columns)


def _unrecognized(period: Period) -> Select[Any]:
    """Each count as it is kept."""
    return select(UNRECOGNIZED).where(period.of(UNRECOGNIZED)).order_by(*UNRECOGNIZED.primary_key.columns)


_QUERIES = {
    "cards": _cards,
    "feedback": _feedback,
    "decisions": _decisions,
    "unrecognized": _unrecognized,
    "comments": _comments,
}


def _accepted(report: Any, card: Any) -> ScalarSelect[Any]:
    """Return a query for the kinds of a card's suggestions that a report says were accepted."""
    named = select(_kinds()).join(ACCEPTED, ACCEPTED.c.suggestion == SUGGESTIONS.c.uuid)
    return named.where(ACCEPTED.c.feedback == report, SUGGESTIONS.c.card == card).scalar_subquery()


def _kinds() -> Label[str]:
    return func.aggregate_strings(SUGGESTIONS.c.kind, " ").label("kinds")


def _listed(value: str | None) -> list[str]:
    return sorted((value or "").split())

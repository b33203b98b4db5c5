"""Export of a period: cards, feedback reports and counts as rows, for evaluation elsewhere."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Label, ScalarSelect, Select, func, select

from cds_service.store.period import Period
from cds_service.store.statistics import cards_with_outcome, report_matches_card
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED

Value = str | int | bool | date | datetime | list[str] | None
Row = dict[str, Value]

_FETCH_SIZE = 1000
_LIST_COLUMNS = ("suggestions", "accepted_suggestions")


def columns(dataset: str) -> list[str]:
    """Return the column names of `cards`, `feedback`, `decisions`, `unrecognized` or `comments`."""
    return list(_QUERIES[dataset](Period(date.min, date.max)).selected_columns.keys())


def rows(connection: Connection, dataset: str, period: Period) -> Iterator[Row]:
    """Yield the rows of such an export for a period, oldest first, streamed in parts of 1,000."""
    result = connection.execution_options(yield_per=_FETCH_SIZE).execute(_QUERIES[dataset](period))
    for row in result.mappings():
        yield {name: _split_list(value) if name in _LIST_COLUMNS else value for name, value in row.items()}


def _cards(period: Period) -> Select[Any]:
    """One row per card: its subject, its suggestions, and its outcome."""
    cards = cards_with_outcome(period)
    names = ("shown_at", "day", "service", "client", "knowledge", "study", "indicator", "history", "presentation")
    suggestions = select(_kinds()).where(SUGGESTIONS.c.card == cards.c.uuid)
    return select(
        cards.c.uuid.label("card"),
        *(cards.c[name] for name in names),
        cards.c.incomplete,
        suggestions.scalar_subquery().label("suggestions"),
        suggestions.where(SUGGESTIONS.c.recommended).scalar_subquery().label("recommended"),
        func.coalesce(cards.c.outcome, "no report").label("outcome"),
        cards.c.happened_at.label("outcome_at"),
        _accepted(cards.c.report, cards.c.uuid).label("accepted_suggestions"),
        cards.c.reason.label("override_reason"),
        cards.c.order_hash,
    ).order_by(cards.c.shown_at, cards.c.uuid)


def _feedback(period: Period) -> Select[Any]:
    """One row per report, those that match no card included."""
    names = ("received_at", "happened_at", "card", "service", "client", "outcome")
    query = select(
        *(FEEDBACK.c[name] for name in names),
        CARDS.c.uuid.is_not(None).label("known"),
        CARDS.c.knowledge,
        _accepted(FEEDBACK.c.id, FEEDBACK.c.card).label("accepted_suggestions"),
        FEEDBACK.c.reason.label("override_reason"),
    ).outerjoin(CARDS, report_matches_card(FEEDBACK, CARDS))
    if period.knowledge:
        query = query.where(CARDS.c.knowledge == period.knowledge)
    received = period.where(FEEDBACK, FEEDBACK.c.received_day)
    return query.where(received).order_by(FEEDBACK.c.received_at, FEEDBACK.c.id)


def _comments(period: Period) -> Select[Any]:
    """One row per report with a comment, where the site stores them: patient data, so never sent over HTTP."""
    return _feedback(period).add_columns(FEEDBACK.c.comment).where(FEEDBACK.c.comment.is_not(None))


def _decisions(period: Period) -> Select[Any]:
    """One row per stored count."""
    return select(DECISIONS).where(period.where(DECISIONS)).order_by(*DECISIONS.primary_key.columns)


def _unrecognized(period: Period) -> Select[Any]:
    """One row per stored count."""
    return select(UNRECOGNIZED).where(period.where(UNRECOGNIZED)).order_by(*UNRECOGNIZED.primary_key.columns)


_QUERIES = {
    "cards": _cards,
    "feedback": _feedback,
    "decisions": _decisions,
    "unrecognized": _unrecognized,
    "comments": _comments,
}


def _accepted(report: Any, card: Any) -> ScalarSelect[Any]:
    """Return a query for the kinds of a card's suggestions that a report names as accepted."""
    accepted = select(_kinds()).join(ACCEPTED, ACCEPTED.c.suggestion == SUGGESTIONS.c.uuid)
    return accepted.where(ACCEPTED.c.feedback == report, SUGGESTIONS.c.card == card).scalar_subquery()


def _kinds() -> Label[str]:
    return func.aggregate_strings(SUGGESTIONS.c.kind, " ").label("kinds")


def _split_list(value: str | None) -> list[str]:
    return sorted((value or "").split())

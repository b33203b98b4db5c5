"""Retention: deleting records past the retention period."""

from datetime import date

from sqlalchemy import Delete, delete, not_, or_, select

from cds_service.store.database import Store
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED


def purge(store: Store, before: date, *, dry_run: bool = False) -> dict[str, int]:
    """Delete the rows from before a day and return how many per table; a dry run deletes none of them."""
    with store.writing() as connection:
        deleted = {name: connection.execute(statement).rowcount for name, statement in _deletions(before).items()}
        if dry_run:
            connection.rollback()
    store.checkpoint()
    return deleted


def _deletions(before: date) -> dict[str, Delete]:
    """Return the deletions by table, dependent rows first."""
    old_cards = select(CARDS.c.uuid).where(CARDS.c.day < before)
    known = select(CARDS.c.uuid)
    orphaned = not_(FEEDBACK.c.card.in_(known)) & (FEEDBACK.c.received_day < before)
    old_feedback = or_(FEEDBACK.c.card.in_(old_cards), orphaned)
    return {
        ACCEPTED.name: delete(ACCEPTED).where(ACCEPTED.c.feedback.in_(select(FEEDBACK.c.id).where(old_feedback))),
        FEEDBACK.name: delete(FEEDBACK).where(old_feedback),
        SUGGESTIONS.name: delete(SUGGESTIONS).where(SUGGESTIONS.c.card.in_(old_cards)),
        CARDS.name: delete(CARDS).where(CARDS.c.day < before),
        DECISIONS.name: delete(DECISIONS).where(DECISIONS.c.day < before),
        UNRECOGNIZED.name: delete(UNRECOGNIZED).where(UNRECOGNIZED.c.day < before),
    }

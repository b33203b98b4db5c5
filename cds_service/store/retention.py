"""Retention: what is older than a day is counted, or deleted batch by batch, so that no call waits long for a lock."""

import time
from collections.abc import Callable, Iterator
from datetime import date

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, func, or_, select, tuple_

from cds_service.store.database import Store
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED

_BATCH_SIZE = 500
"""Cards, reports or counts per transaction, which takes some 0.02 s: each call with a token waits for SQLite's lock."""
_PAUSE = 0.05
"""Seconds between two batches, or as long as the batch took: SQLite has no queue for its lock."""

_COUNTS = (DECISIONS, UNRECOGNIZED)
_TABLES = (ACCEPTED, FEEDBACK, SUGGESTIONS, CARDS, *_COUNTS)

Deleted = dict[str, int]
"""The number of rows by table."""


def count_old(store: Store, before: date) -> Deleted:
    """Return how many rows of each table are from before a day; no lock is taken. StoreUnavailable where it fails."""
    old_cards = select(CARDS.c.uuid).where(CARDS.c.day < before)
    is_old = or_(FEEDBACK.c.card.in_(old_cards), _is_unmatched(before))
    conditions = {
        ACCEPTED: ACCEPTED.c.feedback.in_(select(FEEDBACK.c.id).where(is_old)),
        FEEDBACK: is_old,
        SUGGESTIONS: SUGGESTIONS.c.card.in_(old_cards),
        **{table: table.c.day < before for table in (CARDS, *_COUNTS)},
    }
    with store.reading() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table).where(conditions[table])) or 0
            for table in _TABLES
        }


def delete_old(store: Store, before: date) -> Iterator[Deleted]:
    """Delete the rows from before a day, and yield after each batch, once it is committed, how many rows it had.

    A card goes with all that belongs to it, in one batch or in several that end with the card. What was yielded stays
    deleted, whatever comes then. StoreUnavailable where a batch fails.
    """
    steps: list[Callable[[Connection], Deleted]] = [
        lambda connection: _delete_cards(connection, before),
        lambda connection: _delete_reports(connection, _unmatched(before)),
        *(lambda connection, table=table: _delete_counts(connection, table, before) for table in _COUNTS),
    ]
    for step in steps:
        yield from _repeat(store, step)


def _repeat(store: Store, step: Callable[[Connection], Deleted]) -> Iterator[Deleted]:
    """Run a step in one transaction after the other until it deletes nothing, with pauses in which others can write."""
    while True:
        began = time.monotonic()
        with store.writing() as connection:
            deleted = step(connection)
        if not any(deleted.values()):
            return
        pause = max(_PAUSE, time.monotonic() - began)
        yield deleted
        time.sleep(pause)


def _delete_cards(connection: Connection, before: date) -> Deleted:
    """Delete reports on the first of the old cards, and the cards too where no more reports are left."""
    first = select(CARDS.c.uuid).where(CARDS.c.day < before).order_by(CARDS.c.day).limit(_BATCH_SIZE)
    cards = connection.scalars(first).all()
    deleted = _delete_reports(connection, select(FEEDBACK.c.id).where(FEEDBACK.c.card.in_(cards)))
    if deleted[FEEDBACK.name] < _BATCH_SIZE:
        deleted |= _delete(connection, SUGGESTIONS, SUGGESTIONS.c.card.in_(cards))
        deleted |= _delete(connection, CARDS, CARDS.c.uuid.in_(cards))
    return deleted


def _delete_reports(connection: Connection, ids: Select[tuple[int]]) -> Deleted:
    """Delete a batch of reports, with the suggestions that they name as accepted."""
    reports = connection.scalars(ids.limit(_BATCH_SIZE)).all()
    accepted = _delete(connection, ACCEPTED, ACCEPTED.c.feedback.in_(reports))
    return accepted | _delete(connection, FEEDBACK, FEEDBACK.c.id.in_(reports))


def _unmatched(before: date) -> Select[tuple[int]]:
    return select(FEEDBACK.c.id).where(_is_unmatched(before)).order_by(FEEDBACK.c.received_day)


def _is_unmatched(before: date) -> ColumnElement[bool]:
    shown = select(CARDS.c.uuid).where(CARDS.c.uuid == FEEDBACK.c.card).exists()
    return ~shown & (FEEDBACK.c.received_day < before)


def _delete_counts(connection: Connection, table: Table, before: date) -> Deleted:
    """Delete a batch of daily counts."""
    key = tuple_(*table.primary_key)
    first = select(*table.primary_key).where(table.c.day < before).order_by(table.c.day).limit(_BATCH_SIZE)
    return _delete(connection, table, key.in_(first))


def _delete(connection: Connection, table: Table, condition: ColumnElement[bool]) -> Deleted:
    return {table.name: connection.execute(delete(table).where(condition)).rowcount}

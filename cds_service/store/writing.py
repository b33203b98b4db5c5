"""Writes, each in one transaction: cards with suggestions, counts of decisions, and feedback reports."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Table, bindparam, select, update

from cds_service.errors import StoreUnavailable
from cds_service.store.database import Store
from cds_service.store.order_hashes import hash_order, make_key
from cds_service.store.period import PLAYGROUND
from cds_service.store.records import Counted, Report, ShownCard, Unrecognized
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED

_BATCH_SIZE = 50
"""Reports per transaction, which takes some 0.03 s: each call with a token waits for SQLite's lock meanwhile."""
_PAUSE = 0.05
"""Seconds between two batches: SQLite has no queue for its lock, so that waiting calls need a gap to take it."""


def write_shown(store: Store, cards: Sequence[ShownCard], counts: Mapping[Counted, int]) -> int:
    """Insert cards that are not there yet, and add to the counts; StoreUnavailable where it fails.

    Returns how many orders have their first card of the day among them, those of the playground left out.
    """
    rows = [card._asdict() for card in cards]
    suggestions = [
        {**suggestion._asdict(), "card": row["uuid"]} for row in rows for suggestion in row.pop("suggestions")
    ]
    with store.writing() as connection:
        new_orders = _hash_orders(connection, rows) if rows else set()
        if rows:
            connection.execute(_insert_into(connection, CARDS).on_conflict_do_nothing(), rows)
        if suggestions:
            connection.execute(_insert_into(connection, SUGGESTIONS).on_conflict_do_nothing(), suggestions)
        unrecognized = {key: count for key, count in counts.items() if isinstance(key, Unrecognized)}
        decisions = {key: count for key, count in counts.items() if key not in unrecognized}
        _add_counts(connection, DECISIONS, decisions)
        _add_counts(connection, UNRECOGNIZED, unrecognized)
    return len(new_orders)


def _hash_orders(connection: Connection, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Put the keyed hashes of its order into each row of a card, and return those of orders that have no card yet."""
    keys = {day: make_key(connection, day) for day in sorted({row["day"] for row in rows})}
    for row in rows:
        for name in ("order", "order_user"):
            digest = row.pop(f"{name}_digest")
            row[f"{name}_hash"] = hash_order(keys[row["day"]], digest) if digest else None
    hashes = {row["order_hash"] for row in rows if row["order_hash"] and row["client"] != PLAYGROUND}
    stored = connection.scalars(select(CARDS.c.order_hash).where(CARDS.c.order_hash.in_(hashes)).distinct())
    return hashes - set(stored)


def write_reports(
    store: Store, reports: Sequence[Report], new: Counter[str], progressed: Callable[[], None] = lambda: None
) -> None:
    """Insert reports that are not there yet, and add their outcomes to `new` once they are committed.

    A report that is there already gets the comment that it lacked. StoreUnavailable where a batch fails: earlier
    batches are committed and counted, and the client can send all reports again. A report that the database will never
    take costs no other: all others are committed first. `progressed` is called after each commit.
    """
    ordered = sorted(reports, key=lambda report: (report.digest, report.comment is not None))
    refusal = None
    for batch in _batches({report.digest: report for report in ordered}):
        refusal = _write_accepted(store, batch, new) or refusal
        progressed()
    if refusal:
        raise refusal


def _write_accepted(store: Store, by_digest: Mapping[str, Report], new: Counter[str]) -> StoreUnavailable | None:
    """Write the reports, one by one where they are refused together; return why one was refused in the end."""
    try:
        new.update(_write_batch(store, by_digest))
    except StoreUnavailable as error:
        if not error.is_permanent:
            raise
        refusal = error
    except Exception as error:  # noqa: BLE001 - a fault of ours in one report: the others are to be kept
        refusal = StoreUnavailable(type(error).__name__, is_permanent=True)
    else:
        return None
    if len(by_digest) == 1:
        return refusal
    refusals = [_write_accepted(store, {digest: report}, new) for digest, report in by_digest.items()]
    return next(filter(None, refusals), None)


def _batches(by_digest: Mapping[str, Report]) -> Iterator[dict[str, Report]]:
    """Yield the reports in batches, with a pause between two."""
    items = list(by_digest.items())
    for start in range(0, len(items), _BATCH_SIZE):
        if start:
            time.sleep(_PAUSE)
        yield dict(items[start : start + _BATCH_SIZE])


def _write_batch(store: Store, by_digest: Mapping[str, Report]) -> list[str]:
    """Write reports in one transaction and return the outcomes of the new ones."""
    with store.writing() as connection:
        new = _insert_new(connection, FEEDBACK, [_row(report) for report in by_digest.values()])
        accepted = [
            {"feedback": row.id, "suggestion": suggestion}
            for row in new
            for suggestion in by_digest[row.digest].suggestions
        ]
        _insert_new(connection, ACCEPTED, accepted)
        new_digests = {row.digest for row in new}
        _add_comments(connection, [report for digest, report in by_digest.items() if digest not in new_digests])
    return [row.outcome for row in new]


def _row(report: Report) -> dict[str, Any]:
    row = asdict(report)
    del row["suggestions"]
    return row


def _add_comments(connection: Connection, reports: Sequence[Report]) -> None:
    """Add comments to stored reports that have none."""
    rows = [{"report_digest": report.digest, "new_comment": report.comment} for report in reports if report.comment]
    if rows:
        without = (FEEDBACK.c.digest == bindparam("report_digest")) & FEEDBACK.c.comment.is_(None)
        connection.execute(update(FEEDBACK).where(without).values(comment=bindparam("new_comment")), rows)


def _insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    """Insert the rows that are not there yet and return these."""
    if not rows:
        return ()
    statement = _insert_into(connection, table).on_conflict_do_nothing().returning(*table.c)
    return connection.execute(statement, rows).all()


def _add_counts(connection: Connection, table: Table, counts: Mapping[Any, int]) -> None:
    """Add to the counts, always in the same order, so that two workers cannot deadlock."""
    if not counts:
        return
    insert = _insert_into(connection, table)
    total = table.c["count"] + insert.excluded["count"]
    statement = insert.on_conflict_do_update(index_elements=list(table.primary_key), set_={"count": total})
    rows = [{**key._asdict(), "count": counts[key]} for key in sorted(counts)]
    connection.execute(statement, rows)


def _insert_into(connection: Connection, table: Table) -> Any:
    """Return an INSERT of the connection's dialect, which has ON CONFLICT."""
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")  # already loaded by the connection
    return dialect.insert(table)

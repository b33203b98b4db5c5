"""What is written, each time as a whole: cards with their suggestions, counts, reports."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Table, bindparam, update

from cds_service.store.database import Store
from cds_service.store.records import Counted, Report, ShownCard, Unrecognized
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED

_REPORTS_AT_ONCE = 50
"""In one transaction, which takes some 0.03 s: each call of a client waits for SQLite's lock, to note its token."""
_PAUSE = 0.05
"""Seconds between two: who waits for SQLite's lock does not queue, but looks again and again whether it is free."""


def write_shown(store: Store, cards: Sequence[ShownCard], counts: Mapping[Counted, int]) -> None:
    """Write cards that were shown, each once however often it comes, and add to the counts."""
    rows = [card._asdict() for card in cards]
    suggestions = [{**one._asdict(), "card": row["uuid"]} for row in rows for one in row.pop("suggestions")]
    with store.writing() as connection:
        if rows:
            connection.execute(insert_into(connection, CARDS).on_conflict_do_nothing(), rows)
        if suggestions:
            connection.execute(insert_into(connection, SUGGESTIONS).on_conflict_do_nothing(), suggestions)
        unrecognized = {one: count for one, count in counts.items() if isinstance(one, Unrecognized)}
        _count(connection, DECISIONS, {one: count for one, count in counts.items() if one not in unrecognized})
        _count(connection, UNRECOGNIZED, unrecognized)


def write_reports(store: Store, reports: Sequence[Report], new: Counter[str]) -> None:
    """Write reports that are not there yet, and count the outcomes of these in `new` when they are durable.

    Of one that is there already, a comment is added where it had none. Where some cannot be written, those before them
    are kept and counted, so that all may come again.
    """
    ordered = sorted(reports, key=lambda report: (report.digest, report.comment is not None))
    for some in _parts({report.digest: report for report in ordered}):
        new.update(_write_some(store, some))


def _parts(by_digest: Mapping[str, Report]) -> Iterator[dict[str, Report]]:
    """Yield the reports in parts that are written at once, with a pause between two."""
    items = list(by_digest.items())
    for start in range(0, len(items), _REPORTS_AT_ONCE):
        if start:
            time.sleep(_PAUSE)
        yield dict(items[start : start + _REPORTS_AT_ONCE])


def _write_some(store: Store, by_digest: Mapping[str, Report]) -> list[str]:
    """Write reports in one transaction and return the outcomes of those that are new."""
    with store.writing() as connection:
        new = _add(connection, FEEDBACK, [_row(report) for report in by_digest.values()])
        accepted = [
            {"feedback": row.id, "suggestion": suggestion}
            for row in new
            for suggestion in by_digest[row.digest].suggestions
        ]
        _add(connection, ACCEPTED, accepted)
        new_digests = {row.digest for row in new}
        _comment(connection, [report for digest, report in by_digest.items() if digest not in new_digests])
    return [row.outcome for row in new]


def _row(report: Report) -> dict[str, Any]:
    row = asdict(report)
    del row["suggestions"]
    return row


def _comment(connection: Connection, reports: Sequence[Report]) -> None:
    """Add the comments of reports that are there without one."""
    rows = [{"of": report.digest, "said": report.comment} for report in reports if report.comment]
    if rows:
        without = (FEEDBACK.c.digest == bindparam("of")) & FEEDBACK.c.comment.is_(None)
        connection.execute(update(FEEDBACK).where(without).values(comment=bindparam("said")), rows)


def _add(connection: Connection, into: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    """Insert the rows that are not there yet and return them."""
    if not rows:
        return ()
    statement = insert_into(connection, into).on_conflict_do_nothing().returning(*into.c)
    return connection.execute(statement, rows).all()


def _count(connection: Connection, table: Table, counts: Mapping[Any, int]) -> None:
    """Add to the counts, always in one order, so that two workers never wait for each other."""
    if not counts:
        return
    insert = insert_into(connection, table)
    total = table.c["count"] + insert.excluded["count"]
    statement = insert.on_conflict_do_update(index_elements=list(table.primary_key), set_={"count": total})
    rows = [{**kind._asdict(), "count": counts[kind]} for kind in sorted(counts)]
    connection.execute(statement, rows)


def insert_into(connection: Connection, into: Table) -> Any:
    """Return an insertion that can say what happens to rows that are there already."""
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")  # the one in use, which is loaded
    return dialect.insert(into)

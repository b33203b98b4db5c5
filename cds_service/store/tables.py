"""The tables: cards shown, their suggestions, feedback on them, and counts of decisions. No patient data."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s"}
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, in databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> datetime | None:
        """Store the moment in UTC."""
        return value.astimezone(UTC).replace(tzinfo=None if _dialect.name == "sqlite" else UTC) if value else None

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        """Return the moment with its time zone."""
        return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)) if value else None


CARDS = Table(
    "cards",
    METADATA,
    Column("uuid", String(36), primary_key=True),
    Column("service", String(64), nullable=False),
    Column("shown_at", UtcDateTime, nullable=False),
    Column("day", Date, nullable=False, index=True),
    Column("client", String(255), nullable=False),
    Column("knowledge", String(64), nullable=False),
    Column("study", String(64), nullable=False),
    Column("indicator", String(16), nullable=False),
    Column("history", String(32), nullable=False),
    Column("presentation", String(32), nullable=False),
    Column("incomplete", Boolean, nullable=False),
    Column("patient", String(64)),
    Column("order_hash", String(64), index=True),
)
"""One row per card shown; `patient` is a keyed hash, NULL where the site sets no key.

`order_hash` is the same for all cards of a day for one order; NULL for cards of versions before 0005.
"""

ORDER_HASH_KEYS = Table(
    "order_hash_keys",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("key", String(64), nullable=False),
)
"""The random key of each day for `order_hash`, deleted two days later (order_hashes.py)."""

SUGGESTIONS = Table(
    "suggestions",
    METADATA,
    Column("uuid", String(36), primary_key=True),
    Column("card", String(36), ForeignKey("cards.uuid", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("recommended", Boolean, nullable=False),
)
"""The suggestions of each card, by their kind in watched_orders.csv."""

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("card", String(36), nullable=False),
    Column("service", String(64), nullable=False),
    Column("client", String(255), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(64)),
    Column("comment", Text),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("received_day", Date, nullable=False, index=True),
)
"""One row per report; a repeated report has the same digest. A report that matches no row of `cards` is unmatched."""

ACCEPTED = Table(
    "accepted_suggestions",
    METADATA,
    Column("feedback", Integer, ForeignKey("feedback.id", ondelete="CASCADE"), primary_key=True),
    Column("suggestion", String(36), primary_key=True),
)
"""The suggestions that a report names as accepted."""

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("service", String(64), primary_key=True),
    Column("client", String(255), primary_key=True),
    Column("knowledge", String(64), primary_key=True),
    Column("study", String(64), primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("reason", String(64), primary_key=True),
    Column("incomplete", Boolean, primary_key=True),
    Column("count", Integer, nullable=False),
)
"""Daily counts of decisions that are alike: one per watched order of a call, or one per call without any."""

UNRECOGNIZED = Table(
    "unrecognized",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("service", String(64), primary_key=True),
    Column("client", String(255), primary_key=True),
    Column("resource", String(32), primary_key=True),
    Column("system", String(120), primary_key=True),
    Column("count", Integer, nullable=False),
)
"""Daily counts of orders and entries that neither a code nor text identified, by their code system."""

SEEN_TOKENS = Table(
    "seen_tokens",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)
"""The replay cache: one row per token used, until it has expired; `digest` is the hash of its issuer and its id.

Each call waits for its insert, so the table is one B-tree, without an index by time.
"""

Index("ix_feedback_card_happened_at", FEEDBACK.c.card, FEEDBACK.c.happened_at)

"""The tables: cards shown, their suggestions, feedback on them, and counts of decisions. No patient data."""

import re
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


_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters except tab and line breaks, and lone surrogates."""

_MAX_LENGTH = 4000
"""Characters that are stored of a text whose column has no length: a comment."""


class StorableText(TypeDecorator[str]):
    """A text as every database takes it, whoever wrote it: the type of all text columns.

    A lone surrogate, which UTF-8 does not have, becomes U+FFFD; control characters except tab and line breaks go
    (PostgreSQL does not take NUL); what is longer than the column is cut. One row that the database refuses would cost
    its whole transaction.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self.impl = String(length) if length else Text()  # type: ignore[assignment]  # of the instance
        self.length = length

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Return what is stored of a text."""
        if value is None:
            return None
        if not (value.isascii() and value.isprintable()):  # most are: it takes a third of a search
            value = _UNSTORABLE.sub(_replacement, value)
        return value[: self.length or _MAX_LENGTH]


def _replacement(match: re.Match[str]) -> str:
    return "\ufffd" if match[0] >= "\ud800" else ""


CARDS = Table(
    "cards",
    METADATA,
    Column("uuid", StorableText(36), primary_key=True),
    Column("service", StorableText(64), nullable=False),
    Column("shown_at", UtcDateTime, nullable=False),
    Column("day", Date, nullable=False, index=True),
    Column("client", StorableText(255), nullable=False),
    Column("knowledge", StorableText(64), nullable=False),
    Column("study", StorableText(64), nullable=False),
    Column("indicator", StorableText(16), nullable=False),
    Column("history", StorableText(32), nullable=False),
    Column("presentation", StorableText(32), nullable=False),
    Column("incomplete", Boolean, nullable=False),
    Column("patient", StorableText(64)),
    Column("order_hash", StorableText(64), index=True),
    Column("order_user_hash", StorableText(64), index=True),
)
"""One row per card shown; `patient` is a keyed hash, NULL where the site sets no key.

`order_hash` is the same for all cards of a day for one order; NULL for cards of versions before 0005. `order_user_hash`
is the same for those of them that one user was shown; NULL where the site hides no dismissed cards, where the call
named no user, and for cards of versions before 0006.
"""

ORDER_HASH_KEYS = Table(
    "order_hash_keys",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("key", StorableText(64), nullable=False),
)
"""The random key of each day for both hashes, deleted two days later (order_hashes.py)."""

SUGGESTIONS = Table(
    "suggestions",
    METADATA,
    Column("uuid", StorableText(36), primary_key=True),
    Column("card", StorableText(36), ForeignKey("cards.uuid", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", StorableText(32), nullable=False),
    Column("recommended", Boolean, nullable=False),
)
"""The suggestions of each card, by their kind in watched_orders.csv."""

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("digest", StorableText(64), nullable=False, unique=True),
    Column("card", StorableText(36), nullable=False),
    Column("service", StorableText(64), nullable=False),
    Column("client", StorableText(255), nullable=False),
    Column("outcome", StorableText(16), nullable=False),
    Column("reason", StorableText(64)),
    Column("comment", StorableText),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("received_day", Date, nullable=False, index=True),
)
"""One row per report; a repeated report has the same digest. A report that matches no row of `cards` is unmatched."""

ACCEPTED = Table(
    "accepted_suggestions",
    METADATA,
    Column("feedback", Integer, ForeignKey("feedback.id", ondelete="CASCADE"), primary_key=True),
    Column("suggestion", StorableText(36), primary_key=True),
)
"""The suggestions that a report names as accepted."""

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("service", StorableText(64), primary_key=True),
    Column("client", StorableText(255), primary_key=True),
    Column("knowledge", StorableText(64), primary_key=True),
    Column("study", StorableText(64), primary_key=True),
    Column("outcome", StorableText(16), primary_key=True),
    Column("reason", StorableText(64), primary_key=True),
    Column("incomplete", Boolean, primary_key=True),
    Column("count", Integer, nullable=False),
)
"""Daily counts of decisions that are alike: one per watched order of a call, or one per call without any."""

UNRECOGNIZED = Table(
    "unrecognized",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("service", StorableText(64), primary_key=True),
    Column("client", StorableText(255), primary_key=True),
    Column("resource", StorableText(32), primary_key=True),
    Column("system", StorableText(120), primary_key=True),
    Column("count", Integer, nullable=False),
)
"""Daily counts of orders and entries that neither a code nor text identified, by their code system."""

SEEN_TOKENS = Table(
    "seen_tokens",
    METADATA,
    Column("digest", StorableText(64), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)
"""The replay cache: one row per token used, until it has expired; `digest` is the hash of its issuer and its id.

Each call waits for its insert, so the table is one B-tree, without an index by time.
"""

Index("ix_feedback_card_happened_at", FEEDBACK.c.card, FEEDBACK.c.happened_at)

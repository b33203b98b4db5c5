"""Keyed hashes of orders: figures count orders, not edits, and the store names no order, patient or user.

The key is random, of one day, and deleted two days later: after that nobody can test a guess, even with the database.
"""

import hmac
from datetime import date, timedelta
from secrets import token_hex

from sqlalchemy import Connection, Date, bindparam, delete, select, text

from cds_service.store.tables import ORDER_HASH_KEYS

_KEY_LIFETIME = timedelta(days=2)

_INSERT_KEY = text("INSERT INTO order_hash_keys (day, key) VALUES (:day, :key) ON CONFLICT DO NOTHING").bindparams(
    bindparam("day", type_=Date)
)
"""Literal SQL, the same in SQLite and PostgreSQL: of two processes that make a key at once, one does."""


def hash_order(key: str, order_digest: str) -> str:
    """Return the HMAC-SHA256 of the digest of an order, or of an order and its user, in hex."""
    return hmac.digest(key.encode(), order_digest.encode(), "sha256").hex()


def key_of(connection: Connection, day: date) -> str | None:
    """Return the key of a day, or None where no card was written on it, or it was deleted."""
    return connection.scalar(select(ORDER_HASH_KEYS.c.key).where(ORDER_HASH_KEYS.c.day == day))


def make_key(connection: Connection, day: date) -> str:
    """Return the key of a day, which all processes share; the first card of a day makes it and deletes old ones."""
    key = key_of(connection, day)
    if key is None:
        connection.execute(_INSERT_KEY, {"day": day, "key": token_hex(32)})
        connection.execute(delete(ORDER_HASH_KEYS).where(ORDER_HASH_KEYS.c.day < day - _KEY_LIFETIME))
        key = key_of(connection, day)
    assert key
    return key

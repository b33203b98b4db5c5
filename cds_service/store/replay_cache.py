"""The replay cache: the tokens that were used, so that each is accepted once by all workers and machines.

CDS Hooks 2.0.1, section "Security": a `jti` identifies a token, so that it cannot be replayed.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from cds_service.clock import Clock
from cds_service.errors import StoreUnavailable
from cds_service.store.database import Store

if TYPE_CHECKING:
    from sqlalchemy import TextClause


_GRACE = timedelta(hours=1)
"""Expired tokens are kept for so much longer: another machine, whose clock is behind, may still accept them."""
_PURGE_EVERY, _PURGE_ROWS = 100, 1000
"""Every 100 new tokens, 1,000 rows are checked for expiry: ten times as many as came, so old ones never pile up."""

_INSERT = "INSERT INTO seen_tokens (digest, expires_at) VALUES (:digest, :moment) ON CONFLICT DO NOTHING"
"""Literal SQL, the same in SQLite and PostgreSQL: every call waits for it, and building it would take longest."""
_REWRITE = """INSERT INTO seen_tokens (digest, expires_at) VALUES (:digest, :moment)
    ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at"""
_NEXT_RANGE = f"""SELECT max(digest), count(digest) FROM
    (SELECT digest FROM seen_tokens WHERE digest > :begin ORDER BY digest LIMIT {_PURGE_ROWS}) AS next"""  # noqa: S608 - a number of ours
_DELETE_EXPIRED = """DELETE FROM seen_tokens WHERE digest IN
    (SELECT digest FROM seen_tokens WHERE digest > :begin AND digest <= :end AND expires_at < :moment{})"""
"""There is no index by time, which each insert would maintain: the table is purged range by range, in a cycle."""
_SKIP_LOCKED = " FOR UPDATE SKIP LOCKED"
"""Lets PostgreSQL workers purge at the same time without waiting; SQLite has one writer at a time."""


class ReplayCache:
    """The used tokens of all processes that share a store; its commits need not be durable.

    A power failure can lose the tokens of the last moments: whoever has one of them could use it a second time until it
    expires, which is within minutes.
    """

    def __init__(self, store: Store, clock: Clock, begin: str | None = None) -> None:
        """`begin` is the digest at which purging starts; by default it is random.

        Otherwise short-lived processes would all purge the first rows only.
        """
        self._store, self._clock = store, clock
        self._token_numbers = count(1)
        self._begin = token_hex(32) if begin is None else begin
        self._trial_digest = token_hex(32)

    def is_new(self, issuer: str, token_id: str, expires_at: datetime) -> bool:
        """Return whether a token is used for the first time, and record it; StoreUnavailable where the store fails.

        A token is identified by its `iss` and its `jti` (RFC 7519, section 4.1.7); only their hash is stored.
        """
        digest = sha256(json.dumps([issuer, token_id]).encode()).hexdigest()
        is_new = self._execute(_INSERT, expires_at, digest=digest) == 1
        if next(self._token_numbers) % _PURGE_EVERY == 0:
            self._purge_next_range()
        return is_new

    def check_writable(self) -> None:
        """Write as a new token does; StoreUnavailable where that fails.

        Each process rewrites one row of its own, expired already: processes that shared a row would wait for one that
        hangs. It is purged as any other, an hour after the last check.
        """
        self._execute(_REWRITE, self._clock.now(), digest=self._trial_digest)

    def _purge_next_range(self) -> None:
        """Delete the expired tokens of the next range; where that fails, a later purge does it."""
        delete = _DELETE_EXPIRED.format("" if self._store.embedded else _SKIP_LOCKED)
        with suppress(StoreUnavailable):
            end, row_count = self._fetch_one(_NEXT_RANGE, begin=self._begin)
            if row_count:
                self._execute(delete, self._clock.now() - _GRACE, begin=self._begin, end=end)
            self._begin = end if row_count == _PURGE_ROWS else ""

    def _fetch_one(self, statement: str, **values: str) -> tuple[Any, ...]:
        if self._store.embedded:
            return self._store.fetch_one(statement, values)
        with self._store.writing() as connection:
            return tuple(connection.execute(_text_clause(statement), values).one())

    def _execute(self, statement: str, moment: datetime, **values: str) -> int:
        """Return how many rows were changed; for SQLite the moment is formatted as SQLAlchemy formats it there."""
        if self._store.embedded:
            formatted = moment.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")
            return self._store.execute(statement, {"moment": formatted, **values})
        with self._store.writing() as connection:
            return connection.execute(_text_clause(statement), {"moment": moment, **values}).rowcount


@cache
def _text_clause(statement: str) -> "TextClause":
    from sqlalchemy import bindparam, text  # noqa: PLC0415 - slow to load, and needed for PostgreSQL only

    from cds_service.store.tables import UtcDateTime  # noqa: PLC0415 - likewise

    moments = (bindparam("moment", type_=UtcDateTime),) if ":moment" in statement else ()
    return text(statement).bindparams(*moments)

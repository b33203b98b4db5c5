"""The tokens that were used, so that none is used twice, by whichever worker or machine."""

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


_LONGER = timedelta(hours=1)
"""What has expired is held for so much longer: another machine, whose clock is behind, may still accept it."""
_EACH, _LOOKED_AT = 100, 1000
"""After how many tokens how many are looked at: ten times those that came, so that the old ones never pile up."""

_INSERTION = "INSERT INTO seen_tokens (digest, expires_at) VALUES (:digest, :moment) ON CONFLICT DO NOTHING"
"""Written out, as SQLite and PostgreSQL have it alike: every call waits for it, and building it takes longest."""
_NEXT = f"""SELECT max(digest), count(digest) FROM
    (SELECT digest FROM seen_tokens WHERE digest > :begin ORDER BY digest LIMIT {_LOOKED_AT}) AS next"""  # noqa: S608 - a number of ours
_DELETION = """DELETE FROM seen_tokens WHERE digest IN
    (SELECT digest FROM seen_tokens WHERE digest > :begin AND digest <= :end AND expires_at < :moment{})"""
"""Without an index by time, which each call would wait for: the table is gone through again and again, part by part."""
_PASSING = " FOR UPDATE SKIP LOCKED"
"""Lets workers of PostgreSQL that delete at once pass each other by; SQLite has one writer at a time."""

_quoted = json.JSONEncoder().encode


class ReplayCache:
    """Remembers for one process, in a store whose commits need not be durable.

    What a power failure takes back are the tokens of its last moments: who has one of them could use it a second time,
    until it expires, which is within minutes.
    """

    def __init__(self, store: Store, clock: Clock, begin: str | None = None) -> None:
        """`begin` is where looking for old ones begins, in the order of the digests: else by chance.

        So of processes that end early none looks at the first ones alone.
        """
        self._store, self._clock = store, clock
        self._numbers = count(1)
        self._begin = token_hex(32) if begin is None else begin

    def is_new(self, issuer: str, token_id: str, expires_at: datetime) -> bool:
        """Tell whether a token is used for the first time, and remember it; StoreUnavailable where nobody can tell."""
        named = f"[{_quoted(issuer)}, {_quoted(token_id)}]"  # as json.dumps writes a list, in a third of its time
        is_new = self._changed(_INSERTION, expires_at, digest=sha256(named.encode()).hexdigest()) == 1
        if next(self._numbers) % _EACH == 0:
            self._forget()
        return is_new

    def _forget(self) -> None:
        """Delete what is too old to be used from the next part; where that fails, the next time will do."""
        deletion = _DELETION.format("" if self._store.embedded else _PASSING)
        with suppress(StoreUnavailable):
            end, looked_at = self._found(_NEXT, begin=self._begin)
            if looked_at:
                self._changed(deletion, self._clock.now() - _LONGER, begin=self._begin, end=end)
            self._begin = end if looked_at == _LOOKED_AT else ""

    def _found(self, statement: str, **values: str) -> tuple[Any, ...]:
        if self._store.embedded:
            return self._store.found(statement, values)
        with self._store.writing() as connection:
            return tuple(connection.execute(_typed(statement), values).one())

    def _changed(self, statement: str, moment: datetime, **more: str) -> int:
        """Return how many rows were changed; SQLite is given a moment as SQLAlchemy writes it there."""
        if self._store.embedded:
            written = moment.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")
            return self._store.changed(statement, {"moment": written, **more})
        with self._store.writing() as connection:
            return connection.execute(_typed(statement), {"moment": moment, **more}).rowcount


@cache
def _typed(statement: str) -> "TextClause":
    from sqlalchemy import bindparam, text  # noqa: PLC0415 - slow, and only where PostgreSQL is used

    from cds_service.store.tables import UtcDateTime  # noqa: PLC0415 - likewise

    moments = (bindparam("moment", type_=UtcDateTime),) if ":moment" in statement else ()
    return text(statement).bindparams(*moments)

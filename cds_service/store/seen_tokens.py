"""The tokens that were used, so that none is used twice, by whichever worker or machine."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count

from sqlalchemy import Delete, bindparam, delete, select, text

from cds_service.errors import StoreUnavailable
from cds_service.store.database import Store
from cds_service.store.tables import SEEN_TOKENS, UtcDateTime

_LONGER = timedelta(hours=1)
"""What has expired is held for so much longer: another machine, whose clock is behind, may still accept it."""
_EACH, _AT_ONCE = 100, 1000
"""After how many tokens the oldest are deleted, and how many of these: more than came, so that they never pile up."""


_INSERTION = text(
    "INSERT INTO seen_tokens (digest, expires_at) VALUES (:digest, :expires_at) ON CONFLICT DO NOTHING"
).bindparams(bindparam("expires_at", type_=UtcDateTime))
"""Written out, as SQLite and PostgreSQL have it alike: every call waits for it, and building it takes longest."""


class SeenTokens:
    """Remembers for one process, in a store whose commits need not be durable.

    What a power failure takes back are the tokens of its last moments: who has one of them could use it a second time,
    until it expires, which is within minutes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers = count(1)

    def is_new(self, issuer: str, token_id: str, expires_at: datetime) -> bool:
        """Tell whether a token is used for the first time, and remember it; StoreUnavailable where nobody can tell."""
        digest = sha256(json.dumps([issuer, token_id]).encode()).hexdigest()
        with self._store.writing() as connection:
            is_new = connection.execute(_INSERTION, {"digest": digest, "expires_at": expires_at}).rowcount == 1
        if next(self._numbers) % _EACH == 0:
            self._forget()
        return is_new

    def _forget(self) -> None:
        """Delete what is too old to be used; where that fails, the next time will do."""
        with suppress(StoreUnavailable), self._store.writing() as connection:
            connection.execute(_deletion(datetime.now(UTC) - _LONGER))


def _deletion(before: datetime) -> Delete:
    """Return a deletion of so many; workers of PostgreSQL that do it at once pass each other by."""
    old = select(SEEN_TOKENS.c.digest).where(SEEN_TOKENS.c.expires_at < before)
    some = old.order_by(SEEN_TOKENS.c.expires_at).limit(_AT_ONCE).with_for_update(skip_locked=True)
    return delete(SEEN_TOKENS).where(SEEN_TOKENS.c.digest.in_(some))

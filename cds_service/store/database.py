"""The store: connections to SQLite or PostgreSQL, transactions, and what state the database is in."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service.errors import StoreUnavailable
from cds_service.store.address import store_address, told
from cds_service.store.sqlite_file import Statements, revision

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from cds_service.store.engine import StoreEngine

READY, UNREACHABLE, NOT_MIGRATED = "ready", "unreachable", "not_migrated"
REVISION = "0004"
"""The newest migration. None takes away what is read or written: this version works on a database that is ahead."""


class Store:
    """One database; nothing is opened before it is used, so that each worker has connections of its own.

    Nor is SQLAlchemy loaded before: the file of an embedded store is opened, asked and given tokens without it.
    """

    def __init__(self, url: str = "", *, durable: bool = True, patience: int = 5) -> None:
        """Without `durable` a commit does not wait for the disk: a power failure may take back the last ones.

        `patience` is in seconds: so long may a writer wait for SQLite's lock, or for a statement of PostgreSQL.
        """
        self._address, self._durable, self._patience = store_address(url), durable, patience
        self._statements = Statements(self.file, durable=durable, patience=patience) if self.file else None

    def __repr__(self) -> str:
        """Tell where the store is, without a password."""
        return told(self._address)

    @property
    def embedded(self) -> bool:
        """Tell whether the store is a file of ours, which is migrated at each start."""
        return self.file is not None

    @property
    def file(self) -> Path | None:
        """Return the file of an embedded store."""
        return self._address if isinstance(self._address, Path) else None

    def writing(self) -> "AbstractContextManager[Connection]":
        """Yield a connection whose work is kept as a whole, or raise StoreUnavailable and keep none of it."""
        return self._engine.writing()

    def reading(self) -> "AbstractContextManager[Connection]":
        """Yield a connection that sees one state of the store and locks nobody out."""
        return self._engine.reading()

    def changed(self, statement: str, values: Mapping[str, str]) -> int:
        """Return how many rows of an embedded store a statement changed, which is a transaction of its own."""
        assert self._statements
        return self._statements.changed(statement, values)

    def found(self, statement: str, values: Mapping[str, str]) -> tuple[Any, ...]:
        """Return the one row that a statement finds in an embedded store."""
        assert self._statements
        return self._statements.found(statement, values)

    def state(self) -> str:
        """Return ready, unreachable or not_migrated, within seconds."""
        try:
            found = revision(self.file) if self.file else self._engine.revision()
        except StoreUnavailable:
            return UNREACHABLE
        return READY if is_at_least(found, REVISION) else NOT_MIGRATED

    def settle(self) -> None:
        """Empty the -wal file of an embedded store into its file, so that what was deleted is in neither."""
        if self.embedded:
            self._engine.settle()

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        if "_engine" in vars(self):
            self._engine.close()
        if self._statements:
            self._statements.close()

    @cached_property
    def _engine(self) -> "StoreEngine":
        from cds_service.store.engine import StoreEngine  # noqa: PLC0415 - it loads SQLAlchemy, which is slow

        return StoreEngine(self._address, durable=self._durable, patience=self._patience)


def is_at_least(found: str | None, revision: str) -> bool:
    """Tell whether a database is at a revision of ours or ahead of it; what is no revision of ours is neither."""
    return bool(found and re.fullmatch(r"\d{4}", found) and found >= revision)

"""The store: connections to SQLite or PostgreSQL, transactions, and what state the database is in."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from platformdirs import user_state_path

from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store.sqlite_file import Statements, revision

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

    from cds_service.store.engine import StoreEngine


_DRIVER = "postgresql+psycopg"
_DRIVERS = ("postgresql", "postgres", _DRIVER)
_EXPECTED = "must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:////PATH/OF/FILE"
_ESCAPE = "; in a user or password, write each of @ : / ? # [ ] % as % and two hex digits"


def store_address(text: str) -> "Path | URL":
    """Return the file or the address that a setting gives, or the user's own file.

    SettingsError never repeats what was given.
    """
    if not text:
        return user_state_path("plexus-cds") / "store.sqlite3"
    return _file(text) if text.startswith("sqlite:") else _server(text)


def told(address: "Path | URL") -> str:
    """Return where a store is, for people: neither user nor password nor options."""
    if isinstance(address, Path):
        return f"SQLite at {address}"
    return f"PostgreSQL at {address.host or address.query.get('host', 'this machine')}, database {address.database}"


def _file(text: str) -> Path:
    """Return the file; whatever else an address may have, a file has no use for."""
    named = re.fullmatch(r"sqlite:///([^?]+)", text)
    if named is None or named.group(1) == ":memory:" or "\0" in unquote(text):
        message = f"{_EXPECTED}; a file takes neither a host nor options"
        raise SettingsError(message)
    return Path(unquote(named.group(1))).absolute()


def _server(text: str) -> "URL":
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - slow, and only where PostgreSQL is used
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - likewise

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(_EXPECTED + _ESCAPE) from None
    if url.drivername not in _DRIVERS or not url.database:
        raise SettingsError(_EXPECTED)
    return _with_options(url.set(drivername=_DRIVER))


def _with_options(url: "URL") -> "URL":
    """Refuse options that PostgreSQL does not know, and PostgreSQL where its driver is not installed."""
    try:
        from psycopg import ProgrammingError  # noqa: PLC0415 - an extra, and only where PostgreSQL is used
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415
    except ImportError:
        message = "PostgreSQL needs its driver: pip install 'plexus-cds[postgresql]'"
        raise SettingsError(message) from None
    try:
        make_conninfo(**dict.fromkeys(url.query, ""))
    except ProgrammingError as error:
        name = re.search(r'"(\w+)"', str(error))
        message = f"the option {name.group(1) if name else ''} after ? is none that PostgreSQL knows"
        raise SettingsError(message) from None
    return url


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

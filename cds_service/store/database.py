"""The store: its address, connections to SQLite or PostgreSQL, transactions, and the state of the database."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from platformdirs import user_state_path

from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store.sqlite_file import SqliteStatements, read_revision, truncate_wal

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

    from cds_service.store.engine import StoreEngine


READY, UNREACHABLE, NOT_MIGRATED = "ready", "unreachable", "not_migrated"
REVISION = "0006"
"""The newest migration. None removes what is read or written: this version also works with a database that is ahead."""

_DRIVER = "postgresql+psycopg"
_DRIVERS = ("postgresql", "postgres", _DRIVER)
_EXPECTED = "must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:////PATH/OF/FILE"
_ESCAPE = "; in a user or password, write each of @ : / ? # [ ] % as % and two hex digits"


class Store:
    """One database; connections are opened on first use, so that each worker process has its own.

    SQLAlchemy is not loaded before that either: an embedded store is opened, checked and given tokens without it.
    """

    def __init__(self, url: str = "", *, durable: bool = True, patience: int = 5) -> None:
        """Without `durable` a commit does not wait for the disk: a power failure can undo the last ones.

        `patience` is in seconds: the limit of a wait for SQLite's lock, or of a PostgreSQL statement. SettingsError
        where the URL is not valid.
        """
        self._address, self._durable, self._patience = _parse_url(url), durable, patience
        self._statements = SqliteStatements(self.file, durable=durable, patience=patience) if self.file else None

    def __repr__(self) -> str:
        """Return where the store is, without user, password and options."""
        address = self._address
        if isinstance(address, Path):
            return f"SQLite at {address}"
        return f"PostgreSQL at {address.host or address.query.get('host', 'this machine')}, database {address.database}"

    @property
    def embedded(self) -> bool:
        """Return whether the store is an SQLite file, which is migrated at each start."""
        return self.file is not None

    @property
    def file(self) -> Path | None:
        """Return the file of an embedded store."""
        return self._address if isinstance(self._address, Path) else None

    def writing(self) -> "AbstractContextManager[Connection]":
        """Open a transaction that is committed as a whole, or raise StoreUnavailable and commit nothing."""
        return self._engine.writing()

    def reading(self) -> "AbstractContextManager[Connection]":
        """Open a transaction that sees one snapshot and locks nothing; StoreUnavailable where it fails."""
        return self._engine.reading()

    def execute(self, statement: str, values: Mapping[str, str]) -> int:
        """Run one statement of an embedded store as its own transaction and return how many rows it changed."""
        assert self._statements
        return self._statements.execute(statement, values)

    def fetch_one(self, statement: str, values: Mapping[str, str]) -> tuple[Any, ...]:
        """Return the single row of a query of an embedded store."""
        assert self._statements
        return self._statements.fetch_one(statement, values)

    def state(self) -> str:
        """Return ready, unreachable or not_migrated, within seconds."""
        try:
            revision = read_revision(self.file) if self.file else self._engine.revision()
        except StoreUnavailable:
            return UNREACHABLE
        return READY if is_at_least(revision, REVISION) else NOT_MIGRATED

    def checkpoint(self) -> bool:
        """Move the -wal file of an embedded store into its file, so that deleted rows are in neither.

        Returns False where others use the file all the time; StoreUnavailable where it fails.
        """
        return truncate_wal(self.file) if self.file else True

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


def is_at_least(revision: str | None, minimum: str) -> bool:
    """Return whether a database's revision is `minimum` or later; a revision that is not ours is neither."""
    return bool(revision and re.fullmatch(r"\d{4}", revision) and revision >= minimum)


def _parse_url(text: str) -> "Path | URL":
    """Return the file or the server that a URL names, or the default file of the user.

    SettingsError never repeats the text, which may hold a password.
    """
    if not text:
        return user_state_path("plexus-cds") / "store.sqlite3"
    return _parse_file(text) if text.startswith("sqlite:") else _parse_server(text)


def _parse_file(text: str) -> Path:
    match = re.fullmatch(r"sqlite:///([^?]+)", text)
    if match is None or match.group(1) == ":memory:" or "\0" in unquote(text):
        message = f"{_EXPECTED}; a file takes neither a host nor options"
        raise SettingsError(message)
    return Path(unquote(match.group(1))).absolute()


def _parse_server(text: str) -> "URL":
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - slow to load, and needed for PostgreSQL only
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - likewise

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(_EXPECTED + _ESCAPE) from None
    if url.drivername not in _DRIVERS or not url.database:
        raise SettingsError(_EXPECTED)
    _check_options(url)
    return url.set(drivername=_DRIVER)


def _check_options(url: "URL") -> None:
    """Raise SettingsError for options unknown to PostgreSQL, and where its driver is not installed."""
    try:
        from psycopg import ProgrammingError  # noqa: PLC0415 - an extra, and needed for PostgreSQL only
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

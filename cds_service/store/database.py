"""The store: connections to SQLite or PostgreSQL, transactions, and what state the database is in."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from cds_service.errors import StoreUnavailable
from cds_service.store.address import SQLITE, store_address, told

READY, UNREACHABLE, NOT_MIGRATED = "ready", "unreachable", "not_migrated"
REVISION = "0002"
"""The newest migration. Later ones only add, so that this version also works on a database that is ahead of it."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",  # readers and the writer do not wait for each other
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what is purged is overwritten
)
_FULL = "PRAGMA synchronous=FULL"  # WAL's usual NORMAL can lose commits when power fails: feedback is acknowledged
_NORMAL = "PRAGMA synchronous=NORMAL"  # never OFF: that can cost the whole file
_LATER = "PRAGMA wal_autocheckpoint=8000"  # 32 MB: the durable writer copies the -wal file before, and no call waits
_READS = 5
"""Seconds that a statement of a reader may take."""

_NETWORK = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}
"""A PostgreSQL that is gone is found out in seconds (libpq: seconds, but milliseconds for tcp_user_timeout)."""


class Store:
    """One database; nothing is opened before it is used, so that each worker has connections of its own."""

    def __init__(self, url: str = "", *, durable: bool = True, patience: int = 5) -> None:
        """Without `durable` a commit does not wait for the disk: a power failure may take back the last ones.

        `patience` is in seconds: so long may a writer wait for SQLite's lock, or for a statement of PostgreSQL.
        """
        self._url, self._durable, self._patience = store_address(url), durable, patience
        self._idle: list[sqlite3.Connection] = []

    def __repr__(self) -> str:
        """Tell where the store is, without a password."""
        return told(self._url)

    @property
    def embedded(self) -> bool:
        """Tell whether the store is a file of ours, which is migrated at each start."""
        return self._url.drivername == SQLITE

    @property
    def file(self) -> Path | None:
        """Return the file of an embedded store."""
        return Path(self._url.database or "") if self.embedded else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection whose work is kept as a whole, or raise StoreUnavailable and keep none of it."""
        with _faults(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the store and locks nobody out."""
        with _faults(), self._engine.connect() as connection:
            connection.execution_options(reading=True)
            with connection.begin():
                yield connection

    def changed(self, statement: str, values: Mapping[str, str]) -> int:
        """Return how many rows of an embedded store a statement changed, which is a transaction of its own.

        SQLAlchemy and BEGIN and COMMIT would take several times as long as the statement, for which each call waits.
        """
        connection = self._idle_or_opened()
        try:
            changed = connection.execute(statement, values).rowcount
        except sqlite3.Error as error:
            connection.close()
            raise StoreUnavailable(type(error).__name__) from None
        self._idle.append(connection)  # for whichever thread comes next: its statements and pages are at hand
        return changed

    def _idle_or_opened(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return _opened(self._url.database or "", durable=self._durable, patience=self._patience)
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from None

    def state(self) -> str:
        """Return ready, unreachable or not_migrated, within seconds."""
        engine = _engine(self._url, poolclass=NullPool)  # a connection of a pool may hang on a server that hangs
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
                return self._migrated(connection)
        except SQLAlchemyError:
            return UNREACHABLE

    def settle(self) -> None:
        """Empty the -wal file of an embedded store into its file, so that what was deleted is in neither."""
        if self.embedded:
            with _faults(), closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        self._engine.dispose()
        while self._idle:
            self._idle.pop().close()

    @staticmethod
    def _migrated(connection: Connection) -> str:
        try:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except SQLAlchemyError:
            return NOT_MIGRATED
        return READY if is_at_least(found, REVISION) else NOT_MIGRATED

    @cached_property
    def _engine(self) -> Engine:
        return _engine(self._url, durable=self._durable, patience=self._patience, pool_pre_ping=not self.embedded)


def is_at_least(found: str | None, revision: str) -> bool:
    """Tell whether a database is at a revision of ours or ahead of it; what is no revision of ours is neither."""
    return bool(found and re.fullmatch(r"\d{4}", found) and found >= revision)


@contextmanager
def _faults() -> Iterator[None]:
    """Turn what the database reports into StoreUnavailable."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreUnavailable(_why(error), for_good=isinstance(error, (DataError, IntegrityError))) from None


def _why(error: SQLAlchemyError) -> str:
    """Return the kind of a fault, and its text where no statement was sent: that of a statement may hold its values."""
    if isinstance(error, DBAPIError) and error.statement is None and error.orig:
        return str(error.orig).partition("\n")[0]
    return type(error).__name__


def _engine(url: URL, *, durable: bool = True, patience: int = 1, **options: Any) -> Engine:
    if url.drivername == SQLITE:
        opened = partial(_opened, url.database or "", durable=durable, patience=patience)
        engine = create_engine(url, creator=opened, hide_parameters=True, **options)
    else:
        network = {name: value for name, value in _NETWORK.items() if name not in url.query}
        engine = create_engine(url, connect_args=network, hide_parameters=True, **options)
    event.listen(engine, "begin", partial(_begin, patience=patience))
    if not durable:
        event.listen(engine, "begin", _hurry)
    return engine


def _opened(path: str, *, durable: bool, patience: int) -> sqlite3.Connection:
    """Open a file that is there; only a migration makes one."""
    address = f"{Path(path).as_uri()}?mode=rw"
    connection = sqlite3.connect(address, timeout=patience, isolation_level=None, check_same_thread=False, uri=True)
    for pragma in (*_PRAGMAS, *((_FULL,) if durable else (_NORMAL, _LATER))):
        connection.execute(pragma)
    return connection


def _begin(connection: Connection, *, patience: int) -> None:
    """Let a writer of SQLite take the lock at once: one that reads first and then writes can fail without waiting."""
    reads = connection.get_execution_options().get("reading")
    if connection.dialect.name != SQLITE:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_READS if reads else patience}s'")
    elif reads:
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _hurry(connection: Connection) -> None:
    """Let the commit not wait for the disk."""
    if connection.dialect.name != SQLITE:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

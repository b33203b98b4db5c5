"""SQLAlchemy's engine for SQLite or PostgreSQL, its errors turned into StoreUnavailable; imported on first use."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from cds_service.errors import StoreUnavailable
from cds_service.store.sqlite_file import FileConnection, connect

_SQLITE = "sqlite"
_READ_SECONDS = 5
"""The limit of a reader's statement on PostgreSQL."""

_NETWORK = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}
"""Detects within seconds that PostgreSQL is gone (libpq: seconds, but milliseconds for tcp_user_timeout)."""


class StoreEngine:
    """The engine of one store; connections are opened on first use."""

    def __init__(self, address: Path | URL, *, durable: bool, patience: int) -> None:
        self._address = address
        is_server = not isinstance(address, Path)
        self._engine = _create_engine(address, durable=durable, patience=patience, pool_pre_ping=is_server)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that is committed as a whole, or raise StoreUnavailable and commit nothing."""
        with _store_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one snapshot and locks nothing; StoreUnavailable where it fails."""
        with _store_errors(), self._engine.connect() as connection:
            connection.execution_options(reading=True)
            with connection.begin():
                yield connection

    def revision(self) -> str | None:
        """Return the newest migration of the store, or None; StoreUnavailable where it does not respond."""
        engine = _create_engine(
            self._address, poolclass=NullPool
        )  # a connection of a pool may hang on a server that hangs
        with _store_errors(), engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            try:
                return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            except SQLAlchemyError:
                return None

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        self._engine.dispose()


def _create_engine(address: Path | URL, *, durable: bool = True, patience: int = 1, **options: Any) -> Engine:
    if isinstance(address, Path):
        url = URL.create(_SQLITE, database=str(address))
        creator = partial(connect, address, durable=durable, patience=patience)
        engine = create_engine(url, creator=creator, hide_parameters=True, **options)
        event.listen(engine, "checkout", _check_file)
    else:
        network = {name: value for name, value in _NETWORK.items() if name not in address.query}
        engine = create_engine(address, connect_args=network, hide_parameters=True, **options)
    event.listen(engine, "begin", partial(_begin, patience=patience))
    if not durable:
        event.listen(engine, "begin", _commit_asynchronously)
    return engine


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turn the errors of SQLAlchemy, and of the machine (no file descriptors, no disk), into StoreUnavailable."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(type(error).__name__) from None
    except SQLAlchemyError as error:
        raise StoreUnavailable(_describe(error), is_permanent=isinstance(error, (DataError, IntegrityError))) from None


def _describe(error: SQLAlchemyError) -> str:
    """Return the type of an error, or its text where no statement was sent: that of a statement may hold its values."""
    if isinstance(error, DBAPIError) and error.statement is None and error.orig:
        return str(error.orig).partition("\n")[0]
    return type(error).__name__


def _begin(connection: Connection, *, patience: int) -> None:
    """Begin with SQLite's write lock, or PostgreSQL's timeout: a writer that reads first could fail without waiting."""
    is_reading = connection.get_execution_options().get("reading")
    if connection.dialect.name != _SQLITE:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_READ_SECONDS if is_reading else patience}s'")
    elif is_reading:
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check_file(connection: FileConnection, *_: object) -> None:
    """Let the pool open another connection where the file was deleted or replaced; where it is gone, that fails."""
    if not connection.is_in_place():
        raise DisconnectionError


def _commit_asynchronously(connection: Connection) -> None:
    """Let PostgreSQL's commit not wait for the disk; SQLite has a pragma for it."""
    if connection.dialect.name != _SQLITE:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

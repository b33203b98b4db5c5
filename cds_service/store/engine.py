"""SQLAlchemy's engine for SQLite or PostgreSQL, and what its faults are to us; imported where it is first used."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from cds_service.errors import StoreUnavailable
from cds_service.store.sqlite_file import opened

_SQLITE = "sqlite"
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


class StoreEngine:
    """An engine for one store, which opens nothing before it is used."""

    def __init__(self, address: Path | URL, *, durable: bool, patience: int) -> None:
        self._address = address
        is_server = not isinstance(address, Path)
        self._engine = _engine(address, durable=durable, patience=patience, pool_pre_ping=is_server)

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

    def revision(self) -> str | None:
        """Return the newest migration that the store has had, or None; StoreUnavailable where it does not answer."""
        engine = _engine(self._address, poolclass=NullPool)  # a connection of a pool may hang on a server that hangs
        with _faults(), engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            try:
                return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            except SQLAlchemyError:
                return None

    def settle(self) -> None:
        """Empty the -wal file of an embedded store into its file."""
        with _faults(), closing(self._engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        self._engine.dispose()


def _engine(address: Path | URL, *, durable: bool = True, patience: int = 1, **options: Any) -> Engine:
    if isinstance(address, Path):
        url = URL.create(_SQLITE, database=str(address))
        creator = partial(opened, address, durable=durable, patience=patience)
        engine = create_engine(url, creator=creator, hide_parameters=True, **options)
    else:
        network = {name: value for name, value in _NETWORK.items() if name not in address.query}
        engine = create_engine(address, connect_args=network, hide_parameters=True, **options)
    event.listen(engine, "begin", partial(_begin, patience=patience))
    if not durable:
        event.listen(engine, "begin", _hurry)
    return engine


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


def _begin(connection: Connection, *, patience: int) -> None:
    """Let a writer of SQLite take the lock at once: one that reads first and then writes can fail without waiting."""
    reads = connection.get_execution_options().get("reading")
    if connection.dialect.name != _SQLITE:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_READS if reads else patience}s'")
    elif reads:
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _hurry(connection: Connection) -> None:
    """Let the commit not wait for the disk."""
    if connection.dialect.name != _SQLITE:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

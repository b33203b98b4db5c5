"""The embedded store as an SQLite file, used through sqlite3 alone.

Loading SQLAlchemy takes a quarter of a second, for which a start would wait.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from operator import attrgetter
from pathlib import Path
from typing import Any

from cds_service.errors import StoreUnavailable

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",  # readers and the writer do not wait for each other
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # purged rows are overwritten
)
_FULL = "PRAGMA synchronous=FULL"  # WAL's usual NORMAL can lose commits when power fails: feedback is acknowledged
_NORMAL = "PRAGMA synchronous=NORMAL"  # never OFF: that can cost the whole file
_LATER = "PRAGMA wal_autocheckpoint=8000"  # 32 MB: the durable writer checkpoints earlier, and no call waits

_ATTEMPTS, _PAUSE = 100, 0.05
"""Of a checkpoint, and the seconds between two."""

_rowcount = attrgetter("rowcount")


class FileConnection(sqlite3.Connection):
    """A connection that knows which file it opened: one that was deleted or replaced takes writes, and all are lost."""

    file = Path()
    identity = (0, 0)

    def is_in_place(self) -> bool:
        """Return whether the file that was opened is still the one at its path."""
        return _identity(self.file) == self.identity


def _identity(file: Path) -> tuple[int, int]:
    """Return device and inode of a file; zeros where there is none."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def connect(file: Path, *, durable: bool, patience: int) -> FileConnection:
    """Return a connection to an existing file; sqlite3.Error where there is none, as only a migration creates it.

    `patience` is in seconds: how long a statement waits for SQLite's lock.
    """
    address = f"{file.as_uri()}?mode=rw"
    identity = _identity(file)  # before it is opened: one that is replaced meanwhile is not in place
    connection = sqlite3.connect(
        address, timeout=patience, isolation_level=None, check_same_thread=False, factory=FileConnection, uri=True
    )
    connection.file, connection.identity = file, identity
    for pragma in (*_PRAGMAS, *((_FULL,) if durable else (_NORMAL, _LATER))):
        connection.execute(pragma)
    return connection


def read_revision(file: Path) -> str | None:
    """Return a file's newest migration, or None where it has none; StoreUnavailable where it cannot be written."""
    try:
        with closing(connect(file, durable=True, patience=1)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            return _select_revision(connection)
    except sqlite3.Error as error:
        raise StoreUnavailable(str(error)) from None


def truncate_wal(file: Path) -> bool:
    """Move the -wal file into the file and empty it; False where readers prevent it for seconds.

    SQLite itself would wait for readers with the lock that writers need, so each attempt is without waiting.
    """
    try:
        with closing(connect(file, durable=True, patience=0)) as connection:
            for _ in range(_ATTEMPTS):
                is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not is_busy:
                    return True
                time.sleep(_PAUSE)
    except sqlite3.Error as error:
        raise StoreUnavailable(str(error)) from None
    return False


def _select_revision(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:  # there is no such table; a damaged file raises another error
        return None
    return row and str(row[0])


class SqliteStatements:
    """Runs single statements in autocommit mode on pooled connections; thread-safe.

    Every authenticated call waits for one. SQLAlchemy, BEGIN and COMMIT would take several times as long.
    """

    def __init__(self, file: Path, *, durable: bool, patience: int) -> None:
        self._file, self._durable, self._patience = file, durable, patience
        self._idle: list[FileConnection] = []

    def execute(self, statement: str, values: Mapping[str, str]) -> int:
        """Return how many rows a statement changed, or raise StoreUnavailable."""
        rowcount: int = self._run(statement, values, _rowcount)
        return rowcount

    def fetch_one(self, statement: str, values: Mapping[str, str]) -> tuple[Any, ...]:
        """Return the single row of a query, or raise StoreUnavailable."""
        row: tuple[Any, ...] = self._run(statement, values, sqlite3.Cursor.fetchone)
        return row

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        while self._idle:
            self._idle.pop().close()

    def _run(self, statement: str, values: Mapping[str, str], get_result: Callable[[sqlite3.Cursor], Any]) -> Any:
        connection = self._checkout()
        try:
            result = get_result(connection.execute(statement, values))
        except sqlite3.Error as error:
            connection.close()
            raise StoreUnavailable(type(error).__name__) from None
        self._idle.append(connection)  # for any thread: its prepared statements and cached pages are reused
        return result

    def _checkout(self) -> FileConnection:
        """Return an idle connection to the file that is in place, or else a new one."""
        with suppress(IndexError):
            while not (connection := self._idle.pop()).is_in_place():
                connection.close()
            return connection
        try:
            return connect(self._file, durable=self._durable, patience=self._patience)
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from None

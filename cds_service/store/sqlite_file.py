"""The embedded store as a file of SQLite: opened as it must be, and asked whether it is ready, without SQLAlchemy.

SQLAlchemy takes a quarter of a second to load, for which a start would wait.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from operator import attrgetter
from pathlib import Path
from typing import Any

from cds_service.errors import StoreUnavailable

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",  # readers and the writer do not wait for each other
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what is purged is overwritten
)
_FULL = "PRAGMA synchronous=FULL"  # WAL's usual NORMAL can lose commits when power fails: feedback is acknowledged
_NORMAL = "PRAGMA synchronous=NORMAL"  # never OFF: that can cost the whole file
_LATER = "PRAGMA wal_autocheckpoint=8000"  # 32 MB: the durable writer copies the -wal file before, and no call waits

_ROWS = attrgetter("rowcount")


def opened(file: Path, *, durable: bool, patience: int) -> sqlite3.Connection:
    """Open a file that is there; only a migration makes one."""
    address = f"{file.as_uri()}?mode=rw"
    connection = sqlite3.connect(address, timeout=patience, isolation_level=None, check_same_thread=False, uri=True)
    for pragma in (*_PRAGMAS, *((_FULL,) if durable else (_NORMAL, _LATER))):
        connection.execute(pragma)
    return connection


def revision(file: Path) -> str | None:
    """Return the newest migration that a file has had, or None; StoreUnavailable where it cannot be opened to write."""
    try:
        with closing(opened(file, durable=True, patience=1)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            return _revision(connection)
    except sqlite3.Error as error:
        raise StoreUnavailable(str(error)) from None


def _revision(connection: sqlite3.Connection) -> str | None:
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:  # there is no such table; what is damaged is another error
        return None
    return found and str(found[0])


class Statements:
    """Runs statements that are transactions of their own.

    SQLAlchemy and BEGIN and COMMIT would take several times as long as the statement, for which each call waits.
    """

    def __init__(self, file: Path, *, durable: bool, patience: int) -> None:
        self._file, self._durable, self._patience = file, durable, patience
        self._idle: list[sqlite3.Connection] = []

    def changed(self, statement: str, values: Mapping[str, str]) -> int:
        """Return how many rows a statement changed, or raise StoreUnavailable."""
        changed: int = self._done(statement, values, _ROWS)
        return changed

    def found(self, statement: str, values: Mapping[str, str]) -> tuple[Any, ...]:
        """Return the one row that a statement finds, or raise StoreUnavailable."""
        row: tuple[Any, ...] = self._done(statement, values, sqlite3.Cursor.fetchone)
        return row

    def _done(self, statement: str, values: Mapping[str, str], told: Callable[[sqlite3.Cursor], Any]) -> Any:
        connection = self._idle_or_opened()
        try:
            result = told(connection.execute(statement, values))
        except sqlite3.Error as error:
            connection.close()
            raise StoreUnavailable(type(error).__name__) from None
        self._idle.append(connection)  # for whichever thread comes next: its statements and pages are at hand
        return result

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        while self._idle:
            self._idle.pop().close()

    def _idle_or_opened(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return opened(self._file, durable=self._durable, patience=self._patience)
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from None

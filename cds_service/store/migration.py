"""Migrations of the store: the command `plexus-cds migrate`, and each start with an embedded store."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service.errors import StoreUnavailable
from cds_service.store.database import READY, REVISION, UNREACHABLE, Store, is_at_least

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LOCK = 7539864201
"""The advisory lock of PostgreSQL under which one migrates while others wait: any number that is ours alone."""


def prepare(store: Store) -> tuple[str, str]:
    """Bring an embedded store up to date and return the state of the store, whatever it is, and why where known."""
    state = store.state()
    if state == READY or not store.embedded:
        return state, ""
    try:
        migrate(store)
    except StoreUnavailable as error:
        return UNREACHABLE, error.why
    return store.state(), ""


def migrate(store: Store, to: str = "head") -> bool:
    """Bring the store up to date, from empty too, and tell whether it is ahead of this version, and left as it is.

    Several at once wait for each other.
    """
    if store.file:
        _make(store.file)
    with closing(store), store.writing() as connection:
        if not store.embedded:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        if _is_ahead(connection):
            return True
        _upgrade(connection, to)
    return False


def _make(file: Path) -> None:
    """Make the file of an embedded store, readable by its user alone."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        message = f"{error.filename}: {error.strerror}"
        raise StoreUnavailable(message) from None


def _is_ahead(connection: "Connection") -> bool:
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - slow, and needed once in a version's life

    found = MigrationContext.configure(connection).get_current_heads()
    return any(is_at_least(one, REVISION) and one != REVISION for one in found)


def _upgrade(connection: "Connection", to: str) -> None:
    from alembic import command  # noqa: PLC0415 - likewise
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except CommandError as error:
        raise StoreUnavailable(str(error)) from None

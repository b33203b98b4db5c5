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
"""PostgreSQL's advisory lock for migrations: any number that nothing else uses."""


def prepare(store: Store) -> tuple[str, str]:
    """Migrate an embedded store where needed; return the state of the store, and the cause where it is known."""
    state = store.state()
    if state == READY or not store.embedded:
        return state, ""
    try:
        migrate(store)
    except StoreUnavailable as error:
        return UNREACHABLE, error.reason
    return store.state(), ""


def migrate(store: Store, to: str = "head") -> bool:
    """Apply the migrations up to a revision; return True where the database is ahead of this version and left as it is.

    StoreUnavailable where it fails. Concurrent migrations wait for each other.
    """
    if store.file:
        _create_file(store.file)
    with closing(store), store.writing() as connection:
        if not store.embedded:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        if _is_ahead(connection):
            return True
        _upgrade(connection, to)
    return False


def _create_file(file: Path) -> None:
    """Create the file of an embedded store, readable by its user only."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        message = f"{error.filename}: {error.strerror}"
        raise StoreUnavailable(message) from None


def _is_ahead(connection: "Connection") -> bool:
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - slow to load, and needed once per version

    revisions = MigrationContext.configure(connection).get_current_heads()
    return any(is_at_least(revision, REVISION) and revision != REVISION for revision in revisions)


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

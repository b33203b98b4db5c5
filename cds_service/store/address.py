"""Where the store is: the setting `store_url`, read and told without its password."""

import re
from pathlib import Path

from platformdirs import user_state_path
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from cds_service.errors import SettingsError

POSTGRESQL, SQLITE = "postgresql+psycopg", "sqlite"
_DRIVERS = {"postgresql": POSTGRESQL, "postgres": POSTGRESQL, POSTGRESQL: POSTGRESQL, SQLITE: SQLITE}
_EXPECTED = "must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:////PATH/OF/FILE"
_ESCAPE = "; in a user or password, write each of @ : / ? # [ ] % as % and two hex digits"


def store_address(text: str) -> URL:
    """Return the address that a setting gives, or the user's own file; SettingsError never repeats what was given."""
    if not text:
        return URL.create(SQLITE, database=str(user_state_path("plexus-cds") / "store.sqlite3"))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(_EXPECTED + _ESCAPE) from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None or not url.database or url.database == ":memory:":
        raise SettingsError(_EXPECTED)
    return _with_file(url) if driver == SQLITE else _with_options(url.set(drivername=driver))


def told(url: URL) -> str:
    """Return where a store is, for people: neither user nor password nor options."""
    if url.drivername == SQLITE:
        return f"SQLite at {url.database}"
    return f"PostgreSQL at {url.host or url.query.get('host', 'this machine')}, database {url.database}"


def _with_file(url: URL) -> URL:
    """Refuse what a file has no use for."""
    if url.query or url.host:
        message = f"{_EXPECTED}; a file takes neither a host nor options"
        raise SettingsError(message)
    return url.set(database=str(Path(url.database or "").absolute()))


def _with_options(url: URL) -> URL:
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

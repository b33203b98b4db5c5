"""Where the store is: the setting `store_url`, read and told without its password."""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from platformdirs import user_state_path

from cds_service.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


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

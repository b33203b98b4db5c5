"""What `plexus-cds check-config` says of the settings and their files: all that is wrong, or all that is in force."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from cds_service.auth import Client, Clients, read_clients
from cds_service.config.settings import PREFIX, Settings, read_settings
from cds_service.config.site_file import SiteFile, read_site_file
from cds_service.errors import SettingsError
from cds_service.knowledge import Knowledge
from cds_service.store import Store

_T = TypeVar("_T")


def in_force(site_file: str | None, knowledge: Knowledge, today: date) -> str:
    """Return what is in force on a day, or raise SettingsError with a line for each fault of settings and files."""
    path, clients_file = site_file or _given("SITE_FILE"), _given("CLIENTS_FILE")
    settings, wrong = _tried(read_settings)
    said, faults = _tried(lambda: read_site_file(Path(path), knowledge) if path else SiteFile())
    clients, more = _tried(lambda: _clients(clients_file, settings))
    if settings is None or said is None or clients is None:
        raise SettingsError("\n".join([*wrong, *faults, *more]))
    names = " and ".join(name for name in ("Settings", path, clients_file) if name)
    head = f"{names}: nothing wrong. In force on {today}:"
    return "\n".join([head, *_lines(settings, said, path, knowledge, today), *map(_client, clients)])


def _given(name: str) -> str:
    return os.environ.get(f"{PREFIX}{name}", "")


def _tried(read: Callable[[], _T]) -> tuple[_T | None, list[str]]:
    try:
        return read(), []
    except SettingsError as error:
        return None, [str(error)]


def _clients(path: str, settings: Settings | None) -> Clients:
    """Return the clients of a file; where the settings are wrong, it may say what development mode allows."""
    development = settings is None or settings.development
    return read_clients(Path(path), development=development) if path else Clients({})


def _lines(settings: Settings, said: SiteFile, path: str, knowledge: Knowledge, today: date) -> Iterator[str]:
    own = {"site_file": path, "store_url": repr(Store(settings.store_url.get_secret_value()))}
    in_all = {"limits": {**knowledge.lookback_windows, **said.limits}}
    for name, value in {**settings.model_dump(mode="json"), **own, **said.model_dump(mode="json"), **in_all}.items():
        yield f"  {name}: {_plain(value)}"
    if said.shadow and said.shadow.until < today:
        yield f"Note: the shadow mode ended on {said.shadow.until}; cards are shown."


def _client(client: Client) -> str:
    """Return a client with all that is in force for it; there is no secret in it."""
    said = client.model_dump(mode="json", exclude={"issuer"}) | {"tenants": client.tenants or "any"}
    return "\n".join([f"Client {client.issuer}:", *(f"  {name}: {_plain(value)}" for name, value in said.items())])


def _plain(value: Any) -> str:
    """Return a value as one would write it into a setting or a site file."""
    if value in (None, "", [], {}):
        return "none"
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

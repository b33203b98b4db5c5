"""What `plexus-cds check-config` says of the settings and the site file: all that is wrong, or all that is in force."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from cds_service.errors import SettingsError
from cds_service.knowledge import Knowledge
from cds_service.settings import PREFIX, Settings, read_settings
from cds_service.site import SiteFile, read_site_file
from cds_service.store import Store

_T = TypeVar("_T")


def in_force(site_file: str | None, knowledge: Knowledge, today: date) -> str:
    """Return what is in force on a day, or raise SettingsError with a line for each fault of settings and site file."""
    path = site_file or os.environ.get(f"{PREFIX}SITE_FILE", "")
    settings, wrong = _tried(read_settings)
    said, faults = _tried(lambda: read_site_file(Path(path), knowledge) if path else SiteFile())
    if settings is None or said is None:
        raise SettingsError("\n".join([*wrong, *faults]))
    head = f"Settings{' and ' + path if path else ''}: nothing wrong. In force on {today}:"
    return "\n".join([head, *_lines(settings, said, path, knowledge, today)])


def _tried(read: Callable[[], _T]) -> tuple[_T | None, list[str]]:
    try:
        return read(), []
    except SettingsError as error:
        return None, [str(error)]


def _lines(settings: Settings, said: SiteFile, path: str, knowledge: Knowledge, today: date) -> Iterator[str]:
    own = {"site_file": path, "store_url": repr(Store(settings.store_url.get_secret_value()))}
    in_all = {"limits": {**knowledge.limits, **said.limits}}
    for name, value in {**settings.model_dump(mode="json"), **own, **said.model_dump(mode="json"), **in_all}.items():
        yield f"  {name}: {_plain(value)}"
    if said.shadow and said.shadow.until < today:
        yield f"Note: the shadow mode ended on {said.shadow.until}; cards are shown."


def _plain(value: Any) -> str:
    """Return a value as one would write it into a setting or a site file."""
    if value in (None, "", [], {}):
        return "none"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

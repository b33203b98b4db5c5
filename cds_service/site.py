"""The site's own words: a TOML file beside the settings, read again whenever it changes."""

import json
import logging
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cds_service.errors import SettingsError
from cds_service.knowledge import Knowledge
from cds_service.model import Site
from cds_service.settings import Settings


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Coding(_Strict):
    """One code of the site's own."""

    system: str = Field(min_length=1)
    code: str = Field(min_length=1)


class LocalOrder(Coding):
    """A local order code, and the study that it asks for."""

    study: str


class Proposal(Coding):
    """The local order code of a study that we propose."""

    display: str = Field(min_length=1)


class Shadow(_Strict):
    """Decide without speaking, up to and with this day."""

    until: date


class SiteFile(_Strict):
    """All that a site can say; docs/integration.md has an example."""

    policy: Literal["broad", "focused"] = "broad"
    off: bool = False
    shadow: Shadow | None = None
    prefetch: tuple[Literal["allergies", "devices", "egfr"], ...] = ()
    limits: dict[str, Annotated[int, Field(ge=0, le=36500)]] = {}
    orders: tuple[LocalOrder, ...] = ()
    propose: dict[str, Proposal] = {}


def read_site_file(path: Path, knowledge: Knowledge) -> SiteFile:
    """Return a site file, or raise SettingsError with one line for each thing that is wrong with it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        said = SiteFile.model_validate(content)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{path.name} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise SettingsError(message) from None
    except ValidationError as error:
        raise SettingsError("\n".join(f"{path.name}: {_in_words(one)}" for one in error.errors())) from None
    if faults := list(_faults(said, knowledge)):
        raise SettingsError("\n".join(f"{path.name}: {fault}" for fault in faults))
    return said


def _in_words(error: Any) -> str:
    where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in error["loc"])
    what = "must be a table" if error["type"] in ("model_type", "dict_type") else error["msg"]
    return f"{where}: {what}"


def _faults(said: SiteFile, knowledge: Knowledge) -> Iterator[str]:
    yield from _unknown("limits", said.limits, knowledge.limits)
    yield from _unknown("propose", said.propose, knowledge.card["proposals"])
    studies = knowledge.studies
    for number, order in enumerate(said.orders, 1):
        yield from _unknown(f"orders.{number}.study", [order.study], studies)
    codes = [(order.system, order.code) for order in said.orders]
    for twice in sorted({code for code in codes if codes.count(code) > 1}):
        yield f"orders: {twice[1]} is mapped more than once"


def _unknown(where: str, given: Any, known: Any) -> Iterator[str]:
    for name in given:
        if name not in known:
            yield f"{where}: {name} is not known; there are: {', '.join(sorted(known))}"


class SiteSource:
    """The site as its settings and its file have it at this moment; a file that went wrong changes nothing."""

    def __init__(self, settings: Settings, knowledge: Knowledge) -> None:
        self._settings, self._knowledge = settings, knowledge
        self._path = Path(settings.site_file) if settings.site_file else None
        self._seen = self._stamp()
        self._said = read_site_file(self._path, knowledge) if self._path else SiteFile()

    def current(self, today: date) -> Site:
        """Return the site, its file read anew where it has changed: the kill switch needs no restart."""
        stamp = self._stamp()
        if self._path and stamp != self._seen:
            self._seen = stamp
            self._read(self._path)
        return effective(self._settings, self._said, today)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size) if status else None

    def _read(self, path: Path) -> None:
        try:
            self._said = read_site_file(path, self._knowledge)
            note = {"site_file": "read again", "off": self._said.off, "policy": self._said.policy}
        except SettingsError as error:
            note = {"site_file": "wrong; the one before stays in force", "fault": str(error)}
        logging.getLogger("plexus_cds").warning(json.dumps(note))


def effective(settings: Settings, said: SiteFile, today: date) -> Site:
    """Return what settings and site file amount to on a day."""
    return Site(
        public_url=settings.base_url,
        development=settings.development,
        policy=said.policy,
        limits=said.limits,
        studies={(order.system, order.code): order.study for order in said.orders},
        proposed_codings={study: (one.model_dump(),) for study, one in said.propose.items()},
        optional_keys=said.prefetch,
        is_off=said.off,
        is_shadow=said.shadow is not None and today <= said.shadow.until,
    )

"""The site's own words: a TOML file beside the settings, read again whenever it changes."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cds_service.config.settings import Settings
from cds_service.decision.record import KEY_NAME, KEYS
from cds_service.knowledge import Knowledge
from cds_service.model import Site
from cds_service.toml_file import read_toml
from cds_service.watched_file import WatchedFile


def one_of(names: Callable[[Knowledge], Collection[str]]) -> AfterValidator:
    """Refuse a name that the knowledge does not have; it is the context of the validation."""

    def check(name: str, info: ValidationInfo) -> str:
        known = names(info.context) if info.context else [name]
        if name not in known:
            message = f"{name} is not known; there are: {', '.join(sorted(known))}"
            raise ValueError(message)
        return name

    return AfterValidator(check)


def known_system(name: str, info: ValidationInfo) -> str:
    """Return a code system by the name that systems.csv gives it, or refuse one that we don't know."""
    if info.context is None:
        return name
    known = info.context.known_systems
    if name not in known:
        message = f"{name} is not known; there are: {', '.join(sorted(set(known.values())))}"
        raise ValueError(message)
    return str(known[name])


def unknown_system(name: str, info: ValidationInfo) -> str:
    """Refuse to take a system that we know for another one."""
    if info.context is not None and name in info.context.known_systems:
        message = f"{name} is known as {info.context.known_systems[name]} already"
        raise ValueError(message)
    return name


_LINKS = {
    "mailto": r"mailto:[^\s@]+@[^\s@]+",
    "https": r"https://[^\s/@]+(/\S*)?",
    "tel": r"tel:\+?[0-9][0-9().-]*",
}
"""The links that a contact may be, by scheme."""


def safe_contact(text: str) -> str:
    """Refuse a contact that is neither one line of plain text nor a link that a reader can safely follow."""
    text = text.strip()
    if not text or not text.isprintable():
        message = "must be one line of text"
        raise ValueError(message)
    scheme = re.match(r"([a-z][a-z0-9+.-]*):\S", text, re.IGNORECASE)
    if scheme and not re.fullmatch(_LINKS.get(scheme[1], ""), text):
        message = "must be plain text, or a link such as mailto:name@example.org, https://example.org/ or tel:+15550100"
        raise ValueError(message)
    return text


def key_name(name: str) -> str:
    """Refuse a name that is no plain one for a prefetch key of Conditions, or is that of another key."""
    if not KEY_NAME.fullmatch(name):
        message = "must be a letter, and then letters, digits, _, . or - (40 characters at most)"
        raise ValueError(message)
    if name in KEYS and name != "conditions":
        message = f"{name} is the key of something else; choose another name"
        raise ValueError(message)
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Coding(_Strict):
    """One code of the site's own."""

    system: str = Field(min_length=1)
    code: str = Field(min_length=1)


class LocalOrder(Coding):
    """A local order code, and the study that it asks for."""

    study: Annotated[str, one_of(lambda knowledge: knowledge.studies)]
    _named: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _name(self, info: ValidationInfo) -> Self:
        """Take in the name that systems.csv gives the system, for an order may have any of its spellings."""
        self._named = info.context.known_systems.get(self.system, self.system) if info.context else self.system
        return self

    @property
    def pair(self) -> tuple[str, str]:
        """Return the code with its system, by the name that systems.csv gives that."""
        return self._named, self.code


class Proposal(Coding):
    """The local order code of a study that we propose."""

    display: str = Field(min_length=1)


class Shadow(_Strict):
    """Decide without speaking, up to and with this day."""

    until: date


_PROBLEMS = "problem-list-item"


class SiteFile(_Strict):
    """All that a site can say; docs/integration.md has an example."""

    policy: Literal["broad", "focused"] = "broad"
    off: bool = False
    contact: Annotated[str, Field(max_length=200), AfterValidator(safe_contact)] = ""
    shadow: Shadow | None = None
    prefetch: tuple[
        Literal["allergies", "devices", "egfr", "encounters", "imaging_orders", "imaging_reports"], ...
    ] = ()
    conditions: dict[
        Annotated[str, AfterValidator(key_name)], Literal["problem-list-item", "encounter-diagnosis", "health-concern"]
    ] = {}
    limits: dict[
        Annotated[str, one_of(lambda knowledge: knowledge.lookback_windows)], Annotated[int, Field(ge=0, le=36500)]
    ] = {}
    systems: dict[
        Annotated[str, Field(min_length=1), AfterValidator(unknown_system)],
        Annotated[str, AfterValidator(known_system)],
    ] = {}
    orders: tuple[LocalOrder, ...] = ()
    propose: dict[Annotated[str, one_of(lambda knowledge: knowledge.card["proposals"])], Proposal] = {}
    override_reasons: dict[str, Annotated[str, one_of(lambda knowledge: knowledge.override_reasons)]] = {}

    @field_validator("conditions")
    @classmethod
    def _with_problems(cls, keys: dict[str, str]) -> dict[str, str]:
        """Refuse keys by which the problem list would not be asked for any more."""
        if keys and _PROBLEMS not in keys.values():
            message = f'one of the keys must have the category "{_PROBLEMS}": they take the place of `conditions`'
            raise ValueError(message)
        return keys

    @field_validator("orders")
    @classmethod
    def _once(cls, orders: tuple[LocalOrder, ...]) -> tuple[LocalOrder, ...]:
        times = Counter(order.pair for order in orders)
        if twice := sorted({code for (_, code), count in times.items() if count > 1}):
            message = f"mapped more than once: {', '.join(twice)}"
            raise ValueError(message)
        return orders


_TABLES: dict[str, type[BaseModel]] = {"shadow": Shadow, "orders": LocalOrder, "propose": Proposal}
"""What has names of its own within the file."""


def read_site_file(path: Path, knowledge: Knowledge) -> SiteFile:
    """Return a site file, or raise SettingsError with one line for each thing that is wrong with it."""
    return read_toml(path, SiteFile, _TABLES, knowledge)


class SiteSource:
    """The site as its settings and its file have it at this moment: the kill switch needs no restart."""

    def __init__(self, settings: Settings, knowledge: Knowledge) -> None:
        self._settings = settings
        self._file: WatchedFile[SiteFile] | None = None
        self._says_nothing = SiteFile()
        self._known: tuple[SiteFile, date, Site] | None = None
        if settings.site_file:
            read = partial(read_site_file, knowledge=knowledge)
            self._file = WatchedFile("site_file", Path(settings.site_file), read, _told)

    @property
    def file_state(self) -> str:
        """Return none, read, or wrong where the file before stays in force."""
        if self._file is None:
            return "none"
        return "wrong" if self._file.is_invalid else "read"

    def current(self, today: date) -> Site:
        """Return the site on a day; it is built anew where the day or the file is another one."""
        said = self._file.current() if self._file else self._says_nothing
        known = self._known
        if known is None or known[0] is not said or known[1] != today:
            self._known = known = (said, today, effective(self._settings, said, today))
        return known[2]


def _told(said: SiteFile) -> dict[str, Any]:
    return {"off": said.off, "policy": said.policy}


def effective(settings: Settings, said: SiteFile, today: date) -> Site:
    """Return what settings and site file amount to on a day."""
    return Site(
        public_url=settings.base_url,
        development=settings.development,
        policy=said.policy,
        limits=said.limits,
        systems=said.systems,
        studies={
            (said.systems.get(system, system), code): order.study
            for order in said.orders
            for system, code in [order.pair]
        },
        proposed_codings={study: (one.model_dump(),) for study, one in said.propose.items()},
        override_reasons=said.override_reasons,
        optional_keys=tuple(dict.fromkeys(said.prefetch)),
        condition_keys=said.conditions,
        contact=said.contact,
        is_off=said.off,
        is_shadow=said.shadow is not None and today <= said.shadow.until,
    )

"""The site file: a site's own codes, and how it uses each card, as TOML; read again whenever it changes."""

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
from cds_service.decision.record import KEY_NAME
from cds_service.knowledge import Knowledge
from cds_service.model import PREFETCH_KEYS, Dialect, OptionalKey, PrefetchName, Site
from cds_service.toml_file import read_toml
from cds_service.watched_file import WatchedFile


def one_of(names: Callable[[Knowledge], Collection[str]]) -> AfterValidator:
    """Return a validator that refuses a name that is not in the knowledge, which is the context of the validation."""

    def check(name: str, info: ValidationInfo) -> str:
        known = names(info.context) if info.context else [name]
        if name not in known:
            message = f"{name} is not known; there are: {', '.join(sorted(known))}"
            raise ValueError(message)
        return name

    return AfterValidator(check)


def known_system(name: str, info: ValidationInfo) -> str:
    """Return a code system under its name in systems.csv; ValueError where it is not there."""
    if info.context is None:
        return name
    known = info.context.known_systems
    if name not in known:
        message = f"{name} is not known; there are: {', '.join(sorted(set(known.values())))}"
        raise ValueError(message)
    return str(known[name])


def unknown_system(name: str, info: ValidationInfo) -> str:
    """Return the URI of a code system that systems.csv does not have; ValueError where it does."""
    if info.context is not None and name in info.context.known_systems:
        message = f"{name} is known as {info.context.known_systems[name]} already"
        raise ValueError(message)
    return name


_LINKS = {
    "mailto": r"mailto:[^\s@]+@[^\s@]+",
    "https": r"https://[^\s/@]+(/\S*)?",
    "tel": r"tel:\+?[0-9][0-9().-]*",
}
"""The links that a contact may be, by their scheme."""


def safe_contact(text: str) -> str:
    """Return a contact that is one line of plain text or a safe link; ValueError for anything else."""
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
    """Return the name of a prefetch key for Conditions; ValueError where it has odd characters or is another key's."""
    if not KEY_NAME.fullmatch(name):
        message = "must be a letter, and then letters, digits, _, . or - (40 characters at most)"
        raise ValueError(message)
    if name in PREFETCH_KEYS and name != "conditions":
        message = f"{name} is the key of something else; choose another name"
        raise ValueError(message)
    return name


def alias_name(name: str) -> str:
    """Return another name of a prefetch key; ValueError where it has odd characters or is a key already."""
    if not KEY_NAME.fullmatch(name) or name in PREFETCH_KEYS:
        message = (
            "must be another name: a letter, and then letters, digits, _, . or - (40 characters at most), "
            "and none of the service's own keys"
        )
        raise ValueError(message)
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Coding(_Strict):
    """A local code."""

    system: str = Field(min_length=1)
    code: str = Field(min_length=1)


class LocalOrder(Coding):
    """A local order code, and the study that it orders."""

    study: Annotated[str, one_of(lambda knowledge: knowledge.studies)]
    _named: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _name(self, info: ValidationInfo) -> Self:
        """Take the name of the system in systems.csv, as an order may have any of its spellings."""
        self._named = info.context.known_systems.get(self.system, self.system) if info.context else self.system
        return self

    @property
    def pair(self) -> tuple[str, str]:
        """Return the code with its system, under the name of that in systems.csv."""
        return self._named, self.code


class Proposal(Coding):
    """The local code that a proposed order carries first."""

    display: str = Field(min_length=1)


class Shadow(_Strict):
    """Decide and log without showing a card, through this day."""

    until: date


_PROBLEMS = "problem-list-item"

MAX_DISMISSAL_HOURS = 48
"""The keys of order hashes are kept for two days (store/order_hashes.py): no order is recognized after that."""


class CardSettings(_Strict):
    """How a site uses one card."""

    policy: Literal["broad", "focused"] = "broad"
    off: bool = False
    dismissal_hours: int = Field(default=0, ge=0, le=MAX_DISMISSAL_HOURS, strict=True)
    shadow: Shadow | None = None
    lookback: dict[
        Annotated[str, one_of(lambda knowledge: knowledge.lookback_windows)], Annotated[int, Field(ge=0, le=36500)]
    ] = {}
    propose: dict[Annotated[str, one_of(lambda knowledge: knowledge.card["proposals"])], Proposal] = {}


class SiteFile(_Strict):
    """All that a site can set; docs/integration.md has an example."""

    dialect: Dialect = "standard"
    contact: Annotated[str, Field(max_length=200), AfterValidator(safe_contact)] = ""
    prefetch: tuple[OptionalKey, ...] = ()
    conditions: dict[
        Annotated[str, AfterValidator(key_name)], Literal["problem-list-item", "encounter-diagnosis", "health-concern"]
    ] = {}
    prefetch_aliases: dict[PrefetchName, Annotated[str, AfterValidator(alias_name)]] = {}
    systems: dict[
        Annotated[str, Field(min_length=1), AfterValidator(unknown_system)],
        Annotated[str, AfterValidator(known_system)],
    ] = {}
    orders: tuple[LocalOrder, ...] = ()
    override_reasons: dict[str, Annotated[str, one_of(lambda knowledge: knowledge.override_reasons)]] = {}
    cards: dict[Annotated[str, one_of(lambda knowledge: [knowledge.card_id])], CardSettings] = {}

    def card(self, card_id: str) -> CardSettings:
        """Return how the site uses a card: all defaults where the file does not mention it."""
        return self.cards.get(card_id, CardSettings())

    @field_validator("conditions")
    @classmethod
    def _with_problems(cls, keys: dict[str, str]) -> dict[str, str]:
        """Refuse keys without the problem list, which would no longer be requested."""
        if keys and _PROBLEMS not in keys.values():
            message = f'one of the keys must have the category "{_PROBLEMS}": they take the place of `conditions`'
            raise ValueError(message)
        return keys

    @model_validator(mode="after")
    def _distinct_keys(self) -> Self:
        """Refuse a name of a prefetch key that stands for two."""
        names = Counter([*self.prefetch_aliases.values(), *self.conditions])
        if twice := sorted(name for name, count in names.items() if count > 1):
            message = f"prefetch_aliases: {', '.join(twice)} would stand for more than one key"
            raise ValueError(message)
        return self

    @field_validator("orders")
    @classmethod
    def _each_once(cls, orders: tuple[LocalOrder, ...]) -> tuple[LocalOrder, ...]:
        """Refuse a code that is mapped twice."""
        times = Counter(order.pair for order in orders)
        if twice := sorted({code for (_, code), count in times.items() if count > 1}):
            message = f"mapped more than once: {', '.join(twice)}"
            raise ValueError(message)
        return orders


_TABLES: dict[str, type[BaseModel]] = {
    "cards": CardSettings,
    "shadow": Shadow,
    "orders": LocalOrder,
    "propose": Proposal,
}
"""The tables within the file."""

_MOVED = {"off": "off", "policy": "policy", "shadow": "shadow", "limits": "lookback", "propose": "propose"}
"""What stood at the top of the file before it had a table for each card, and its name there."""


def read_site_file(path: Path, knowledge: Knowledge) -> SiteFile:
    """Return a site file, or raise SettingsError with one line for each thing that is wrong with it."""
    moved = {name: f"cards.{knowledge.card_id}.{now}" for name, now in _MOVED.items()}
    return read_toml(path, SiteFile, _TABLES, knowledge, moved)


class SiteSource:
    """The site as its settings and its file have it at this moment: the kill switch needs no restart."""

    def __init__(self, settings: Settings, knowledge: Knowledge) -> None:
        self._settings = settings
        self._card_id = knowledge.card_id
        self._file: WatchedFile[SiteFile] | None = None
        self._empty_file = SiteFile()
        self._cached: tuple[SiteFile, date, Site] | None = None
        if settings.site_file:
            read = partial(read_site_file, knowledge=knowledge)
            self._file = WatchedFile("site_file", Path(settings.site_file), read, self._log_fields)

    @property
    def file_state(self) -> str:
        """Return none, read, or wrong where the version before stays in effect."""
        if self._file is None:
            return "none"
        return "wrong" if self._file.is_invalid else "read"

    def current(self, today: date) -> Site:
        """Return the site on a day; it is built anew where the day or the file has changed."""
        file = self._file.current() if self._file else self._empty_file
        cached = self._cached
        if cached is None or cached[0] is not file or cached[1] != today:
            self._cached = cached = (file, today, effective_site(self._settings, file, self._card_id, today))
        return cached[2]

    def _log_fields(self, file: SiteFile) -> dict[str, Any]:
        card = file.card(self._card_id)
        return {"off": card.off, "policy": card.policy}


def effective_site(settings: Settings, file: SiteFile, card_id: str, today: date) -> Site:
    """Return what settings and site file amount to for a card on a day."""
    card = file.card(card_id)
    return Site(
        public_url=settings.base_url,
        development=settings.development,
        dialect=file.dialect,
        policy=card.policy,
        lookback=card.lookback,
        systems=file.systems,
        studies={
            (file.systems.get(system, system), code): order.study
            for order in file.orders
            for system, code in [order.pair]
        },
        proposed_codings={study: (coding.model_dump(),) for study, coding in card.propose.items()},
        override_reasons=file.override_reasons,
        optional_keys=tuple(dict.fromkeys(file.prefetch)),
        prefetch_aliases=file.prefetch_aliases,
        condition_keys=file.conditions,
        contact=file.contact,
        dismissal_hours=card.dismissal_hours,
        is_off=card.off,
        is_shadow=card.shadow is not None and today <= card.shadow.until,
    )

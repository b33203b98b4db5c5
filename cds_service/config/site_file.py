"""The site file: a site's own codes, and how it uses each card, as TOML; read again whenever it changes."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cds_service.config.settings import Settings
from cds_service.decision.record import KEY_NAME
from cds_service.decision.studies import study_of
from cds_service.knowledge import Knowledge
from cds_service.model import LEVEL_NOT_STATED, PREFETCH_KEYS, Dialect, OptionalKey, PrefetchName, Site
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


def states_a_study(name: str) -> str:
    """Return what an order is mapped to; ValueError where that says no more than no mapping would."""
    if name == LEVEL_NOT_STATED:
        message = f"{name} is no study; leave the code out: an order whose code is not mapped is read by its words"
        raise ValueError(message)
    return name


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


def one_or_more(names: Any) -> Any:
    """Return a list of names, of which the file may have one without brackets."""
    return [names] if isinstance(names, str) else names


def alias_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return other names of a prefetch key; ValueError where one has odd characters, or the only one is a key."""
    for name in names:
        if not KEY_NAME.fullmatch(name) or (name in PREFETCH_KEYS and len(names) == 1):
            message = (
                "must be another name: a letter, and then letters, digits, _, . or - (40 characters at most), "
                "and none of the service's own keys"
            )
            raise ValueError(message)
    return names


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""A text without the blanks around it that come with copying: a code with one would match no order."""


class Coding(_Strict):
    """A local code."""

    system: _Text
    code: _Text
    _named: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _name(self, info: ValidationInfo) -> Self:
        """Take the name of the system in systems.csv, as an order may have any of its spellings."""
        self._named = info.context.known_systems.get(self.system, self.system) if info.context else self.system
        return self

    def pair(self, systems: Mapping[str, str]) -> tuple[str, str]:
        """Return the code with its system, as `systems` names that of the site, or else systems.csv."""
        return systems.get(self._named, self._named), self.code


class LocalOrder(Coding):
    """A local order code, and the study that it orders."""

    study: Annotated[str, AfterValidator(states_a_study), one_of(lambda knowledge: knowledge.studies)]


class Proposal(Coding):
    """The local code that a proposed order carries first."""

    display: _Text


class Shadow(_Strict):
    """Decide and log without showing a card, through this day."""

    until: Annotated[date, Field(strict=True)]


PROBLEM_LIST = "problem-list-item"
"""The category of Conditions (US Core) without which a patient's history would not be requested."""
_NOT_WATCHED = "not_watched"

MAX_DISMISSAL_HOURS = 48
"""The keys of order hashes are kept for two days (store/order_hashes.py): no order is recognized after that."""


class CardSettings(_Strict):
    """How a site uses one card."""

    policy: Literal["broad", "focused"] = "broad"
    off: StrictBool = False
    dismissal_hours: int = Field(default=0, ge=0, le=MAX_DISMISSAL_HOURS, strict=True)
    shadow: Shadow | None = None
    lookback: dict[
        Annotated[str, one_of(lambda knowledge: knowledge.lookback_windows)],
        Annotated[int, Field(ge=0, le=36500, strict=True)],
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
    prefetch_aliases: dict[
        PrefetchName,
        Annotated[
            tuple[str, ...],
            BeforeValidator(one_or_more),
            Field(min_length=1, max_length=20),
            AfterValidator(alias_names),
        ],
    ] = {}
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
        if keys and PROBLEM_LIST not in keys.values():
            message = f'one of the keys must have the category "{PROBLEM_LIST}": they take the place of `conditions`'
            raise ValueError(message)
        return keys

    @field_validator("prefetch_aliases")
    @classmethod
    def _split_once(cls, aliases: dict[str, tuple[str, ...]], info: ValidationInfo) -> dict[str, tuple[str, ...]]:
        """Refuse Conditions that are split twice."""
        if info.data.get("conditions") and len(aliases.get("conditions", ())) > 1:
            message = "conditions has several names, and so has [conditions]; use one of the two"
            raise ValueError(message)
        return aliases

    @field_validator("prefetch_aliases")
    @classmethod
    def _distinct_keys(cls, aliases: dict[str, tuple[str, ...]], info: ValidationInfo) -> dict[str, tuple[str, ...]]:
        """Refuse a name of a prefetch key that stands for two; of our own, a list may have only that of its key."""
        pairs = [(key, name) for key, names in aliases.items() for name in names]
        names = Counter([*(name for _, name in pairs), *info.data.get("conditions", ())])
        names.update(name for key, name in pairs if name in PREFETCH_KEYS and name != key)
        if twice := sorted(name for name, count in names.items() if count > 1):
            message = f"{', '.join(twice)} would stand for more than one key, or twice for one"
            raise ValueError(message)
        return aliases

    @field_validator("orders")
    @classmethod
    def _each_once(cls, orders: tuple[LocalOrder, ...], info: ValidationInfo) -> tuple[LocalOrder, ...]:
        """Refuse a code that is mapped twice."""
        times = Counter(order.pair(info.data.get("systems", {})) for order in orders)
        if twice := sorted({code for (_, code), count in times.items() if count > 1}):
            message = f"mapped more than once: {', '.join(twice)}"
            raise ValueError(message)
        return orders

    @field_validator("cards")
    @classmethod
    def _proposals_order_what_they_say(
        cls, cards: dict[str, CardSettings], info: ValidationInfo
    ) -> dict[str, CardSettings]:
        """Refuse a code under `propose` that is another study's: a button would order what the card does not say."""
        systems = info.data.get("systems", {})
        mapped = {order.pair(systems): order.study for order in info.data.get("orders", ())}
        for card in cards.values():
            if faults := [*_wrong_proposals(card.propose, mapped, systems, info.context)]:
                raise ValueError("; ".join(faults))
        return cards


def _wrong_proposals(
    proposals: Mapping[str, Proposal],
    mapped: Mapping[tuple[str, str], str],
    systems: Mapping[str, str],
    knowledge: Knowledge | None,
) -> Iterator[str]:
    """Yield what is wrong with the codes under `propose`, by the studies of the codes under [[orders]]."""
    proposed: dict[tuple[str, str], str] = {}
    for name, proposal in proposals.items():
        pair = proposal.pair(systems)
        study, other = mapped.get(pair, _NOT_WATCHED), proposed.setdefault(pair, name)
        if other != name:
            yield f"propose.{other} and propose.{name} have one code, {proposal.code}, but are two studies"
        if knowledge and study not in (allowed := [*_studies_of(name, knowledge), _NOT_WATCHED]):
            yield (
                f"propose.{name}.code: {proposal.code} is mapped to {study} under [[orders]], which is another study; "
                f"a code of this one is mapped to {' or '.join(allowed[:-1])}"
            )


def _studies_of(proposal: str, knowledge: Knowledge) -> list[str]:
    """Return the studies to which a code of a proposed study may be mapped."""
    own, _ = study_of({"code": knowledge.card["proposals"][proposal]["code"]}, knowledge, Site())
    same = [row.same_as for row in knowledge.watched.values() if row.proposes == proposal]
    return sorted({own}.union(*same))


_TABLES: dict[str, type[BaseModel]] = {
    "cards": CardSettings,
    "shadow": Shadow,
    "orders": LocalOrder,
    "propose": Proposal,
}
"""The tables within the file."""

_MOVED = {"limits": "lookback", **{name: name for name in CardSettings.model_fields}}
"""What belongs to a card, though it is at the top of the file, where some of it stood before; and its name there."""


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
        studies={order.pair(file.systems): order.study for order in file.orders},
        proposed_codings={study: (coding.model_dump(),) for study, coding in card.propose.items()},
        override_reasons=file.override_reasons,
        optional_keys=tuple(dict.fromkeys(file.prefetch)),
        prefetch_aliases={key: names[0] for key, names in file.prefetch_aliases.items() if len(names) == 1},
        prefetch_parts={key: names for key, names in file.prefetch_aliases.items() if len(names) > 1},
        condition_keys=file.conditions,
        contact=file.contact,
        dismissal_hours=card.dismissal_hours,
        is_off=card.off,
        is_shadow=card.shadow is not None and today <= card.shadow.until,
    )


def unrecognized_proposals(site: Site, knowledge: Knowledge) -> Iterator[tuple[str, str]]:
    """Yield (study, code) of each proposed code that is not mapped: an accepted order may come back with no other."""
    for study, codings in site.proposed_codings.items():
        for coding in codings:
            system = site.systems.get(coding["system"], coding["system"])
            if (knowledge.known_systems.get(system, system), coding["code"]) not in site.studies:
                yield study, coding["code"]

"""The rule content of cards/: read once, validated, and compiled for decisions."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import product
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.knowledge import about
from cds_service.knowledge.about import About
from cds_service.knowledge.card_files import CardFiles, Rows, read_card_files
from cds_service.knowledge.terminology import CodeSystems, Member, Terminology, members
from cds_service.knowledge.text_matchers import OrderTextMatcher, SiteTextMatcher
from cds_service.knowledge.typed_text import TypedTextReader
from cds_service.knowledge.validation import check
from cds_service.model import LEVEL_NOT_STATED, History, Presentation

CARD = "lumbosacral_plexus_mri"
ELEMENTS = (
    "Condition.verificationStatus",
    "Condition.code.certainty",
    "AllergyIntolerance.verificationStatus",
    "Procedure.status",
    "Encounter.status",
    "DiagnosticReport.status",
    "Device.status",
    "Observation.status",
    "imaging_order.status",
    "ServiceRequest.status",
)
"""The elements by whose status an entry may not count."""


@dataclass(frozen=True, slots=True)
class WatchedRow:
    """A study that the card monitors, what it proposes, and the studies that make the proposal needless."""

    study: str
    proposes: str
    same_as: frozenset[str]
    suggestions: tuple[str, ...]
    only_for: str
    """The presentation that the order's own reason must give, or no text where none is asked for."""


@dataclass(frozen=True, slots=True)
class DecisionTableRow:
    """The indicator of a card and the suggestion that it recommends (contract section 6)."""

    indicator: str
    recommended: str
    """The suggestion that is recommended, or no text where none is."""


@dataclass(frozen=True, slots=True)
class ReservationRow:
    """A reason against recommending a suggestion, its studies, and the strongest indicator that the card then has."""

    reason: str
    studies: frozenset[str]
    at_most: str
    """An indicator, or no text where the card may be as strong as it is."""
    words: str


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One card's knowledge, ready for decisions."""

    version: str
    plan: Mapping[str, Any]
    card: Mapping[str, Any]
    terminology: Terminology = field(compare=False)  # made of value_sets
    words: OrderTextMatcher
    reason_words: TypedTextReader = field(compare=False)  # made of reason_rows
    site_words: SiteTextMatcher = field(compare=False)  # made of its table
    known_systems: CodeSystems = field(compare=False)
    """The code systems that we know, in all their spellings."""
    watched: Mapping[str, WatchedRow]
    reservations: tuple[ReservationRow, ...]
    decision_table: Mapping[tuple[str, History, Presentation], DecisionTableRow]
    lookback_windows: Mapping[str, int]
    silences: Mapping[str, str]
    ratings: Mapping[str, Mapping[str, str]]
    refused: Mapping[str, frozenset[str]]
    active: frozenset[str]
    status_wording: Mapping[str, str]
    value_sets: Mapping[str, Mapping[str, Any]]
    entries: Mapping[str, int]
    """How many codes, categories and patterns each value set has."""
    phrases: Mapping[str, list[str]]
    unknowns: Rows
    lookback_window_rows: Rows
    reason_rows: Rows
    signatures: Rows
    about: About

    @property
    def card_id(self) -> str:
        """Return the id of the card's PlanDefinition, by which services, pages and site files name the card."""
        card_id: str = self.plan["id"]
        return card_id

    @property
    def studies(self) -> frozenset[str]:
        """Return the studies that an order can ask for."""
        return frozenset(member.term.means for member in self.terminology.families["order"]) - {LEVEL_NOT_STATED}

    @property
    def override_reasons(self) -> tuple[str, ...]:
        """Return the codes of the reasons for which a clinician can dismiss a card."""
        return tuple(reason["code"] for reason in self.card["override_reasons"])

    @property
    def source_attributes(self) -> Rows:
        """Return the source attributes; their citations are those on which the card itself rests."""
        rows = (*self.ratings.values(), *self.card["orders"].values())
        used = {label for row in rows for label in row["citation"].split()}
        return about.filled(self.about.attributes, self.plan, used, self.version)

    def status_words(self, codes: list[str]) -> str:
        """Return our words for a clinical status, or no text for one that goes without saying."""
        for code in codes:
            if code in self.status_wording:
                return self.status_wording[code]
        return ""


def folder_of(card: str) -> Traversable:
    """Return the folder of a card as it is installed."""
    return files("cds_service.cards") / card


def load(root: Traversable | None = None) -> Knowledge:
    """Return the knowledge under `root` (default: the package's own), or raise KnowledgeError with every fault."""
    card_files = read(root)
    check(card_files)
    return compiled(card_files)


def read(root: Traversable | None = None) -> CardFiles:
    """Return the knowledge under `root` as it is written, not checked yet."""
    return read_card_files(root or files("cds_service.cards"), CARD)


def compiled(card_files: CardFiles) -> Knowledge:
    """Return knowledge in which the checks found nothing wrong, ready for decisions."""
    try:
        return _compiled(card_files)
    except (KeyError, TypeError, ValueError) as error:
        message = f"cards/{CARD} is not complete: {error!r}"
        raise KnowledgeError(message) from error


def _compiled(card_files: CardFiles) -> Knowledge:
    tables = card_files.tables
    systems = CodeSystems(card_files.systems)
    families = _families(card_files, systems)
    return Knowledge(
        version=f"{card_files.plan['version']}+{card_files.digest}",
        plan=card_files.plan,
        card=card_files.card,
        terminology=Terminology(families, systems),
        words=OrderTextMatcher.compiled(_phrases(tables["words"])),
        reason_words=TypedTextReader(tables["reason_words"]),
        site_words=SiteTextMatcher(tables["site_words"]),
        known_systems=systems,
        reservations=tuple(map(_reservation, tables["reservations"])),
        watched={row["study"]: _watched(row) for row in tables["watched_orders"]},
        decision_table=dict(_cells(tables["decision_table"])),
        lookback_windows={row["limit"]: int(row["value"]) for row in tables["lookback_windows"]},
        silences={row["reason"]: row["words"] for row in tables["silences"]},
        ratings={row["study"]: row for row in tables["ratings"]},
        refused=_refused(tables["statuses"]),
        active=frozenset(row["code"] for row in tables["statuses"] if row["active"] == "yes"),
        status_wording={row["code"]: row["wording"] for row in tables["statuses"] if row["wording"]},
        value_sets=card_files.value_sets,
        entries=Counter(member.term.value_set for listed in families.values() for member in listed),
        phrases=_phrases(tables["words"]),
        unknowns=tables["unknowns"],
        lookback_window_rows=tables["lookback_windows"],
        reason_rows=tables["reason_words"],
        signatures=card_files.signatures,
        about=about.compiled(card_files),
    )


def _families(card_files: CardFiles, systems: CodeSystems) -> dict[str, list[Member]]:
    """Return the members of all value sets by family, in the order of valuesets.csv."""
    families: dict[str, list[Member]] = defaultdict(list)
    for row in card_files.tables["valuesets"]:
        value_set, is_metastatic = card_files.value_sets[row["value_set"]], row["metastatic"] == "yes"
        families[row["family"]] += members(value_set, row["means"], systems, metastatic=is_metastatic)
    return dict(families)


def _phrases(rows: Rows) -> dict[str, list[str]]:
    phrases: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        phrases[row["meaning"]].append(row["words"])
    return dict(phrases)


def _watched(row: Mapping[str, str]) -> WatchedRow:
    same_as = frozenset(row["same_as"].split())
    return WatchedRow(row["study"], row["proposes"], same_as, tuple(row["suggestions"].split()), row["only_for"])


def _reservation(row: Mapping[str, str]) -> ReservationRow:
    return ReservationRow(row["reason"], frozenset(row["studies"].split()), row["at_most"], row["words"])


def _cells(rows: Rows) -> Iterator[tuple[tuple[str, History, Presentation], DecisionTableRow]]:
    """Yield each cell of the decision table; `any` stands for all."""
    for row in rows:
        histories = History if row["history"] == "any" else (History(row["history"]),)
        presentations = Presentation if row["presentation"] == "any" else (Presentation(row["presentation"]),)
        for history, presentation in product(histories, presentations):
            yield (row["study"], history, presentation), DecisionTableRow(row["indicator"], row["recommended"])


def _refused(rows: Rows) -> dict[str, frozenset[str]]:
    refused: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["counts"] == "no":
            refused[row["element"]].add(row["code"].lower())
    return {element: frozenset(refused[element]) for element in ELEMENTS}

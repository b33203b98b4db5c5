"""The contradictions for which knowledge is refused, each with a sentence that says what to mend."""

from collections.abc import Iterator
from itertools import product
from string import Template
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.knowledge.folder import Folder
from cds_service.model import History, Presentation
from cds_service.schemas import first_fault

HOLES = {
    "detail": {"about", "findings", "misses", "rating", "check_first", "keep", "incomplete"},
    "about": {"order", "position", "count"},
    "rating": {"category", "radiation", "name"},
    "orders": {"proposed"},
    "findings": {
        *("finding", "count", "site", "treats", "until", "ago", "recorded", "status", "since"),
    },
    "check_first": {"what"},
    "durations": {"count"},
    "incomplete": {"count", "missing"},
    "suggestions": {"proposed", "alternative", "order"},
    "links": {"public_url"},
}
"""The $holes that the code fills, by the part of card.json where they may stand."""

ASKED = ("rule_off", "nothing_watched", "already_drafted", "no_history")
"""The silences that the path of a call itself needs words for."""

SUMMARY_LIMIT = 139
"""CDS Hooks 2.0.1, Card: a summary has fewer than 140 characters."""


def check(folder: Folder) -> None:
    """Raise KnowledgeError with everything that is wrong, a sentence each."""
    faults = list(_faults(folder))
    if faults:
        raise KnowledgeError("\n".join(faults))


def _faults(folder: Folder) -> Iterator[str]:
    if fault := first_fault("card", folder.card):
        yield f"card.json: {fault}"
        return
    yield from _value_set_faults(folder)
    yield from _rating_faults(folder)
    yield from _proposal_faults(folder)
    yield from _table_faults(folder)
    yield from _hole_faults(folder.card)


def _value_set_faults(folder: Folder) -> Iterator[str]:
    listed = [row["value_set"] for row in folder.tables["valuesets"]]
    for name in sorted(set(listed) ^ set(folder.value_sets)):
        yield f"valuesets.csv and the folder valuesets do not agree on {name}"
    for name, value_set in folder.value_sets.items():
        if fault := first_fault("value_set", value_set):
            yield f"valuesets/{name}.json: {fault}"


def _rating_faults(folder: Folder) -> Iterator[str]:
    for row in folder.tables["ratings"]:
        if row["value_set"] not in folder.value_sets:
            yield f"ratings.csv: {row['study']} has no value set"


def _proposal_faults(folder: Folder) -> Iterator[str]:
    rated = {row["study"]: row["value_set"] for row in folder.tables["ratings"]}
    for study, proposal in folder.card["proposals"].items():
        names = [rated.get(study, ""), *proposal["value_sets"]]
        known = {pair for name in names if name in folder.value_sets for pair in _pairs(folder.value_sets[name])}
        for coding in proposal["code"]["coding"]:
            if (coding["system"], coding["code"]) not in known:
                yield f"card.json: {study} proposes {coding['code']}, which is in none of its value sets"
    for row in folder.tables["watched_orders"]:
        if row["proposes"] not in folder.card["proposals"]:
            yield f"watched_orders.csv: {row['study']} proposes {row['proposes']}, which card.json does not have"


def _pairs(value_set: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", []):
            yield include["system"], concept["code"]


def _table_faults(folder: Folder) -> Iterator[str]:
    studies = [row["study"] for row in folder.tables["watched_orders"]]
    for study in studies:
        if study not in folder.card["orders"]:
            yield f"card.json: no texts for the watched order {study}"
        for history, presentation in product((History.IN_REACH, History.REMOTE_ONLY), Presentation):
            there = any(_is_cell(row, study, history, presentation) for row in folder.tables["strength"])
            if not there and presentation in _asked_for(folder, study):
                yield f"strength.csv: no row for {study}, {history} and {presentation}"
    for row in folder.tables["strength"]:
        if row["indicator"] not in ("info", "warning"):
            yield f"strength.csv: {row['indicator']} is neither info nor warning"
    for reason in sorted(set(ASKED) - {row["reason"] for row in folder.tables["silences"]}):
        yield f"silences.csv: no row for {reason}"


def _asked_for(folder: Folder, study: str) -> list[Presentation]:
    """Return the presentations with which a study can come to the decision table."""
    only = next(row["only_for"] for row in folder.tables["watched_orders"] if row["study"] == study)
    return [Presentation(only)] if only else list(Presentation)


def _is_cell(row: dict[str, str], study: str, history: History, presentation: Presentation) -> bool:
    return row["study"] == study and row["history"] in (history, "any") and row["presentation"] in (presentation, "any")


def _hole_faults(card: dict[str, Any]) -> Iterator[str]:
    for part, filled in HOLES.items():
        for text in _texts(card[part]):
            unknown = set(Template(text).get_identifiers()) - filled
            if unknown:
                yield f"card.json: nothing fills ${', $'.join(sorted(unknown))} in {part}"
    for (study, order), proposal in product(card["orders"].items(), card["proposals"].values()):
        for indicator in ("info", "warning"):
            said = Template(order[indicator]).safe_substitute(proposed=proposal["code"]["text"])
            if len(said) > SUMMARY_LIMIT:
                yield f"card.json: the {indicator} of {study} has {len(said)} characters, {SUMMARY_LIMIT} are allowed"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)

"""The contradictions for which knowledge is refused, each with a sentence that says what to mend."""

from collections.abc import Iterator
from string import Template
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.knowledge.folder import Folder
from cds_service.model import History, Presentation
from cds_service.schemas import first_fault

HOLES = {
    "detail": {"about", "findings", "misses", "keep", "category", "radiation", "incomplete", "scenario"},
    "summary": {"proposed", "order"},
    "links": {"public_url"},
}
"""The $holes that the code fills, by the part of card.json where they may stand."""

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
    cells = {(row["history"], row["presentation"]) for row in folder.tables["strength"]}
    for history in (History.IN_REACH, History.REMOTE_ONLY):
        for presentation in Presentation:
            if (history, presentation) not in cells:
                yield f"strength.csv: no row for {history} and {presentation}"
    for row in folder.tables["strength"]:
        if row["indicator"] not in ("info", "warning"):
            yield f"strength.csv: {row['indicator']} is neither info nor warning"


def _hole_faults(card: dict[str, Any]) -> Iterator[str]:
    for part, filled in HOLES.items():
        for text in _texts(card[part]):
            unknown = set(Template(text).get_identifiers()) - filled
            if unknown:
                yield f"card.json: nothing fills ${', $'.join(sorted(unknown))} in {part}"
    for proposal in card["proposals"].values():
        for order in card["orders"].values():
            for text in card["summary"].values():
                said = Template(text).safe_substitute(proposed=proposal["code"]["text"], order=order["name"])
                if len(said) > SUMMARY_LIMIT:
                    yield f"card.json: the summary has {len(said)} characters, and {SUMMARY_LIMIT} are allowed"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)

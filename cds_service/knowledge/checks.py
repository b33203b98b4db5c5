"""The contradictions for which knowledge is refused, each with a sentence that says what to mend."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.knowledge.folder import Folder, Rows
from cds_service.knowledge.holes import hole_faults
from cds_service.knowledge.reason_words import PARTS
from cds_service.schemas import first_fault
from cds_service.vocabulary import History, Presentation

_NEEDED = {
    "silences": ("reason", {"rule_off", "nothing_watched", "already_drafted", "no_history"}),
    "limits": (
        "limit",
        {
            *("presentation", "plexus_mri_done", "emergency", "trauma", "acute_kidney_injury", "pregnancy"),
            *("egfr", "egfr_below"),
        },
    ),
    "words": (
        "meaning",
        {
            *("mr", "plexus", "other_plexus", "special_technique", "other_spine_level", "other_modality"),
            *("lumbar_spine", "with_contrast", "without_contrast"),
        },
    ),
}
"""The rows that the code asks for, by table and column."""

_NEEDED_LISTS = {"negation", "question", "scope_end", *PARTS}
"""The lists of reason_words.csv that the code asks for."""


def check(folder: Folder) -> None:
    """Raise KnowledgeError with everything that is wrong, a sentence each."""
    faults = list(_shape_faults(folder)) or list(_faults(folder))
    if faults:
        raise KnowledgeError("\n".join(faults))


def _shape_faults(folder: Folder) -> Iterator[str]:
    """Yield what is wrong with a file by itself; only when nothing is are the files held against each other."""
    if fault := first_fault("card", folder.card):
        yield f"card.json: {fault}"
    for table, rows in folder.tables.items():
        if fault := first_fault("tables", {table: rows}):
            yield _of_table(fault, rows)
    for name, value_set in folder.value_sets.items():
        if fault := first_fault("value_set", value_set):
            yield f"valuesets/{name}.json: {fault}"
        elif value_set["id"] != name:
            yield f"valuesets/{name}.json: its id is {value_set['id']}"


def _of_table(fault: str, rows: Rows) -> str:
    """Return `strength.2.history must ...` as a sentence about a row of a table; its head is line 1."""
    where, _, what = fault.partition(" ")
    table, *row = where.split(".")
    if not row:
        return f"{table}.csv: {what}"
    cells = rows[int(row[0])]
    stands = f" ({', '.join(str(cell) for cell in cells.values() if cell)})"
    return f"{table}.csv: line {int(row[0]) + 2}: {' '.join([*row[1:], what])}{stands}"


def _faults(folder: Folder) -> Iterator[str]:
    yield from _value_set_faults(folder)
    yield from _proposal_faults(folder)
    yield from _order_faults(folder)
    yield from _strength_faults(folder)
    yield from _missing_rows(folder)
    yield from hole_faults(folder.card)


def _value_set_faults(folder: Folder) -> Iterator[str]:
    listed = [row["value_set"] for row in folder.tables["valuesets"]]
    for name in sorted(set(listed) ^ set(folder.value_sets)):
        yield f"valuesets.csv and the folder valuesets do not agree on {name}"
    for row in folder.tables["ratings"]:
        if row["value_set"] not in folder.value_sets:
            yield f"ratings.csv: {row['study']} has no value set"


def _proposal_faults(folder: Folder) -> Iterator[str]:
    rated = {row["study"]: row["value_set"] for row in folder.tables["ratings"]}
    for study, proposal in folder.card["proposals"].items():
        if study not in rated:
            yield f"ratings.csv: {study} is proposed, and has no rating"
        names = [rated.get(study, ""), *proposal["value_sets"]]
        known = {pair for name in names if name in folder.value_sets for pair in _pairs(folder.value_sets[name])}
        for coding in proposal["code"]["coding"]:
            if (coding["system"], coding["code"]) not in known:
                yield f"card.json: {study} proposes {coding['code']}, which is in none of its value sets"
    if folder.card["alternative"] not in folder.card["proposals"]:
        yield "card.json: the alternative is none of the proposals"


def _pairs(value_set: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", []):
            yield include["system"], concept["code"]


def _order_faults(folder: Folder) -> Iterator[str]:
    citations = {one["label"] for one in folder.plan["relatedArtifact"]}
    for row in folder.tables["watched_orders"]:
        where = f"watched_orders.csv: {row['study']}"
        if row["proposes"] not in folder.card["proposals"]:
            yield f"{where} proposes {row['proposes']}, which card.json does not have"
        if row["study"] not in folder.card["orders"]:
            yield f"{where} has no texts in card.json"
        elif folder.card["orders"][row["study"]]["citation"] not in citations:
            yield f"card.json: the citation of {row['study']} is not in plan_definition.json"
        for suggestion in row["suggestions"].split():
            if suggestion not in folder.card["suggestions"]:
                yield f"{where} has the suggestion {suggestion}, which card.json does not have"


def _strength_faults(folder: Folder) -> Iterator[str]:
    for row in folder.tables["watched_orders"]:
        asked_for = [Presentation(row["only_for"])] if row["only_for"] else list(Presentation)
        for history, presentation in product((History.IN_REACH, History.REMOTE_ONLY), asked_for):
            cell = (row["study"], history, presentation)
            if not any(_is_cell(one, *cell) for one in folder.tables["strength"]):
                yield f"strength.csv: no row for {row['study']}, {history} and {presentation}"
    for row in folder.tables["strength"]:
        if row["recommended"] and row["recommended"] not in folder.card["suggestions"]:
            yield f"strength.csv: {row['recommended']} is no suggestion of card.json"


def _is_cell(row: dict[str, str], study: str, history: History, presentation: Presentation) -> bool:
    return row["study"] == study and row["history"] in (history, "any") and row["presentation"] in (presentation, "any")


def _missing_rows(folder: Folder) -> Iterator[str]:
    for table, (column, needed) in _NEEDED.items():
        for name in sorted(needed - {row[column] for row in folder.tables[table]}):
            yield f"{table}.csv: no row for {name}"
    rows = folder.tables["reason_words"]
    lists = {row["means"] for row in rows if row["topic"] == "list"}
    named = {row["beside"].removeprefix("not ") for row in rows if row["beside"]}
    for name in sorted((_NEEDED_LISTS | named) - lists):
        yield f"reason_words.csv: no list {name}"

"""The contradictions for which knowledge is refused, each with a sentence that says what to mend."""

import re
from collections.abc import Iterator
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.knowledge.about_checks import about_faults
from cds_service.knowledge.codes import PROVENANCE, WORDING, extension
from cds_service.knowledge.folder import Folder, Rows
from cds_service.knowledge.holes import WORDING_LIMIT, hole_faults
from cds_service.knowledge.systems import Systems
from cds_service.knowledge.table_checks import labels, numbered, table_faults
from cds_service.schemas import first_fault

_OWN_SYSTEM = "urn:plexus-cds:study"
"""Our own name for a proposed study; real clients show the first coding of an order and drop the rest."""

_NO_STUDY = {"not_watched", "level_not_stated"}
"""What an order's code can mean beside a study."""

_BRAKES = ("emergency", "trauma", "upper_limb", "device", "contrast", "spine", "other_explanation")
"""The families of what stops or softens a card: each must know every code system by which a card can be started."""


def check(folder: Folder) -> None:
    """Raise KnowledgeError with everything that is wrong, a sentence each."""
    faults = list(_shape_faults(folder)) or list(_faults(folder))
    if faults:
        raise KnowledgeError("\n".join(faults))


def _shape_faults(folder: Folder) -> Iterator[str]:
    """Yield what is wrong with a file by itself; only when nothing is are the files held against each other."""
    for name, content in (("card", folder.card), ("plan_definition", folder.plan)):
        if fault := first_fault(name, content):
            yield f"{name}.json: {fault}"
    tables = {"systems": folder.systems, "signatures": folder.signatures, **folder.tables}
    for table, rows in tables.items():
        if fault := _separator_fault(rows) or _width_fault(rows):
            yield f"{table}.csv: {fault}"
        elif fault := first_fault("tables", {table: rows}):
            yield _of_table(fault, rows)
    for name, value_set in folder.value_sets.items():
        if fault := first_fault("value_set", value_set):
            yield f"valuesets/{name}.json: {fault}"
        elif value_set["id"] != name:
            yield f"valuesets/{name}.json: its id is {value_set['id']}"


def _separator_fault(rows: Rows) -> str | None:
    """Tell of a table whose cells a spreadsheet parted otherwise than by commas."""
    if any(";" in str(name) for row in rows[:1] for name in row):
        return "line 1: the separator is a semicolon (;) and must be a comma (,)"
    return None


def _width_fault(rows: Rows) -> str | None:
    """Tell of the first row with a cell too few or too many: an unquoted comma would cut a text short."""
    wrong = (line for line, row in numbered(rows) if not all(isinstance(cell, str) for cell in row.values()))
    line = next(wrong, None)
    words = "must have as many cells as line 1 (a cell with a comma in it stands in quotes)"
    return None if line is None else f"line {line}: {words}"


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
    yield from _include_faults(folder)
    yield from _proposal_faults(folder)
    yield from _order_faults(folder)
    yield from _study_faults(folder)
    yield from _brake_faults(folder)
    yield from _plexopathy_faults(folder)
    yield from table_faults(folder)
    yield from about_faults(folder)
    yield from hole_faults(folder.card)


def _value_set_faults(folder: Folder) -> Iterator[str]:
    listed = [row["value_set"] for row in folder.tables["valuesets"]]
    for name in sorted(set(listed) ^ set(folder.value_sets)):
        yield f"valuesets.csv and the folder valuesets do not agree on {name}"
    for line, row in numbered(folder.tables["ratings"]):
        if row["value_set"] not in folder.value_sets:
            yield f"ratings.csv: line {line}: {row['study']} has no value set"


def _include_faults(folder: Folder) -> Iterator[str]:
    """Yield what is wrong with our own words for codes, and where their source is not told."""
    for name, value_set in folder.value_sets.items():
        for number, include in enumerate(value_set["compose"]["include"], 1):
            where, wording = f"valuesets/{name}.json: include {number}", extension(include, WORDING)
            for url in (WORDING, PROVENANCE):
                if not extension(include, url).strip():
                    yield f"{where} has no text in an extension {url}"
            if len(wording) > WORDING_LIMIT:
                yield f"{where}: its wording has {len(wording)} characters, {WORDING_LIMIT} may stand ({wording})"
            for one in include.get("filter", []):
                if one["op"] == "regex" and not _is_pattern(one["value"]):
                    yield f"{where}: its filter is no regular expression ({one['value']})"


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _proposal_faults(folder: Folder) -> Iterator[str]:
    rated = {row["study"]: row["value_set"] for row in folder.tables["ratings"]}
    for study, proposal in folder.card["proposals"].items():
        if study not in rated and not proposal.get("unrated"):
            yield f"ratings.csv: {study} is proposed, and has no rating"
        if study in rated and proposal.get("unrated"):
            yield f"card.json: {study} is called unrated, and ratings.csv has its rating"
        names = [rated.get(study, ""), *proposal["value_sets"]]
        known = {pair for name in names if name in folder.value_sets for pair in _pairs(folder.value_sets[name])}
        for coding in proposal["code"]["coding"]:
            if coding["system"] == _OWN_SYSTEM and coding["display"] != proposal["code"]["text"]:
                yield f"card.json: the display of {coding['code']} is not the text of {study}"
            elif coding["system"] != _OWN_SYSTEM and (coding["system"], coding["code"]) not in known:
                yield f"card.json: {study} proposes {coding['code']}, which is in none of its value sets"
    for name in ("alternative", "without_contrast"):
        if folder.card[name] not in folder.card["proposals"]:
            yield f"card.json: the {name.replace('_', ' ')} is none of the proposals"


def _pairs(value_set: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", []):
            yield include["system"], concept["code"]


def _order_faults(folder: Folder) -> Iterator[str]:
    for line, row in numbered(folder.tables["watched_orders"]):
        where = f"watched_orders.csv: line {line}: {row['study']}"
        if row["proposes"] not in folder.card["proposals"]:
            yield f"{where} proposes {row['proposes']}, which card.json does not have"
        if row["study"] not in folder.card["orders"]:
            yield f"{where} has no texts in card.json"
        elif folder.card["orders"][row["study"]]["citation"] not in labels(folder):
            yield f"card.json: the citation of {row['study']} is not in plan_definition.json"
        for suggestion in row["suggestions"].split():
            if suggestion not in folder.card["suggestions"]:
                yield f"{where} has the suggestion {suggestion}, which card.json does not have"


def _study_faults(folder: Folder) -> Iterator[str]:
    """Yield the studies of watched orders that no order can be known to ask for."""
    studies = {row["means"] for row in folder.tables["valuesets"] if row["family"] == "order"} - _NO_STUDY
    for line, row in numbered(folder.tables["watched_orders"]):
        for column in ("study", "same_as"):
            for name in row[column].split():
                if name not in studies:
                    where = f"watched_orders.csv: line {line}: {column} names {name}"
                    yield f"{where}, which no value set of orders means"


def _brake_faults(folder: Folder) -> Iterator[str]:
    """Yield the code systems in which a malignancy counts and a brake has no code: there nothing would hold it."""
    rows = [row for row in folder.tables["valuesets"] if row["value_set"] in folder.value_sets]
    registries = {row["canonical"] for row in folder.systems if row["role"] == "registry"}
    malignant = [row for row in rows if row["family"] == "malignancy" and not row["means"].startswith("excluded")]
    for system in sorted(_systems(folder, malignant) - registries):
        for family in _BRAKES:
            if system not in _systems(folder, [row for row in rows if row["family"] == family]):
                todo = f"add the codes of {system} to the value sets of {family}, or take out its malignancies"
                yield f"valuesets: {system} has codes of malignancy and none among the value sets of {family}; {todo}"


def _plexopathy_faults(folder: Folder) -> Iterator[str]:
    """Yield the wordings by which a summary would name the plexopathy, and that no sign has, or the other way round."""
    named = set(folder.card["summary"]["plexopathy"]["named_by"])
    typed = {row["wording"] for row in folder.tables["reason_words"] if row["topic"] == "plexopathy"}
    sets = [row["value_set"] for row in folder.tables["valuesets"] if row["means"] == "specific"]
    includes = [
        one for name in sets if name in folder.value_sets for one in folder.value_sets[name]["compose"]["include"]
    ]
    for wording in sorted(named - typed - {extension(one, WORDING) for one in includes}):
        yield f"card.json: summary.plexopathy is named by {wording}, which is the wording of no specific sign"
    for wording in sorted(typed - named):
        yield f"card.json: summary.plexopathy is not named by {wording}, which reason_words.csv has for plexopathy"


def _systems(folder: Folder, rows: Rows) -> set[str]:
    """Return the code systems that these value sets have codes of, each by the name that systems.csv gives it."""
    names = Systems(folder.systems)
    value_sets = (folder.value_sets[row["value_set"]] for row in rows)
    return {str(names.get(one["system"], one["system"])) for each in value_sets for one in each["compose"]["include"]}

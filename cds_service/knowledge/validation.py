"""What knowledge is refused for at load, each fault a sentence: file, line, what is wrong, what to do.

First each file by itself (schemas), then value sets, proposals and orders, then the tables, then the texts.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.knowledge.card_files import CardFiles, Rows, numbered
from cds_service.knowledge.terminology import PROVENANCE, WORDING, CodeSystems, extension, spelling_clashes
from cds_service.knowledge.text_matchers import duplicate_site_words
from cds_service.knowledge.text_validation import WORDING_LIMIT, card_text_faults, page_text_faults
from cds_service.knowledge.typed_text import reason_word_faults
from cds_service.model import (
    BRAKE_FAMILIES,
    DECIDED_FIRST,
    DISMISSED_BEFORE,
    FAMILIES,
    LEVEL_NOT_STATED,
    RESERVATION_REASONS,
    SILENCE_REASONS,
    History,
    Presentation,
)
from cds_service.schemas import first_fault

_OWN_SYSTEM = "urn:plexus-cds:study"
"""Our own name for a proposed study; real clients show the first coding of an order and drop the rest."""

_NO_STUDY = {"not_watched", LEVEL_NOT_STATED}
"""What an order's code can mean beside a study."""


def check(card_files: CardFiles) -> None:
    """Raise KnowledgeError with every fault, a sentence each."""
    faults = list(_shape_faults(card_files)) or list(_consistency_faults(card_files))
    if faults:
        raise KnowledgeError("\n".join(faults))


def _shape_faults(card_files: CardFiles) -> Iterator[str]:
    """Yield what is wrong with a file by itself; only when nothing is are the files held against each other."""
    for name, content in (("card", card_files.card), ("plan_definition", card_files.plan)):
        if fault := first_fault(name, content):
            yield f"{name}.json: {fault}"
    tables = {"systems": card_files.systems, "signatures": card_files.signatures, **card_files.tables}
    for table, rows in tables.items():
        if fault := _separator_fault(rows) or _width_fault(rows):
            yield f"{table}.csv: {fault}"
        elif fault := first_fault("tables", {table: rows}):
            yield _table_sentence(fault, rows)
    for name, value_set in card_files.value_sets.items():
        if fault := first_fault("value_set", value_set):
            yield f"valuesets/{name}.json: {fault}"
        elif value_set["id"] != name:
            yield f"valuesets/{name}.json: its id is {value_set['id']}"


def _separator_fault(rows: Rows) -> str | None:
    """Return the fault of a table whose cells a spreadsheet parted otherwise than by commas."""
    if any(";" in str(name) for row in rows[:1] for name in row):
        return "line 1: the separator is a semicolon (;) and must be a comma (,)"
    return None


def _width_fault(rows: Rows) -> str | None:
    """Return the fault of the first row with a cell too few or too many: an unquoted comma would cut a text short."""
    faulty_lines = (line for line, row in numbered(rows) if not all(isinstance(cell, str) for cell in row.values()))
    line = next(faulty_lines, None)
    words = "must have as many cells as line 1 (put a cell with a comma in quotes)"
    return None if line is None else f"line {line}: {words}"


def _table_sentence(fault: str, rows: Rows) -> str:
    """Return `decision_table.2.history must ...` as a sentence about a row of a table; its head is line 1."""
    path, _, message = fault.partition(" ")
    table, *row = path.split(".")
    if not row:
        return f"{table}.csv: {message}"
    cells = rows[int(row[0])]
    content = f" ({', '.join(str(cell) for cell in cells.values() if cell)})"
    return f"{table}.csv: line {int(row[0]) + 2}: {' '.join([*row[1:], message])}{content}"


def _consistency_faults(card_files: CardFiles) -> Iterator[str]:
    yield from _value_set_faults(card_files)
    yield from _include_faults(card_files)
    yield from _proposal_faults(card_files)
    yield from _order_faults(card_files)
    yield from _study_faults(card_files)
    yield from _brake_faults(card_files)
    yield from _plexopathy_faults(card_files)
    yield from _table_faults(card_files)
    yield from page_text_faults(card_files)
    yield from card_text_faults(card_files.card)


def _value_set_faults(card_files: CardFiles) -> Iterator[str]:
    listed = [row["value_set"] for row in card_files.tables["valuesets"]]
    for name in sorted(set(listed) ^ set(card_files.value_sets)):
        yield f"valuesets.csv and the folder valuesets do not agree on {name}: add the row or the file, or remove it"
    for line, row in numbered(card_files.tables["ratings"]):
        if row["value_set"] not in card_files.value_sets:
            yield f"ratings.csv: line {line}: {row['study']} names a value set that has no file in valuesets/"


def _include_faults(card_files: CardFiles) -> Iterator[str]:
    """Yield what is wrong with our own words for codes, and which have no provenance."""
    for name, value_set in card_files.value_sets.items():
        for number, include in enumerate(value_set["compose"]["include"], 1):
            location, wording = f"valuesets/{name}.json: include {number}", extension(include, WORDING)
            for url in (WORDING, PROVENANCE):
                if not extension(include, url).strip():
                    yield f"{location} has no text in an extension {url}"
            if len(wording) > WORDING_LIMIT:
                limit = f"{len(wording)} characters, shorten it to {WORDING_LIMIT}"
                yield f"{location}: its wording has {limit} ({wording})"
            for code_filter in include.get("filter", []):
                if code_filter["op"] == "regex" and not _is_pattern(code_filter["value"]):
                    yield f"{location}: its filter is not a regular expression ({code_filter['value']})"


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _proposal_faults(card_files: CardFiles) -> Iterator[str]:
    rated = {row["study"]: row["value_set"] for row in card_files.tables["ratings"]}
    for study, proposal in card_files.card["proposals"].items():
        if study not in rated and not proposal.get("unrated"):
            yield f"ratings.csv: {study} is proposed and has no rating; add a row, or mark it unrated in card.json"
        if study in rated and proposal.get("unrated"):
            yield f"card.json: {study} is marked unrated but has a rating in ratings.csv"
        names = [rated.get(study, ""), *proposal["value_sets"]]
        known = {
            pair for name in names if name in card_files.value_sets for pair in _pairs(card_files.value_sets[name])
        }
        for coding in proposal["code"]["coding"]:
            if coding["system"] == _OWN_SYSTEM and coding["display"] != proposal["code"]["text"]:
                yield f"card.json: the display of {coding['code']} is not the text of {study}"
            elif coding["system"] != _OWN_SYSTEM and (coding["system"], coding["code"]) not in known:
                yield f"card.json: {study} proposes {coding['code']}, which is in none of its value sets"
    for name in ("alternative", "without_contrast"):
        if card_files.card[name] not in card_files.card["proposals"]:
            yield f"card.json: the {name.replace('_', ' ')} is not one of the proposals"


def _pairs(value_set: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", []):
            yield include["system"], concept["code"]


def _order_faults(card_files: CardFiles) -> Iterator[str]:
    for line, row in numbered(card_files.tables["watched_orders"]):
        location = f"watched_orders.csv: line {line}: {row['study']}"
        if row["proposes"] not in card_files.card["proposals"]:
            yield f"{location} proposes {row['proposes']}, which card.json does not have"
        if row["study"] not in card_files.card["orders"]:
            yield f"{location} has no texts in card.json"
        elif card_files.card["orders"][row["study"]]["citation"] not in card_files.citation_labels:
            yield f"card.json: the citation of {row['study']} is not in plan_definition.json"
        for suggestion in row["suggestions"].split():
            if suggestion not in card_files.card["suggestions"]:
                yield f"{location} has the suggestion {suggestion}, which card.json does not have"


def _study_faults(card_files: CardFiles) -> Iterator[str]:
    """Yield the studies of watched orders that no order can be known to ask for."""
    studies = {row["means"] for row in card_files.tables["valuesets"] if row["family"] == "order"} - _NO_STUDY
    for line, row in numbered(card_files.tables["watched_orders"]):
        for column in ("study", "same_as"):
            for name in row[column].split():
                if name not in studies:
                    location = f"watched_orders.csv: line {line}: {column} names {name}"
                    yield f"{location}, which no value set of orders means"


def _brake_faults(card_files: CardFiles) -> Iterator[str]:
    """Yield the code systems in which a malignancy counts and a brake has no code: there nothing would hold it."""
    rows = [row for row in card_files.tables["valuesets"] if row["value_set"] in card_files.value_sets]
    registries = {row["canonical"] for row in card_files.systems if row["role"] == "registry"}
    malignant = [row for row in rows if row["family"] == "malignancy" and not row["means"].startswith("excluded")]
    for system in sorted(_systems(card_files, malignant) - registries):
        for family in BRAKE_FAMILIES:
            if system not in _systems(card_files, [row for row in rows if row["family"] == family]):
                todo = f"add the codes of {system} to the value sets of {family}, or take out its malignancies"
                yield f"valuesets: {system} has codes of malignancy and none among the value sets of {family}; {todo}"


def _plexopathy_faults(card_files: CardFiles) -> Iterator[str]:
    """Yield the wordings by which a summary would name the plexopathy, and that no sign has, or the other way round."""
    named = set(card_files.card["summary"]["plexopathy"]["named_by"])
    typed = {row["wording"] for row in card_files.tables["reason_words"] if row["topic"] == "plexopathy"}
    sets = [row["value_set"] for row in card_files.tables["valuesets"] if row["means"] == "specific"]
    includes = [
        include
        for name in sets
        if name in card_files.value_sets
        for include in card_files.value_sets[name]["compose"]["include"]
    ]
    for wording in sorted(named - typed - {extension(include, WORDING) for include in includes}):
        yield f"card.json: summary.plexopathy is named by {wording}, which is the wording of no specific sign"
    for wording in sorted(typed - named):
        yield f"card.json: summary.plexopathy is not named by {wording}, which reason_words.csv has for plexopathy"


def _systems(card_files: CardFiles, rows: Rows) -> set[str]:
    """Return the code systems that these value sets have codes of, each by the name that systems.csv gives it."""
    names = CodeSystems(card_files.systems)
    value_sets = (card_files.value_sets[row["value_set"]] for row in rows)
    includes = (include for value_set in value_sets for include in value_set["compose"]["include"])
    return {str(names.get(include["system"], include["system"])) for include in includes}


_NEEDED = {
    ("silences", "reason"): {*SILENCE_REASONS},
    ("reservations", "reason"): {*RESERVATION_REASONS},
    ("lookback_windows", "limit"): {
        *(
            "presentation",
            "plexus_mri_done",
            "plexus_mri_ordered",
            "plexus_mri_earlier",
            "emergency",
            "trauma",
            "acute_kidney_injury",
            "pregnancy",
        ),
        *("egfr", "egfr_below"),
    },
    ("valuesets", "family"): {*FAMILIES},
    ("words", "meaning"): {
        *("mr", "plexus", "other_plexus", "procedure", "special_technique", "other_spine_level", "other_modality"),
        *("lumbar_spine", "with_contrast", "without_contrast"),
        *("pet", "fdg", "beside_pet", "ct", "abdomen", "pelvis", "beside"),
    },
}
"""The rows that the code asks for, by table and column."""

_KEYS = {
    "lookback_windows": ("limit",),
    "ratings": ("study",),
    "reservations": ("reason", "studies"),
    "silences": ("reason",),
    "statuses": ("element", "code"),
    "valuesets": ("value_set",),
    "watched_orders": ("study",),
}
"""The columns that together name a row, by table; no two rows of a table have the same name."""


def _table_faults(card_files: CardFiles) -> Iterator[str]:
    """Yield a sentence for each contradiction in the tables."""
    yield from _missing_row_faults(card_files)
    yield from _duplicate_row_faults(card_files)
    for fault in spelling_clashes(card_files.systems):
        yield f"systems.csv: {fault}"
    for words in duplicate_site_words(card_files.tables["site_words"]):
        yield f"site_words.csv: {words} is in more than one row; keep one"
    yield from _silence_order_faults(card_files.tables["silences"])
    yield from _unused_cell_faults(card_files)
    yield from _citation_faults(card_files)
    yield from _decision_table_faults(card_files)
    yield from _reservation_faults(card_files)


def _missing_row_faults(card_files: CardFiles) -> Iterator[str]:
    for (table, column), needed in _NEEDED.items():
        for name in sorted(needed - {row[column] for row in card_files.tables[table]}):
            yield f"{table}.csv: no row for {name}"
    for name in reason_word_faults(card_files.tables["reason_words"]):
        yield f"reason_words.csv: {name}"


def _duplicate_row_faults(card_files: CardFiles) -> Iterator[str]:
    for table, columns in _KEYS.items():
        seen: dict[str, int] = {}
        for line, row in numbered(card_files.tables[table]):
            name = " ".join(row[column] for column in columns)
            if (other := seen.setdefault(name, line)) != line:
                yield f"{table}.csv: line {line}: {name} is already on line {other}"


def _silence_order_faults(rows: Rows) -> Iterator[str]:
    lines = {row["reason"]: line for line, row in numbered(rows)}
    for line, reason in enumerate(DECIDED_FIRST, 2):
        if lines.get(reason, line) != line:
            location = f"silences.csv: line {lines[reason]}: {reason}"
            yield f"{location} is decided before the record is read, so it must stand on line {line}"
    if (line := lines.get(DISMISSED_BEFORE, len(rows) + 1)) != len(rows) + 1:
        location = f"silences.csv: line {line}: {DISMISSED_BEFORE}"
        yield f"{location} is decided after all others, so it must stand on the last line, {len(rows) + 1}"


def _unused_cell_faults(card_files: CardFiles) -> Iterator[str]:
    """Yield what is written in a cell where nothing reads it."""
    for line, row in numbered(card_files.tables["statuses"]):
        if (row["element"], row["counts"]) == ("Condition.clinicalStatus", "no"):
            location = f"statuses.csv: line {line}: {row['code']}"
            yield f"{location}: counts no has no effect for {row['element']}, where only active is read; write yes"
    for line, row in numbered(card_files.tables["valuesets"]):
        if row["metastatic"] == "yes" and row["family"] != "malignancy":
            location = f"valuesets.csv: line {line}: {row['value_set']}"
            yield f"{location}: metastatic yes is for the family malignancy, and this one is of {row['family']}"


def _citation_faults(card_files: CardFiles) -> Iterator[str]:
    for line, row in numbered(card_files.tables["ratings"]):
        for citation in row["citation"].split():
            if citation not in card_files.citation_labels:
                location = f"ratings.csv: line {line}: {row['study']}"
                yield f"{location} cites {citation}, which is no label of a relatedArtifact in plan_definition.json"


def _decision_table_faults(card_files: CardFiles) -> Iterator[str]:
    rows, watched = card_files.tables["decision_table"], card_files.tables["watched_orders"]
    answered: dict[tuple[str, ...], int] = {}
    for line, row in numbered(rows):
        location = f"decision_table.csv: line {line}: {row['study']}"
        yield from _recommendation_faults(location, row, watched)
        if others := sorted(
            {other for cell in _table_cells(row) if (other := answered.setdefault(cell, line)) != line}
        ):
            yield f"{location}, {row['history']}, {row['presentation']} is already answered by line {others[0]}"
    for cell in _required_cells(watched):
        if cell not in answered:
            yield f"decision_table.csv: no row for {cell[0]}, {cell[1]} and {cell[2]}"


def _recommendation_faults(location: str, row: dict[str, str], watched: Rows) -> Iterator[str]:
    offered = {order["study"]: order["suggestions"].split() for order in watched}.get(row["study"])
    if offered is None:
        yield f"{location} is not watched: watched_orders.csv has no row for it"
    elif row["recommended"] and row["recommended"] not in offered:
        yield f"{location} recommends {row['recommended']}, which watched_orders.csv does not offer for it"
    elif row["recommended"] and row["indicator"] == "info":
        yield f"{location} recommends {row['recommended']} on an info card, which only asks"
    elif row["recommended"] and row["history"] in (History.REMOTE_ONLY, History.IN_WORDS):
        yield f"{location} recommends {row['recommended']} for {row['history']}, which is too weak a history for it"


def _reservation_faults(card_files: CardFiles) -> Iterator[str]:
    watched = {row["study"] for row in card_files.tables["watched_orders"]}
    for line, row in numbered(card_files.tables["reservations"]):
        for study in row["studies"].split():
            if study not in watched:
                yield f"reservations.csv: line {line}: {study} is not watched: watched_orders.csv has no row for it"


def _table_cells(row: dict[str, str]) -> Iterator[tuple[str, ...]]:
    histories: Iterable[str] = History if row["history"] == "any" else [row["history"]]
    presentations: Iterable[str] = Presentation if row["presentation"] == "any" else [row["presentation"]]
    return product([row["study"]], histories, presentations)


def _required_cells(watched: Rows) -> Iterator[tuple[str, ...]]:
    for row in watched:
        presentations: Iterable[str] = [row["only_for"]] if row["only_for"] else Presentation
        yield from product([row["study"]], (History.IN_REACH, History.REMOTE_ONLY, History.IN_WORDS), presentations)

"""The contradictions within the tables of a card, and between two of them."""

from collections.abc import Iterable, Iterator
from itertools import product

from cds_service.knowledge.folder import Folder, Rows
from cds_service.knowledge.site_words import doubled
from cds_service.knowledge.systems import clashes
from cds_service.knowledge.typed_text import word_faults
from cds_service.vocabulary import History, Presentation

_DECIDED_FIRST = ("rule_off", "selection_not_found", "nothing_watched", "not_a_draft", "already_drafted")
"""The silences whose place the code fixes: they are decided before the record is read."""

_NEEDED = {
    ("silences", "reason"): {
        *_DECIDED_FIRST,
        *("plexus_mri_ordered", "part_not_read"),
        *("plexus_mri_done", "emergency", "acute_trauma", "upper_limb_only", "alternative_with_device", "no_history"),
        *("remote_without_presentation", "plexus_mri_on_record", "typed_history_only", "not_readable"),
    },
    ("reservations", "reason"): {
        *("device", "contrast", "stat", "spine_named", "cord_sign", "other_explanation", "plexus_mri_earlier"),
        *("no_specific_sign", "history_not_placed", "remote_only"),
    },
    ("limits", "limit"): {
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
    ("valuesets", "family"): {
        *("order", "malignancy", "tumor_site", "radiotherapy", "radiation_history", "body_site", "presentation"),
        *("emergency", "trauma", "upper_limb", "device", "contrast", "spine", "other_explanation", "observation"),
        *("context", "iodine"),
    },
    ("words", "meaning"): {
        *("mr", "plexus", "other_plexus", "procedure", "special_technique", "other_spine_level", "other_modality"),
        *("lumbar_spine", "with_contrast", "without_contrast"),
        *("pet", "fdg", "beside_pet", "ct", "abdomen", "pelvis", "beside"),
    },
}
"""The rows that the code asks for, by table and column."""

_KEYS = {
    "limits": ("limit",),
    "ratings": ("study",),
    "reservations": ("reason", "studies"),
    "silences": ("reason",),
    "statuses": ("element", "code"),
    "valuesets": ("value_set",),
    "watched_orders": ("study",),
}
"""The columns that together name a row, by table; no two rows of a table have the same name."""


def table_faults(folder: Folder) -> Iterator[str]:
    """Yield a sentence for each contradiction in the tables."""
    yield from _missing_rows(folder)
    yield from _doubled_rows(folder)
    for fault in clashes(folder.systems):
        yield f"systems.csv: {fault}"
    for words in doubled(folder.tables["site_words"]):
        yield f"site_words.csv: {words} stands in more than one row"
    yield from _misplaced_silences(folder.tables["silences"])
    yield from _idle_cells(folder)
    yield from _citation_faults(folder)
    yield from _strength_faults(folder)
    yield from _reservation_faults(folder)


def numbered(rows: Rows) -> Iterable[tuple[int, dict[str, str]]]:
    """Return the rows of a table with their lines; its head is line 1."""
    return enumerate(rows, 2)


def labels(folder: Folder) -> set[str]:
    """Return the citations that the plan has."""
    return {one.get("label", "") for one in folder.plan.get("relatedArtifact", [])}


def _missing_rows(folder: Folder) -> Iterator[str]:
    for (table, column), needed in _NEEDED.items():
        for name in sorted(needed - {row[column] for row in folder.tables[table]}):
            yield f"{table}.csv: no row for {name}"
    for name in word_faults(folder.tables["reason_words"]):
        yield f"reason_words.csv: {name}"


def _doubled_rows(folder: Folder) -> Iterator[str]:
    for table, columns in _KEYS.items():
        seen: dict[str, int] = {}
        for line, row in numbered(folder.tables[table]):
            name = " ".join(row[column] for column in columns)
            if (other := seen.setdefault(name, line)) != line:
                yield f"{table}.csv: line {line}: {name} stands on line {other} already"


def _misplaced_silences(rows: Rows) -> Iterator[str]:
    stands = {row["reason"]: line for line, row in numbered(rows)}
    for line, reason in enumerate(_DECIDED_FIRST, 2):
        if stands.get(reason, line) != line:
            where = f"silences.csv: line {stands[reason]}: {reason}"
            yield f"{where} is decided before the record is read, so its place is fixed: it must stand on line {line}"


def _idle_cells(folder: Folder) -> Iterator[str]:
    """Yield what is written in a cell where nothing reads it."""
    for line, row in numbered(folder.tables["statuses"]):
        if (row["element"], row["counts"]) == ("Condition.clinicalStatus", "no"):
            where = f"statuses.csv: line {line}: {row['code']}"
            yield f"{where}: counts no has no effect for {row['element']}, of which only active is asked; write yes"
    for line, row in numbered(folder.tables["valuesets"]):
        if row["metastatic"] == "yes" and row["family"] != "malignancy":
            where = f"valuesets.csv: line {line}: {row['value_set']}"
            yield f"{where}: metastatic yes is for the family malignancy, and this one is of {row['family']}"


def _citation_faults(folder: Folder) -> Iterator[str]:
    for line, row in numbered(folder.tables["ratings"]):
        for citation in row["citation"].split():
            if citation not in labels(folder):
                where = f"ratings.csv: line {line}: {row['study']}"
                yield f"{where} cites {citation}, which is no label of a relatedArtifact in plan_definition.json"


def _strength_faults(folder: Folder) -> Iterator[str]:
    rows, watched = folder.tables["strength"], folder.tables["watched_orders"]
    answered: dict[tuple[str, ...], int] = {}
    for line, row in numbered(rows):
        where = f"strength.csv: line {line}: {row['study']}"
        yield from _recommendation_faults(where, row, watched)
        if others := sorted({other for cell in _cells(row) if (other := answered.setdefault(cell, line)) != line}):
            yield f"{where}, {row['history']}, {row['presentation']} is answered by line {others[0]} already"
    for cell in _asked(watched):
        if cell not in answered:
            yield f"strength.csv: no row for {cell[0]}, {cell[1]} and {cell[2]}"


def _recommendation_faults(where: str, row: dict[str, str], watched: Rows) -> Iterator[str]:
    offered = {one["study"]: one["suggestions"].split() for one in watched}.get(row["study"])
    if offered is None:
        yield f"{where} is not watched: watched_orders.csv has no row for it"
    elif row["recommended"] and row["recommended"] not in offered:
        yield f"{where} recommends {row['recommended']}, which watched_orders.csv does not offer for it"
    elif row["recommended"] and row["indicator"] == "info":
        yield f"{where} recommends {row['recommended']} on an info card, which only asks"
    elif row["recommended"] and row["history"] in (History.REMOTE_ONLY, History.IN_WORDS):
        yield f"{where} recommends {row['recommended']} for {row['history']}, which is too weak a history for it"


def _reservation_faults(folder: Folder) -> Iterator[str]:
    watched = {row["study"] for row in folder.tables["watched_orders"]}
    for line, row in numbered(folder.tables["reservations"]):
        for study in row["studies"].split():
            if study not in watched:
                yield f"reservations.csv: line {line}: {study} is not watched: watched_orders.csv has no row for it"


def _cells(row: dict[str, str]) -> Iterator[tuple[str, ...]]:
    histories: Iterable[str] = History if row["history"] == "any" else [row["history"]]
    presentations: Iterable[str] = Presentation if row["presentation"] == "any" else [row["presentation"]]
    return product([row["study"]], histories, presentations)


def _asked(watched: Rows) -> Iterator[tuple[str, ...]]:
    for row in watched:
        presentations: Iterable[str] = [row["only_for"]] if row["only_for"] else Presentation
        yield from product([row["study"]], (History.IN_REACH, History.REMOTE_ONLY, History.IN_WORDS), presentations)

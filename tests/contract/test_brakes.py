"""The brake holds wherever the trigger pulls: each code that holds a card has its like in every other system."""

import csv
from pathlib import Path

import pytest

from cds_service.knowledge.terminology import plain
from tests.support.notation import SYSTEMS

TABLE = Path(__file__).parents[2] / "tools" / "brake_counterparts.csv"
CM, SCT = SYSTEMS["icd10cm"], SYSTEMS["sct"]
COLUMNS = {"icd_10_cm": CM, "icd_10": SYSTEMS["icd10"], "icd_9_cm": SYSTEMS["icd9cm"], "snomed_ct": SCT}
OTHERS = [column for column in COLUMNS if column != "icd_10_cm"]
FAMILIES = ("emergency", "trauma", "upper_limb", "device", "contrast", "spine", "other_explanation")
SHORTEST_REASON = 20
with TABLE.open(encoding="utf-8", newline="") as file:
    PAIRS = list(csv.DictReader(file))


def reason(cell: str) -> str | None:
    """Return why a system has no code of the kind, or None where it has."""
    return cell.removeprefix("none: ") if cell.startswith("none: ") else None


def is_known(knowledge, family: str, system: str, code: str) -> bool:
    """Tell whether a family has a code, a category or a pattern as it is written."""
    if code.startswith("^"):
        members = knowledge.terminology.families[family]
        return ("pattern", system, code) in {(member.kind, member.system, member.code) for member in members}
    return bool(knowledge.terminology.terms(family, [(system, code)]))


def members(knowledge, family: str) -> set[str]:
    """Return the codes, categories and patterns of ICD-10-CM in a family, without dots; of a pattern its category."""
    listed = [member for member in knowledge.terminology.families[family] if member.system == CM]
    return {member.code[1:].partition("(")[0] if member.kind == "pattern" else plain(member.code) for member in listed}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_code_has_its_counterparts(family, knowledge):
    """Each ICD-10-CM code of a brake has a row in the table of counterparts, and the table names no others."""
    named = {plain(row["icd_10_cm"]) for row in PAIRS if row["family"] == family and not reason(row["icd_10_cm"])}
    assert named == members(knowledge, family)


@pytest.mark.parametrize("row", PAIRS, ids=[f"{n}-{row['icd_10_cm'][:12]}" for n, row in enumerate(PAIRS)])
def test_a_counterpart_holds(row, knowledge):
    """What is named as holding the same is in the family, in each system; else there is a reason in a sentence."""
    assert row["family"] in FAMILIES
    for column, system in COLUMNS.items():
        why = reason(row[column])
        assert why is None or len(why) >= SHORTEST_REASON, column
        unknown = [code for code in row[column].split() if not is_known(knowledge, row["family"], system, code)]
        assert why or (row[column] and not unknown), (column, unknown)


def test_a_wrong_counterpart_is_found(knowledge):
    """A code outside the family, or a pattern that no set has, is found out."""
    assert is_known(knowledge, "emergency", SYSTEMS["icd10"], "G83.4")
    assert not is_known(knowledge, "emergency", SYSTEMS["icd10"], "G83.8")
    assert not is_known(knowledge, "emergency", SYSTEMS["icd10"], "^G83")


LOOKED_UP = [
    ("spine", "icd10cm", "C79.51", "tumor"),
    ("spine", "icd10cm", "C90.01", "tumor"),
    ("spine", "icd10", "C79.5", "tumor"),
    ("spine", "icd9cm", "198.5", "tumor"),
    ("spine", "sct", "94222008", "tumor"),
    ("spine", "sct", "169345006", "tumor"),
    ("spine", "icd10cm", "M54.16", "disease"),
    ("spine", "icd10cm", "S32.010D", "disease"),
    ("spine", "icd10cm", "S22.060S", "disease"),
    ("spine", "icd10cm", "M80.08XA", "disease"),
    ("spine", "icd10cm", "M86.8X8", "disease"),
    ("spine", "icd10", "M80.08", "disease"),
    ("spine", "icd10", "M80.9", "disease"),
    ("spine", "icd10", "G55.1", "disease"),
    ("spine", "icd10", "T91.1", "disease"),
    ("spine", "icd9cm", "724.02", "disease"),
    ("spine", "sct", "18347007", "disease"),
    ("spine", "icd10cm", "M80.031A", None),
    ("spine", "icd10cm", "M84.359A", None),
    ("spine", "icd10cm", "S22.41XA", None),
    ("spine", "icd10", "M80.03", None),
    ("spine", "icd10", "M86.17", None),
    ("spine", "icd9cm", "780.65", None),
    ("spine", "sct", "709285002", None),
    ("other_explanation", "icd10cm", "G81.91", "neurologic"),
    ("other_explanation", "icd10", "I64", "neurologic"),
    ("other_explanation", "icd9cm", "335.20", "neurologic"),
    ("other_explanation", "sct", "24700007", "neurologic"),
    ("other_explanation", "icd10cm", "G12.0", None),
    ("other_explanation", "icd9cm", "433.10", None),
    ("contrast", "icd9cm", "586", None),
    ("contrast", "icd9cm", "65.41", None),
    ("contrast", "icd9cm", "654.13", "pregnancy"),
]


@pytest.mark.parametrize(("family", "system", "code", "means"), LOOKED_UP)
def test_looked_up(family, system, code, means, knowledge):
    """A code means in a family what it says, and its neighbor of another place or kind nothing."""
    terms = knowledge.terminology.terms(family, [(SYSTEMS[system], code)])
    assert [term.means for term in terms] == ([means] if means else [])


def test_several_families_at_once(knowledge):
    """A code may be a sign and the spine, or a cancer and the spine: each family is looked up for itself."""
    families = knowledge.terminology.lookup([(CM, "M54.16"), (CM, "C79.51"), (CM, "M46.46")])
    assert [term.value_set for term in families["spine"]] == ["spine-disease", "spine-tumor", "spine-disease"]
    assert {"presentation", "malignancy", "emergency"} <= families.keys()

"""One tumor has one reach, whichever system names it: SNOMED CT, ICD-10-CM, ICD-9-CM, and each edition of ICD-10."""

import pytest

from tests.support.notation import SYSTEMS, rows

TUMORS = rows("tumors.csv")
AT_LEAST = 60
WHO = SYSTEMS["icd10"]
EDITIONS = {
    WHO: "",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "",
    "http://hl7.org/fhir/sid/icd-10-nl": "",
    "http://hl7.org/fhir/sid/icd-10-ca": "",
    "urn:oid:1.2.208.176.2.4.12": "D",
}
"""The editions of ICD-10 by category, and what stands before each of their codes."""
ONLY_CM = ("C4A.9",)
"""What ICD-10-CM has and no other edition."""


def reach(knowledge, system: str, code: str) -> str | None:
    """Return what a code means among the malignancies."""
    terms = knowledge.terminology.terms("malignancy", [(system, code)])
    return terms[0].means if terms else None


def check(knowledge, row: dict[str, str]) -> None:
    """Assert that each system gives the tumor of a row its reach."""
    found = {system: reach(knowledge, SYSTEMS[system], row[system]) for system in ("sct", "icd10cm", "icd9cm")}
    category = row["icd10cm"][:5]
    if row["icd10cm"] not in ONLY_CM:
        found |= {system: reach(knowledge, system, f"{start}{category}") for system, start in EDITIONS.items()}
    assert found == dict.fromkeys(found, row["reach"]), row["tumor"]


@pytest.mark.parametrize("row", TUMORS, ids=[row["tumor"] for row in TUMORS])
def test_one_tumor_has_one_reach(row, knowledge):
    """Every system that has a code for the tumor says the same of its reach."""
    check(knowledge, row)


@pytest.mark.parametrize(
    "wrong", [{"reach": "remote"}, {"sct": "363358000"}, {"icd9cm": "162.9"}, {"icd10cm": "C34.90"}]
)
def test_a_system_that_differs_is_found(wrong, knowledge):
    """A row in which one system says otherwise fails, through the same function."""
    check(knowledge, TUMORS[0])
    with pytest.raises(AssertionError):
        check(knowledge, TUMORS[0] | wrong)


def test_there_are_enough_tumors():
    """There are sixty tumors and more, each once."""
    names = [row["tumor"] for row in TUMORS]
    assert len(set(names)) == len(names) >= AT_LEAST

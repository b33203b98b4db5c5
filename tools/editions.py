"""The editions of ICD-10: what is the same code in another one."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from code_tables import rows

if TYPE_CHECKING:
    from code_tables import Code, Correction

HERE = Path(__file__).parent
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_10_WHO = "http://hl7.org/fhir/sid/icd-10"
REGISTRY = "http://terminology.hl7.org/CodeSystem/icd-o-3"
SAME_IN_WHO = re.compile(r"C(?!97)\d\d(\.\d)?")
NATIONAL = "malignancy_national"


def who_edition(code: Code) -> Code | None:
    """Return the same category of WHO's ICD-10, where it means the same."""
    if code.match != "prefix" or not SAME_IN_WHO.fullmatch(code.code):
        return None
    return replace(code, system=ICD_10_WHO, verified_by=f"{code.verified_by}; counts alike in the WHO edition")


@cache
def editions() -> dict[str, str]:
    """Read the national editions of ICD-10, and the prefix of the codes of each."""
    return {row["system"]: row["prefix"] for row in rows(HERE / "editions.csv")}


def in_edition(code: Code, system: str) -> Code:
    """Return a code of the WHO edition as a national edition has it."""
    start = "^" if code.match == "text" else ""
    number = f"{start}{editions()[system]}{code.code.removeprefix(start)}"
    source = f"{code.verified_by}; the national edition has the categories of the WHO edition"
    return replace(code, system=system, code=number, verified_by=source)


def as_who(code: Code) -> Code:
    """Return a code of a national edition or a site of ICD-O-3 as the category of ICD-10 that has the same number."""
    if code.system not in editions() and (code.system != REGISTRY or code.match == "text"):
        return code
    start = "^" if code.match == "text" else ""
    number = code.code.removeprefix(start).removeprefix(editions().get(code.system, ""))
    return replace(code, system=ICD_10_WHO, code=f"{start}{number}")


def corrected(code: Code, table: dict[tuple[str, str], Correction]) -> Code:
    """Return a code as it is right; what is right in ICD-10-CM is so in the category of the same number elsewhere."""
    same = as_who(code)
    system = ICD_10_CM if same.system == ICD_10_WHO and same.table == NATIONAL else code.system
    correction = table.get((system, same.code))
    return correction.applied(code) if correction else code

"""The notation of vignettes.csv -> patients, orders and hook calls.

A patient is a list of entries, parted by `;`: a name of entries.csv, then in brackets what is special about it:
a date (`-27m`, `-5d`, `-3y` before the day; `2024-08` as it stands; `from -27m`), a status (any FHIR status code),
`site NAME`, `for NAME` (reasonCode) or `for the NAME` (reasonReference to an entry of the same patient),
`another patient`, `no patient`. `@name` is a patient of fixtures/. An order is a name of entries.csv, or words in
quotation marks; in brackets after it `for NAME` and the like.
"""

import csv
import re
from pathlib import Path

from cds_service import examples

HERE = Path(__file__).parent
SYSTEMS = {
    "sct": "http://snomed.info/sct",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd10": "http://hl7.org/fhir/sid/icd-10",
    "icd9cm": "http://hl7.org/fhir/sid/icd-9-cm",
    "icd10pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "hcpcs": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "loinc": "http://loinc.org",
    "radlex": "http://radlex.org",
}
CONDITION_STATUS = ("active", "recurrence", "relapse", "inactive", "remission", "resolved")
PATIENT = "pt-1"


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a table beside this file."""
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ENTRIES = {row["name"]: row for row in rows("entries.csv")}


def concept(name: str) -> dict:
    """Return the CodeableConcept of a name of entries.csv, or of words in quotation marks."""
    if name.startswith('"'):
        return {"text": name.strip('"')}
    codes = [code.split("|") for code in ENTRIES[name]["codes"].split()]
    return {"coding": [{"system": SYSTEMS.get(system, system), "code": code} for system, code in codes]}


def patient(text: str, today) -> dict:
    """Return the Bundle of one patient."""
    if text.startswith("@"):
        return examples.example("patients", text[1:], today)
    entries = [_entry(one, number) for number, one in enumerate(filter(None, map(str.strip, text.split(";"))), 1)]
    resources = [{"resourceType": "Patient", "id": PATIENT}, *entries]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    return examples.dated(_resolved(bundle), today)


def _entry(text: str, number: int) -> dict:
    name, marks = _parted(text)
    resource = {
        "resourceType": ENTRIES[name]["resource"],
        "id": f"e{number}",
        "code": concept(name),
        "subject": {"reference": f"Patient/{PATIENT}"},
    }
    for mark in marks:
        _marked(resource, mark)
    return resource


def _parted(text: str) -> tuple[str, list[str]]:
    match = re.fullmatch(r"([^\[]+?)\s*(?:\[(.*)\])?", text)
    assert match, text
    return match[1], [mark.strip() for mark in match[2].split(",")] if match[2] else []


def _marked(resource: dict, mark: str) -> None:
    is_condition = resource["resourceType"] == "Condition"
    if re.fullmatch(r"(from )?(-\d+[dmy]|\d{4}(-\d\d)*)", mark):
        _dated(resource, mark, is_condition=is_condition)
    elif mark.startswith("site "):
        resource.setdefault("bodySite", []).append(concept(mark.removeprefix("site ")))
    elif mark.startswith("for the "):
        resource["reasonReference"] = [{"reference": mark.removeprefix("for the ")}]
    elif mark.startswith("for "):
        resource.setdefault("reasonCode", []).append(concept(mark.removeprefix("for ")))
    elif mark == "another patient":
        resource["subject"] = {"reference": "Patient/somebody-else"}
    elif mark == "no patient":
        del resource["subject"]
    elif not is_condition:
        resource["status"] = mark
    else:
        member = "clinicalStatus" if mark in CONDITION_STATUS else "verificationStatus"
        resource[member] = {"coding": [{"code": mark}]}


def _dated(resource: dict, mark: str, *, is_condition: bool) -> None:
    when = mark.removeprefix("from ")
    when = f"@today{when}" if when.startswith("-") else when
    if is_condition:
        resource["onsetDateTime"] = when
    elif mark.startswith("from "):
        resource.setdefault("performedPeriod", {})["start"] = when
    elif "performedPeriod" in resource:
        resource["performedPeriod"]["end"] = when
    else:
        resource["performedDateTime"] = when


def _resolved(bundle: dict) -> dict:
    """Turn `for the NAME` into the reference of that entry."""
    resources = [entry["resource"] for entry in bundle["entry"]]
    for resource in resources:
        for reference in resource.get("reasonReference", []):
            wanted = concept(reference["reference"])
            named = next(one for one in resources if one.get("code") == wanted)
            reference["reference"] = f"{named['resourceType']}/{named['id']}"
    return bundle


def order(text: str, number: int = 1) -> dict:
    """Return one draft order."""
    name, marks = _parted(text)
    resource = {
        "resourceType": "ServiceRequest",
        "id": f"o{number}",
        "status": "draft",
        "intent": "order",
        "code": concept(name),
        "subject": {"reference": f"Patient/{PATIENT}"},
    }
    for mark in marks:
        _marked(resource, mark)
    return resource


def call(row: dict[str, str], today) -> dict:
    """Return the hook call of one vignette: its orders selected, what is also drafted not."""
    selected = [order(text, number) for number, text in enumerate(row["order"].split(" + "), 1)]
    drafted = [order(text, 50 + n) for n, text in enumerate(filter(None, row["also drafted"].split(" + ")))]
    body = examples.call(patient(row["patient"], today), [*selected, *drafted])
    body["context"]["selections"] = [f"ServiceRequest/{one['id']}" for one in selected]
    return body

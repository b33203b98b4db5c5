"""The notation of vignettes.csv -> patients, orders and hook calls.

A patient is a list of entries, parted by `;`; an order, or several joined by ` + `, is written the same way. Each is
a name of entries.csv, or words in quotation marks (a Condition or an order without a code), or `@name` for one of
fixtures/. What is special about it follows in brackets, parted by commas.

Of any entry or order:
    for NAME              its reason: the code alone, or words in quotation marks (reasonCode)
    for the NAME          its reason: the entry of this name, of the patient or among the drafts (reasonReference)
    for a contained NAME  likewise, where the reason is inside the order
    and NAME              a second coding, of that entry
    in words "..."        the text of its code
    shown as "..."        the display of its first coding
    another patient       its subject is somebody else
    no patient            it has no subject
Of an entry:
    -27m, -5d, -3y, 2024-08   its date: before the day, or as it stands (of a Condition: its onset)
    from -27m                 the start of the period that the other date ends
    recorded 2024-08          the recorded date of a Condition
    site NAME                 a body site; NAME may be words in quotation marks
    category NAME             the category of a Procedure
    certainty A               the certainty of a German diagnosis, on its first coding
    value 29                  the value of an Observation
    active, refuted, completed and the like   its status, any that FHIR has
Of an order:
    code in an extension  its codings sit in an extension on the code
    do not perform        it orders that the study be not done
    STU3                  it is a ProcedureRequest
    priority stat         its priority

The column `call` says how the call is made: see CALLS. The column `site` says what the site has set: see SITES.
"""

import csv
import re
from pathlib import Path

from cds_service import examples

TESTS = Path(__file__).parents[1]
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
    "gm": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "sks": "urn:oid:1.2.208.176.2.4.12",
    "icdo": "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "ops": "http://fhir.de/CodeSystem/bfarm/ops",
    "opcs4": "https://fhir.hl7.org.uk/Id/opcs-4",
    "local": "https://ehr.example.org/codes",
}
CALLS = {
    "": lambda ids: [f"ServiceRequest/{own_id}" for own_id in ids],
    "selected by bare id": lambda ids: ids,
    "selected by URL": lambda ids: [f"https://ehr.example.org/fhir/ServiceRequest/{own_id}" for own_id in ids],
    "selected by version": lambda ids: [f"ServiceRequest/{own_id}/_history/2" for own_id in ids],
    "as STU3": lambda ids: [f"ProcedureRequest/{own_id}" for own_id in ids],
    "an unknown one selected too": lambda ids: ["ServiceRequest/gone", *CALLS[""](ids)],
    "only an unknown one selected": lambda _: ["ServiceRequest/gone"],
    "nothing selected": lambda _: [],
    "no selections": lambda _: None,
    "order-sign": lambda _: None,
}
SITES = {
    "focused": 'cards.lumbosacral-plexus-mri.policy = "focused"',
    "off": "cards.lumbosacral-plexus-mri.off = true",
    "own limits": "cards.lumbosacral-plexus-mri.lookback.presentation = 30",
    "own systems": '[systems]\n"https://ehr.example.org/icd" = "http://hl7.org/fhir/sid/icd-10"',
    "sends more": 'prefetch = ["allergies", "devices", "egfr"]',
    "reads more": 'prefetch = ["encounters", "imaging_orders", "imaging_reports"]',
    "own codes": """
        orders = [
            {system = "https://ehr.example.org/codes", code = "SPINE-7", study = "lumbar_spine_mri"},
            {system = "https://ehr.example.org/codes", code = "PLEX-0", study = "plexus_mri_without_contrast"},
            {system = "https://ehr.example.org/codes", code = "PLEX-1", study = "plexus_mri_with_contrast"},
            {system = "https://ehr.example.org/codes", code = "OTHER-1", study = "not_watched"},
        ]
        [cards.lumbosacral-plexus-mri.propose.plexus_mri_without_and_with_contrast]
        system = "https://ehr.example.org/codes"
        code = "PLEX-1"
        display = "Our plexus MRI"
    """,
}
"""The site files that stand behind the column `site`."""
MORE = {"encounters": "Encounter", "imaging_orders": "ServiceRequest", "imaging_reports": "DiagnosticReport"}
OPTIONAL = {"allergies": "AllergyIntolerance", "devices": "Device", "egfr": "Observation", **MORE}
DATES = {
    "Condition": "onsetDateTime",
    "Observation": "effectiveDateTime",
    "DiagnosticReport": "effectiveDateTime",
    "ServiceRequest": "authoredOn",
}
"""What dates an entry, by its type; a Procedure has performedDateTime, an Encounter a period."""
CONDITION_STATUS = ("active", "recurrence", "relapse", "inactive", "remission", "resolved")
PATIENT = "pt-1"


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of the tests."""
    with (TESTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ENTRIES = {row["name"]: row for row in rows("entries.csv")}


def coded(text: str) -> dict:
    """Return the CodeableConcept of one `system|code`."""
    system, code = text.split("|")
    return {"coding": [{"system": SYSTEMS[system], "code": code}]}


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
    entries = [_entry(words) for words in filter(None, map(str.strip, text.split(";")))]
    for number, entry in enumerate(entries):
        if entry["id"] in [other["id"] for other in entries[:number]]:
            entry["id"] += f"-{number}"
    resources = [{"resourceType": "Patient", "id": PATIENT}, *entries]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in resources],
    }
    return examples.dated(bundle, today)


def order(text: str, number: int = 1) -> dict:
    """Return one draft order, or the Condition that stands among the drafts."""
    name, marks = _parted(text)
    if name.startswith("@"):
        return examples.example("orders", name[1:], None) | {"id": f"o{number}"}
    if _kind(name, "ServiceRequest") == "Condition":
        return _entry(text)
    order = {"resourceType": "ServiceRequest", "id": f"o{number}", "status": "draft", "intent": "order"}
    return _marked(order | _code_and_subject(name), marks)


def call(row: dict[str, str], today) -> dict:
    """Return the hook call of one vignette: its orders selected, what is also drafted not."""
    selected = [order(text, number) for number, text in enumerate(row["order"].split(" + "), 1)]
    drafted = [order(text, 50 + n) for n, text in enumerate(filter(None, row["also drafted"].split(" + ")))]
    how = row.get("call", "")
    hook = "order-sign" if how == "order-sign" else "order-select"
    chart = patient(row["patient"], today)
    body = examples.call(chart, [*selected, *drafted], hook=hook)
    body["prefetch"] |= {key: examples.searchset([]) for key in MORE if row.get("site") == "reads more"}
    body["prefetch"] |= _optional(chart)
    selections = CALLS[how]([draft["id"] for draft in selected])
    body["context"].pop("selections", None)
    return body | {"context": body["context"] | ({} if selections is None else {"selections": selections})}


def _optional(chart: dict) -> dict:
    """Return what a client prefetches beyond Conditions and Procedures, where the patient has any of it."""
    resources = [entry["resource"] for entry in chart["entry"]]
    by_key = {
        key: [resource for resource in resources if resource["resourceType"] == kind] for key, kind in OPTIONAL.items()
    }
    return {key: examples.searchset(of_key) for key, of_key in by_key.items() if of_key}


def _kind(name: str, words_are: str) -> str:
    return words_are if name.startswith('"') else ENTRIES[name]["resource"]


def _id(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _code_and_subject(name: str) -> dict:
    return {"code": concept(name), "subject": {"reference": f"Patient/{PATIENT}"}}


def _entry(text: str) -> dict:
    name, marks = _parted(text)
    resource = {"resourceType": _kind(name, "Condition"), "id": _id(name)} | _code_and_subject(name)
    if resource["resourceType"] == "Device":
        resource["type"] = resource.pop("code")
    if resource["resourceType"] == "Encounter":
        resource["type"] = [resource.pop("code")]
    return _marked(resource, marks)


def _parted(text: str) -> tuple[str, list[str]]:
    match = re.fullmatch(r"([^\[]+?)\s*(?:\[(.*)\])?", text.strip())
    assert match, text
    return match[1], re.findall(r'(?:[^,"]|"[^"]*")+', match[2] or "")


def _marked(resource: dict, marks: list[str]) -> dict:
    for mark in map(str.strip, marks):
        by_name = next((name for name in _NAMED if mark.startswith(name + " ")), None)
        if by_name:
            _NAMED[by_name](resource, mark.removeprefix(by_name + " "))
        elif mark in _ALONE:
            _ALONE[mark](resource)
        elif re.fullmatch(r"-\d+[dmy]|\d{4}(-\d\d)*", mark):
            _dated(resource, mark)
        elif resource["resourceType"] not in ("Condition", "AllergyIntolerance"):
            resource["status"] = mark
        else:
            member = "clinicalStatus" if mark in CONDITION_STATUS else "verificationStatus"
            resource[member] = {"coding": [{"code": mark}]}
    return resource


def _when(text: str) -> str:
    return f"@today{text}" if text.startswith("-") else text


def _dated(resource: dict, when: str) -> None:
    if resource["resourceType"] in DATES:
        resource[DATES[resource["resourceType"]]] = _when(when)
    elif resource["resourceType"] == "Encounter":
        resource["period"] = {"start": _when(when), "end": _when(when)}
    elif "performedPeriod" in resource:
        resource["performedPeriod"]["end"] = _when(when)
    else:
        resource["performedDateTime"] = _when(when)


def _refer(resource: dict, name: str) -> None:
    reference = f"{_kind(name, 'Condition')}/{_id(name)}"
    resource.setdefault("reasonReference", []).append({"reference": reference})


def _contain(resource: dict, name: str) -> None:
    resource["contained"] = [_entry(name)]
    resource["reasonReference"] = [{"reference": f"#{_id(name)}"}]


def _extend(resource: dict) -> None:
    code = {"coding": resource["code"].pop("coding")}
    url = "https://ehr.example.org/billing-code"
    resource["code"]["extension"] = [{"url": url, "valueCodeableConcept": code}]


def _certainty(letter: str) -> dict:
    return {"url": "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit", "valueCoding": {"code": letter}}


_NAMED = {
    "for the": _refer,
    "for a contained": _contain,
    "for": lambda resource, name: resource.setdefault("reasonCode", []).append(concept(name)),
    "site": lambda resource, name: resource.setdefault("bodySite", []).append(concept(name)),
    "category": lambda resource, name: resource.update(category=concept(name)),
    "certainty": lambda resource, letter: resource["code"]["coding"][0].update(extension=[_certainty(letter)]),
    "and": lambda resource, name: resource["code"]["coding"].extend(concept(name)["coding"]),
    "in words": lambda resource, text: resource["code"].update(text=text.strip('"')),
    "shown as": lambda resource, text: resource["code"]["coding"][0].update(display=text.strip('"')),
    "priority": lambda resource, priority: resource.update(priority=priority),
    "value": lambda resource, number: resource.update(valueQuantity={"value": float(number)}),
    "from": lambda resource, when: resource.setdefault("performedPeriod", {}).update(start=_when(when)),
    "recorded": lambda resource, when: resource.update(recordedDate=_when(when)),
}
_ALONE = {
    "another patient": lambda resource: resource.update(subject={"reference": "Patient/somebody-else"}),
    "no patient": lambda resource: resource.pop("subject"),
    "code in an extension": _extend,
    "do not perform": lambda resource: resource.update(doNotPerform=True),
    "STU3": lambda resource: resource.update(resourceType="ProcedureRequest"),
}

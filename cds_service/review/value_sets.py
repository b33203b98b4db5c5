"""The value sets, as REVIEW.md tells them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.knowledge import Knowledge
from cds_service.knowledge.codes import PROVENANCE, WORDING, extension

SYSTEMS = {
    "http://snomed.info/sct": "SNOMED CT",
    "http://loinc.org": "LOINC",
    "http://radlex.org": "RadLex",
    "http://www.ama-assn.org/go/cpt": "CPT",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD-9-CM",
    "http://www.cms.gov/Medicare/Coding/ICD10": "ICD-10-PCS",
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": "HCPCS",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "ICD-10-GM",
    "http://hl7.org/fhir/sid/icd-10-nl": "ICD-10-NL",
    "http://hl7.org/fhir/sid/icd-10-ca": "ICD-10-CA",
    "urn:oid:1.2.208.176.2.4.12": "SKS",
    "http://terminology.hl7.org/CodeSystem/icd-o-3": "ICD-O-3",
    "http://fhir.de/CodeSystem/bfarm/ops": "OPS",
    "https://fhir.hl7.org.uk/Id/opcs-4": "OPCS-4",
}
"""The names by which people know the code systems."""

LISTED = 130
"""Value sets of up to so many entries are told code by code, longer ones by wording."""


def value_sets(knowledge: Knowledge) -> Iterator[str]:
    """Yield what each value set is for, its codes by our words, and where they were verified."""
    yield "## Value sets"
    for name, value_set in knowledge.value_sets.items():
        yield ""
        yield f"### [{value_set['title']}](valuesets/{name}.json)"
        yield ""
        yield f"{value_set['purpose']} Entries: {knowledge.entries[name]}."
        yield ""
        told = _codes_of if knowledge.entries[name] <= LISTED else _counts_of
        for wording, codes in sorted(_by_wording(value_set).items()):
            yield told(wording, codes)
        yield ""
        yield f"Verified by: {'; '.join(sorted(_provenance(value_set)))}"


def _codes_of(wording: str, codes: list[str]) -> str:
    return f"* {wording}: {', '.join(codes)}"


def _counts_of(wording: str, codes: list[str]) -> str:
    categories = [code for code in codes if not code.startswith("SNOMED")]
    named = f" ({', '.join(categories)})" if categories else ""
    return f"* {wording}: {len(codes)}{named}"


def _by_wording(value_set: Mapping[str, Any]) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = defaultdict(list)
    for include in value_set["compose"]["include"]:
        system = SYSTEMS.get(include["system"], include["system"])
        entries = [one["code"] for one in include.get("concept", [])] or [one["value"] for one in include["filter"]]
        codes[extension(include, WORDING)] += [f"{system} {entry.replace('|', '&#124;')}" for entry in entries]
    return codes


def _provenance(value_set: Mapping[str, Any]) -> set[str]:
    texts = (extension(include, PROVENANCE) for include in value_set["compose"]["include"])
    return {part for text in texts for part in text.split("; ")}

"""A hook call with a word of somebody's choice in every place where a string can stand that decides nothing."""

from collections.abc import Callable
from typing import Any

from cds_service.examples import dated, searchset
from tests.support.notation import PATIENT
from tests.support.service import TODAY

Word = Callable[[str], str]
"""Gives what is planted in a place, by the name of the place."""

CPT, SNOMED, ICD10 = "http://www.ama-assn.org/go/cpt", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"


def planted(word: Word, hook: str = "order-select") -> dict[str, Any]:
    """Return a call that gets a card for each of its two orders, whatever the words are."""
    orders = [_order(word, "first"), _order(word, "second")]
    body = {
        "hook": hook,
        "hookInstance": word("hookInstance"),
        "fhirServer": word("fhirServer"),
        "fhirAuthorization": {name: word(f"fhirAuthorization.{name}") for name in ("access_token", "scope", "subject")},
        "context": _context(word, orders),
        "prefetch": _prefetch(word),
        "extension": {word("extension.name"): {"x": word("extension")}},
        word("member"): {word("member.member"): [word("member.value")]},
    }
    return dated(body, TODAY)


def _context(word: Word, orders: list[Any]) -> dict[str, Any]:
    entries = [{"fullUrl": word(f"{n}.fullUrl"), "resource": order} for n, order in enumerate(orders)]
    return {
        "userId": word("userId"),
        "patientId": PATIENT,
        "encounterId": word("encounterId"),
        "selections": [entry["fullUrl"] for entry in entries] + [word("selection")],
        "draftOrders": {"resourceType": "Bundle", "id": word("drafts.id"), "entry": [*entries, _other(word)]},
        word("context.member"): word("context.value"),
    }


def _other(word: Word) -> dict[str, Any]:
    resource = {"resourceType": "MedicationRequest", "id": word("other.id"), "note": [{"text": word("other.note")}]}
    return {"resource": resource}


def _concept(word: Word, place: str, system: str = "", code: str = "") -> dict[str, Any]:
    """Return a concept with a known coding and an unknown one, where a known one is asked for, and texts."""
    unknown = {name: word(f"{place}.{name}") for name in ("system", "code", "display", "version")}
    known = [{"system": system, "code": code, "display": word(f"{place}.known")}] if code else []
    return {"coding": [*known, unknown], "text": word(f"{place}.text")}


def _reference(word: Word, place: str) -> dict[str, Any]:
    identifier = {"system": word(f"{place}.identifier.system"), "value": word(f"{place}.identifier.value")}
    return {"reference": word(place), "display": word(f"{place}.display"), "identifier": identifier}


def _subject(word: Word, place: str) -> dict[str, Any]:
    return {"reference": f"Patient/{PATIENT}", "display": word(f"{place}.subject")}


def _notes(word: Word, place: str) -> list[dict[str, Any]]:
    return [{"text": word(f"{place}.note"), "authorString": word(f"{place}.note.author")}]


def _order(word: Word, place: str) -> dict[str, Any]:
    contained = {"resourceType": "Condition", "id": word(f"{place}.contained"), "code": {"coding": [{"code": "x"}]}}
    return {
        "resourceType": "ServiceRequest",
        "id": word(f"{place}.id"),
        "identifier": [{"system": word(f"{place}.identifier.system"), "value": word(f"{place}.identifier")}],
        "text": {"status": "generated", "div": word(f"{place}.div")},
        "contained": [contained | {"note": _notes(word, f"{place}.contained")}],
        "extension": [{"url": word(f"{place}.extension.url"), "valueString": word(f"{place}.extension")}],
        "status": "draft",
        "intent": "order",
        "category": [_concept(word, f"{place}.category")],
        "code": _concept(word, f"{place}.code", CPT, "72148"),
        "subject": _subject(word, place),
        "encounter": _reference(word, f"{place}.encounter"),
        "requester": _reference(word, f"{place}.requester"),
        "performer": [_reference(word, f"{place}.performer")],
        "occurrenceTiming": {"code": _concept(word, f"{place}.timing")},
        "authoredOn": word(f"{place}.authoredOn"),
        "reasonCode": [_concept(word, f"{place}.reason", SNOMED, "249945007")],
        "reasonReference": [_reference(word, f"{place}.reasonReference") | {"display": ""}],
        "bodySite": [_concept(word, f"{place}.bodySite")],
        "note": _notes(word, place),
        "patientInstruction": word(f"{place}.instruction"),
        word(f"{place}.member"): word(f"{place}.value"),
    }


def _condition(word: Word, place: str, system: str, code: str) -> dict[str, Any]:
    status = {"coding": [{"code": "active", "display": word(f"{place}.status")}], "text": word(f"{place}.status.text")}
    return {
        "resourceType": "Condition",
        "id": word(f"{place}.id"),
        "clinicalStatus": status,
        "code": _concept(word, f"{place}.code", system, code),
        "bodySite": [_concept(word, f"{place}.bodySite")],
        "subject": _subject(word, place),
        "asserter": _reference(word, f"{place}.asserter"),
        "onsetDateTime": "@today-10mT" + word(f"{place}.onset"),
        "recordedDate": word(f"{place}.recorded"),
        "note": _notes(word, place),
        "severity": _concept(word, f"{place}.severity"),
    }


def _procedure(word: Word, place: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "id": word(f"{place}.id"),
        "status": "completed",
        "code": _concept(word, f"{place}.code", SNOMED, code),
        "bodySite": [_concept(word, f"{place}.bodySite", SNOMED, "41216001")],
        "subject": _subject(word, place),
        "performedDateTime": "@today-27m",
        "performer": [{"actor": _reference(word, f"{place}.performer")}],
        "reasonCode": [_concept(word, f"{place}.reason")],
        "outcome": _concept(word, f"{place}.outcome"),
        "note": _notes(word, place),
    }


def _person(word: Word) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": PATIENT,
        "identifier": [{"system": "urn:mrn", "value": word("patient.mrn")}],
        "name": [{"family": word("patient.family"), "given": [word("patient.given")], "text": word("patient.name")}],
        "telecom": [{"system": "phone", "value": word("patient.phone")}],
        "address": [{"line": [word("patient.street")], "city": word("patient.city")}],
        "birthDate": word("patient.birth"),
    }


def _prefetch(word: Word) -> dict[str, Any]:
    conditions = [
        _condition(word, "cancer", ICD10, "C61"),
        _condition(word, "pacemaker", ICD10, "Z95.0"),
        _condition(word, "kidney", ICD10, "N18.5"),
        _condition(word, "unknown", word("unknown.system"), word("unknown.code")),
        _condition(word, "longer code", ICD10, "C61" + word("longer code")),
        _condition(word, "somebody else", ICD10, "C61") | {"subject": _reference(word, "somebody else")},
        word("no resource"),
    ]
    procedures = [_procedure(word, "radiotherapy", "108290001"), _procedure(word, "unknown procedure", "0")]
    link = [{"relation": "self", "url": word("link")}]
    return {
        "patient": _person(word),
        "conditions": searchset(conditions) | {"id": word("bundle.id"), "link": link},
        "procedures": searchset(procedures),
        "allergies": searchset([_condition(word, "allergy", SNOMED, "0") | {"resourceType": "AllergyIntolerance"}]),
        word("prefetch.key"): {"resourceType": word("prefetch.type"), "id": word("prefetch.id")},
    }

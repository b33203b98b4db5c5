"""Resources in the shapes of other FHIR versions: each is read where that costs little, or counted; none crashes.

Read: Conditions, Procedures and draft orders (ProcedureRequests, too) of DSTU2, STU3 and R5, with their reasons. Not
read: a study or a body site that R5 names only by reference. What names no study is not watched, what names no site
leaves the field unknown, and a reason that is not to be found is counted; so none is ever wrong.
"""

from datetime import timedelta

import pytest
from fhir.resources.servicerequest import ServiceRequest as ServiceRequestOfR5

from tests.support.notation import call, coded
from tests.support.service import TODAY, log_lines

PATIENT = {"reference": "Patient/pt-1"}


def days_ago(days: int) -> str:
    """Return a date so many days before the day of the tests."""
    return (TODAY - timedelta(days)).isoformat()


PROSTATE_CANCER, BREAST_CANCER = coded("icd10cm|C61"), coded("icd10cm|C50.911")
PLEXOPATHY, LUMBAR_MRI = coded("icd10cm|G54.1"), coded("cpt|72148")
RADIOTHERAPY, PROSTATE, BREAST = coded("sct|1217123003"), coded("sct|41216001"), coded("sct|76752008")
CANCER = {"resourceType": "Condition", "id": "cancer", "subject": PATIENT, "code": PROSTATE_CANCER}


def condition(code=PROSTATE_CANCER, **more) -> dict:
    """Return a Condition as DSTU2 has it: its subject is `patient`."""
    return {"resourceType": "Condition", "id": "c1", "patient": PATIENT, "code": code} | more


def procedure(**more) -> dict:
    """Return a course of radiotherapy, field not recorded."""
    resource = {"resourceType": "Procedure", "id": "p1", "subject": PATIENT, "status": "completed"}
    return resource | {"code": RADIOTHERAPY} | more


def asking(*record, **order) -> dict:
    """Return a call for a lumbar MRI with these members, of a patient with these resources."""
    body = call({"patient": "", "order": "lumbar MRI", "also drafted": "", "call": ""}, TODAY)
    keys = {"Condition": "conditions", "Procedure": "procedures"}
    for resource in record:
        body["prefetch"][keys[resource["resourceType"]]]["entry"].append({"resource": resource})
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    draft.update(order)
    body["context"]["selections"] = [f"{draft['resourceType']}/{draft['id']}"]
    return body


IN_REACH, SILENT = "info:in_reach:none", "no_history"
CONDITIONS = {
    # DSTU2
    "status as a text": (condition(clinicalStatus="active", verificationStatus="confirmed"), IN_REACH),
    "refuted": (condition(verificationStatus="refuted"), SILENT),
    "entered in error": (condition(verificationStatus="entered-in-error"), SILENT),
    "provisional": (condition(verificationStatus="provisional"), SILENT),
    "resolved is history": (condition(clinicalStatus="resolved"), IN_REACH),
    "another patient": (condition(patient={"reference": "Patient/somebody-else"}), SILENT),
    "a category that is one concept": (condition(category={"coding": [{"code": "diagnosis"}]}), IN_REACH),
    "undated for words": (condition(onsetString="years ago", abatementBoolean=True), IN_REACH),
    # STU3
    "status of STU3": (condition(clinicalStatus="remission", assertedDate=days_ago(900)), IN_REACH),
    # R5
    "participants of R5": (CANCER | {"participant": [{"actor": PATIENT}]}, IN_REACH),
    "a code that is a CodeableReference": (CANCER | {"code": {"concept": PROSTATE_CANCER}}, IN_REACH),
    "a code that is only a reference: not read": (
        CANCER | {"code": {"reference": {"reference": "x/1"}}},
        "not_readable",
    ),
    # nobody's
    "statuses that are neither": (condition(clinicalStatus=7, verificationStatus=[None, 3]), IN_REACH),
    "a subject that is a text: taken as asked for": (condition(patient=None, subject="Patient/x"), IN_REACH),
    "a subject by UUID": (condition(patient={"reference": "urn:uuid:pt-1"}), IN_REACH),
    "a status in words only": (condition(verificationStatus={"text": " Entered in error"}), SILENT),
    "a suspicion in words only": (condition(verificationStatus={"text": "Suspected"}), SILENT),
    "ruled out in words only": (condition(verificationStatus={"text": "Ruled out"}), SILENT),
    "a possibility in words only": (condition(verificationStatus={"text": "possible"}), SILENT),
    "confirmed in words only": (condition(verificationStatus={"text": "Confirmed"}), IN_REACH),
    "a status by its display": (condition(verificationStatus={"coding": [{"display": "Refuted"}]}), SILENT),
    "confirmed by its display": (condition(verificationStatus={"coding": [{"display": "Confirmed"}]}), IN_REACH),
    "suspected in SNOMED CT": (condition(verificationStatus=coded("sct|415684004")), SILENT),
    "possible in SNOMED CT": (condition(verificationStatus=coded("sct|410590009")), SILENT),
    "absent in SNOMED CT": (condition(verificationStatus=coded("sct|410516002")), SILENT),
    "not present in SNOMED CT": (condition(verificationStatus=coded("sct|410594000")), SILENT),
    "present in SNOMED CT": (condition(verificationStatus=coded("sct|410605003")), IN_REACH),
    "probably not present in SNOMED CT": (condition(verificationStatus=coded("sct|410593006")), SILENT),
    "absent by its display": (condition(verificationStatus={"coding": [{"display": "Known absent"}]}), SILENT),
    "possible by its display": (condition(verificationStatus={"coding": [{"display": "Known possible"}]}), SILENT),
    "not present in words": (condition(verificationStatus={"text": "Definitely NOT present"}), SILENT),
    "probably not present in words": (condition(verificationStatus={"text": "Probably not present"}), SILENT),
    "a status in words beside an empty coding": (
        condition(verificationStatus={"coding": [{"system": "https://ehr.example.org"}], "text": "Refuted"}),
        SILENT,
    ),
    "a status with two blanks": (condition(verificationStatus={"text": "Ruled  out"}), SILENT),
    "a status with a hard blank": (condition(verificationStatus={"text": "Ruled\u00a0out"}), SILENT),
    "codes that are no list": (condition({"coding": PROSTATE_CANCER["coding"][0]}), IN_REACH),
}
SIGN = "warning:in_reach:specific"
SIGNS = {
    "recorded lately (DSTU2)": ({"dateRecorded": days_ago(365)}, SIGN),
    "recorded long ago (DSTU2)": ({"dateRecorded": days_ago(366)}, IN_REACH),
    "asserted lately (STU3)": ({"assertedDate": days_ago(365)}, SIGN),
    "asserted long ago (STU3)": ({"assertedDate": days_ago(366)}, IN_REACH),
    "recorded lately (R4, R5)": ({"recordedDate": days_ago(365)}, SIGN),
    "begun lately, recorded long ago": ({"onsetDateTime": days_ago(9), "assertedDate": days_ago(900)}, SIGN),
    "begun long ago, recorded lately": ({"onsetDateTime": days_ago(900), "assertedDate": days_ago(9)}, IN_REACH),
    "dated by words only: undated": ({"onsetString": "last winter"}, SIGN),
    "dated by age only: undated": ({"onsetAge": {"value": 61, "unit": "a"}}, SIGN),
    "resolved": ({"clinicalStatus": "resolved"}, IN_REACH),
    "relapsed": ({"clinicalStatus": "relapse"}, SIGN),
    "active by a display in German": ({"clinicalStatus": {"coding": [{"display": "Aktiv"}], "text": "Aktiv"}}, SIGN),
}
PROCEDURES = {
    # DSTU2
    "not performed": (procedure(notPerformed=True), SILENT),
    "not not performed": (procedure(notPerformed=False), IN_REACH),
    "broken off": (procedure(status="aborted"), IN_REACH),
    "a reason that is one concept, adjacent": (procedure(reasonCodeableConcept=PROSTATE_CANCER), "(Prostate cancer)"),
    "a reason that is one concept, remote": (procedure(reasonCodeableConcept=BREAST_CANCER), SILENT),
    "a reason that is one reference": (procedure(reasonReference={"reference": "Condition/far"}), "far"),
    # STU3
    "not done": (procedure(notDone=True), SILENT),
    "suspended": (procedure(status="suspended"), IN_REACH),
    "remote body site that is one concept": (procedure(bodySite=BREAST), SILENT),
    # R5
    "occurrence": (procedure(occurrenceDateTime="2024-08"), ", 2024-08: 2 years 3 months ago"),
    "occurrence as a period": (procedure(occurrencePeriod={"start": "2024-06", "end": "2024-08"}), "until 2024-08"),
    "occurrence in words": (procedure(occurrenceString="in summer"), IN_REACH),
    "occurrence as an age": (procedure(occurrenceAge={"value": 61, "unit": "a"}), IN_REACH),
    "a body site that is a CodeableReference": (procedure(bodySite=[{"concept": BREAST}]), SILENT),
    "a body site that is only a reference: not read": (procedure(bodySite=[{"reference": PATIENT}]), IN_REACH),
    "a reason that is a CodeableReference": (procedure(reason=[{"concept": BREAST_CANCER}]), SILENT),
    "a reason of R5 that is a reference": (procedure(reason=[{"reference": {"reference": "Condition/far"}}]), "far"),
    "a code that is a CodeableReference": (procedure() | {"code": {"concept": RADIOTHERAPY}}, IN_REACH),
    "performers, devices and reports of R5": (
        procedure(performer=[{"actor": PATIENT}], used=[{"concept": {}}], recorded="2024-08"),
        IN_REACH,
    ),
}
STU3 = {"resourceType": "ProcedureRequest", "requester": {"agent": {"reference": "Practitioner/1"}}}
R5 = {"code": {"concept": LUMBAR_MRI, "reference": {"reference": "ActivityDefinition/mri"}}}
ORDERS = {
    "STU3": (STU3, IN_REACH),
    "STU3 with a reason": (STU3 | {"reasonCode": [PLEXOPATHY]}, SIGN),
    "STU3 with a reason that is drafted": (STU3 | {"reasonReference": [{"reference": "Condition/sign"}]}, SIGN),
    "a version of its reason": ({"reasonReference": [{"reference": "Condition/sign/_history/2"}]}, SIGN),
    "its reason by URL": ({"reasonReference": [{"reference": "https://ehr.example.org/r4/Condition/sign"}]}, SIGN),
    "a contained reason that is not there": ({"reasonReference": [{"reference": "#gone"}]}, IN_REACH),
    "an id that is no text": ({"contained": [{"id": ["x"]}, {"id": {}}, {"id": 1}, {}]}, IN_REACH),
    "DSTU2": ({"resourceType": "ProcedureRequest", "orderer": PATIENT, "scheduledDateTime": "2026-11-24"}, IN_REACH),
    "DSTU2 with a reason": ({"resourceType": "ProcedureRequest", "reasonCodeableConcept": PLEXOPATHY}, SIGN),
    "DSTU2 with a reason in words": (
        {"resourceType": "ProcedureRequest", "reasonCodeableConcept": {"text": "left leg weakness"}},
        SIGN,
    ),
    "DSTU2 with a reason that is one reference": (
        {"resourceType": "ProcedureRequest", "reasonReference": {"reference": "Condition/sign"}},
        SIGN,
    ),
    "R5, its code a CodeableReference": ({"code": {"concept": LUMBAR_MRI}}, IN_REACH),
    "R5, its code in words": ({"code": {"concept": {"text": "MRI L-SPINE W/O"}}}, IN_REACH),
    "R5, its code in an extension": (
        {"code": {"concept": {"extension": [{"url": "https://x.example.org", "valueCodeableConcept": LUMBAR_MRI}]}}},
        IN_REACH,
    ),
    "R5, another study": ({"code": {"concept": coded("cpt|72141")}}, "nothing_watched"),
    "R5, its code a reference: not watched": (
        {"code": {"reference": {"reference": "ActivityDefinition/mri"}}},
        "nothing_watched",
    ),
    "R5, its reason a concept": (R5 | {"reason": [{"concept": PLEXOPATHY}]}, SIGN),
    "R5, its reason in words": (R5 | {"reason": [{"concept": {"text": "left leg weakness"}}]}, SIGN),
    "R5, its reason a reference": (R5 | {"reason": [{"reference": {"reference": "Condition/sign"}}]}, SIGN),
    "R5, its reason neither": (R5 | {"reason": [{"id": "r1"}]}, IN_REACH),
    "R5, its body structure": ({"bodyStructure": {"reference": "BodyStructure/1"}}, IN_REACH),
    "a code that is a list": ({"code": [LUMBAR_MRI]}, IN_REACH),
    "a body site that is one concept": ({"bodySite": PROSTATE}, IN_REACH),
}


@pytest.fixture
def logged_reason(service, caplog):
    """Give a function that makes a call and returns why it was answered so, and the detail of its card."""
    caplog.set_level("INFO", "plexus_cds")

    def ask(body: dict) -> tuple[str, str]:
        caplog.clear()
        cards = service.cards(body)
        [line] = log_lines(caplog)
        [reason] = line["reasons"]
        return reason, cards[0]["detail"] if cards else ""

    return ask


@pytest.mark.parametrize(("resource", "reason"), CONDITIONS.values(), ids=CONDITIONS)
def test_conditions(resource, reason, logged_reason):
    """A malignancy counts by its statuses and its patient in every version's shape."""
    assert logged_reason(asking(resource))[0] == reason


@pytest.mark.parametrize(("members", "reason"), SIGNS.values(), ids=SIGNS)
def test_signs(members, reason, logged_reason):
    """A sign of plexopathy counts by its status and its onset, or else its recording, whatever that is called."""
    assert logged_reason(asking(CANCER, condition(PLEXOPATHY, **members)))[0] == reason


@pytest.mark.parametrize(("resource", "says"), PROCEDURES.values(), ids=PROCEDURES)
def test_procedures(resource, says, logged_reason):
    """Radiotherapy counts unless it was not done; what is not read of it leaves its field or its date unknown."""
    if says == "far":
        breast_cancer = CANCER | {"id": "far", "code": BREAST_CANCER, "verificationStatus": "refuted"}
        assert logged_reason(asking(resource, breast_cancer))[0] == IN_REACH, "a refuted reason tells no field"
        assert (
            logged_reason(asking(resource, breast_cancer | {"verificationStatus": "confirmed"}))[0]
            == "info:remote_only:none"
        )
        return
    reason, detail = logged_reason(asking(resource))
    assert reason == (SILENT if says == SILENT else IN_REACH)
    assert says == reason or says in detail
    assert "Radiotherapy" in detail or reason == SILENT


@pytest.mark.parametrize(("members", "reason"), ORDERS.values(), ids=ORDERS)
def test_orders(members, reason, logged_reason):
    """A draft order is read in the shapes of DSTU2 to R5; one that only refers to its study is not watched."""
    sign = condition(PLEXOPATHY) | {"id": "sign", "clinicalStatus": "resolved"}
    assert logged_reason(asking(CANCER, sign, **members))[0] == reason


@pytest.mark.parametrize("name", [name for name, (_, reason) in ORDERS.items() if reason in (IN_REACH, SIGN)])
def test_orders_go_out_as_they_came(name, service):
    """What an older or newer order has besides its study goes out as it came, in a resource of its own type."""
    members, _ = ORDERS[name]
    body = asking(CANCER, **members)
    [card] = service.cards(body)
    came = body["context"]["draftOrders"]["entry"][0]["resource"]
    out = {action["type"]: action["resource"] for suggestion in card["suggestions"] for action in suggestion["actions"]}
    replaced, added = out["update"], out["create"]
    assert replaced["code"] == added["code"]
    proposed = replaced["code"]["concept"] if "concept" in came["code"] else replaced["code"]
    assert proposed["coding"][1]["code"] == "443078008"
    changed = {"code", "bodySite", "bodyStructure", "text", "extension"}
    assert replaced.keys().isdisjoint({"bodySite", "bodyStructure", "text"})
    assert {k: v for k, v in replaced.items() if k not in changed} == {
        k: v for k, v in came.items() if k not in changed
    }
    assert added["resourceType"] == came["resourceType"]
    taken_over = {"reason", "reasonCode", "reasonReference", "reasonCodeableConcept", "orderer", "scheduledDateTime"}
    assert {k: v for k, v in added.items() if k in taken_over} == {k: v for k, v in came.items() if k in taken_over}


def test_valid_r5_stays_valid(service):
    """An order that is valid FHIR R5 leads to an update and a create that are."""
    reason = [{"concept": PLEXOPATHY}, {"reference": {"reference": "#why"}}, {"reference": {"display": "weak leg"}}]
    why = {"resourceType": "Condition", "id": "why", "subject": PATIENT, "clinicalStatus": {"text": "Active"}}
    body = asking(CANCER, **R5, contained=[why], reason=reason)
    [card] = service.cards(body)
    came = body["context"]["draftOrders"]["entry"][0]["resource"]
    for any_order in (came, *(suggestion["actions"][0]["resource"] for suggestion in card["suggestions"])):
        assert ServiceRequestOfR5.model_validate(any_order).reason[1].reference.reference == "#why"
        assert [kept["id"] for kept in any_order["contained"]] == ["why"]


def test_the_cancer_that_lasted_until_lately_is_told_first(logged_reason):
    """Of two cancers the one comes first whose onset, where that is a period, ended later."""
    long = CANCER | {"onsetPeriod": {"start": "2010", "end": "2024"}}
    short = CANCER | {"id": "breast", "code": BREAST_CANCER, "onsetDateTime": "2020"}
    _, detail = logged_reason(asking(short, long))
    assert detail.index("Prostate cancer") < detail.index("Breast cancer")

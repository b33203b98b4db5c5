"""What neither a code nor words explain is never left unread in silence: it is counted, by code system."""

from collections import Counter

import pytest

from cds_service.examples import searchset
from cds_service.store.tables import UNRECOGNIZED
from tests.support.databases import rows, serving_with
from tests.support.metric_series import rises
from tests.support.notation import PATIENT
from tests.support.service import TODAY, log_lines

LOCAL, OWN_ORDERS = "urn:oid:1.2.840.114350.1.13.0.1.7.2.727", "https://ehr.example.org/fhir/CodeSystem/orders"
ICD10, SNOMED = "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"
CPT = "http://www.ama-assn.org/go/cpt"


def entry(resource_type: str, system: str = "", code: str = "4711", text: str = "") -> dict:
    """Return a Condition or a Procedure with one code, or none."""
    coded = {"coding": [{"system": system, "code": code}]} if system else {}
    status = {"status": "completed"} if resource_type == "Procedure" else {}
    text_member = {"text": text} if text else {}
    return {
        "resourceType": resource_type, "id": "x", "subject": {"reference": f"Patient/{PATIENT}"},
        "code": coded | text_member, **status,
    }  # fmt: skip


def order(code: dict, **members) -> dict:
    """Return a draft order."""
    whose = {"subject": {"reference": f"Patient/{PATIENT}"}, "status": "draft", "intent": "order"}
    return {"resourceType": "ServiceRequest", "id": "o", "code": code} | whose | members


def coded(system: str, code: str, **members) -> dict:
    """Return a concept with one code."""
    return {"coding": [{"system": system, "code": code}]} | members


LUMBAR = order(coded(CPT, "72148"))


def call(*entries: dict, drafted: dict = LUMBAR) -> dict:
    """Return a call with these entries of the record."""
    conditions = [entry for entry in entries if entry["resourceType"] == "Condition"]
    procedures = [entry for entry in entries if entry["resourceType"] == "Procedure"]
    return {
        "hook": "order-select",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/1",
            "patientId": PATIENT,
            "selections": ["ServiceRequest/o"],
            "draftOrders": searchset([drafted]),
        },
        "prefetch": {"conditions": searchset(conditions), "procedures": searchset(procedures)},
    }


def logged(service, caplog, body: dict) -> Counter:
    """Return what the log line of a call has: how many of which resource type and system."""
    caplog.clear()
    caplog.set_level("INFO", "plexus_cds")
    assert service.post(body).status_code == 200
    line = log_lines(caplog, "call")[-1]
    return Counter(
        {(count_row["resource"], count_row["system"]): count_row["count"] for count_row in line["unrecognized"]}
    )


ENTRIES = {
    "a local code": (entry("Condition", LOCAL), 1),
    "a local code of a Procedure": (entry("Procedure", LOCAL), 1),
    "a local code with a display that says nothing": (entry("Condition", LOCAL, text="Problem 7"), 1),
    "a code of ours": (entry("Condition", ICD10, "I10"), 0),
    "a code of ours, too": (
        {**entry("Condition"), "code": {"coding": [{"system": s, "code": "38341003"} for s in (LOCAL, SNOMED)]}},
        0,
    ),
    "no code": (entry("Condition", text="Hypertension"), 0),
    "neither code nor words": (entry("Condition"), 0),
    "a local code and words that are read": (entry("Condition", LOCAL, text="Foot drop"), 1),
}


@pytest.mark.parametrize(("resource", "count"), ENTRIES.values(), ids=ENTRIES)
def test_entries_of_unread_systems_are_counted(resource, count, service, caplog):
    """An entry counts whose every code is of a system that is not read; the log has the system, and no code."""
    found = logged(service, caplog, call(resource, entry("Condition", ICD10, "C61")))
    assert found == ({(resource["resourceType"], LOCAL): count} if count else {})
    assert "4711" not in caplog.text


ORDERS = {
    "a local code": (coded(OWN_ORDERS, "IMG123"), OWN_ORDERS),
    "a local code of an MRI of nothing": (coded(OWN_ORDERS, "IMG123", text="MRI W WO CONTRAST"), OWN_ORDERS),
    "neither code nor words": ({}, "none"),
    "a spine MRI whose level is not stated": (coded(SNOMED, "241645008"), "http://snomed.info"),
    "a local code with the name of another study": (coded(OWN_ORDERS, "IMG123", text="MRI BRAIN"), None),
    "a local code with a name that is no imaging": (coded(OWN_ORDERS, "LAB7", text="CBC with differential"), None),
    "a code of another study": (coded(CPT, "70551"), None),
    "a code that we read": (coded(CPT, "80053"), None),
    "a watched order": (LUMBAR["code"], None),
}


@pytest.mark.parametrize(("code", "system"), ORDERS.values(), ids=ORDERS)
def test_orders_that_nothing_explains_are_counted(code, system, service, caplog):
    """A selected order counts of which neither a code nor words tell the study."""
    found = logged(service, caplog, call(drafted=order(code)))
    assert found == ({("ServiceRequest", system): 1} if system else {})


def test_an_order_that_was_not_chosen_is_not_counted(service, caplog):
    """Only selected orders count, for the others are asked about when they are chosen."""
    body = call(drafted=LUMBAR)
    body["context"]["draftOrders"]["entry"] += searchset([order(coded(OWN_ORDERS, "X"), id="other")])["entry"]
    assert not logged(service, caplog, body)


NAMES = {
    "an OID": (LOCAL, LOCAL),
    "a bare OID": ("2.16.840.1.113883.6.96.7", "2.16.840.1.113883.6.96.7"),
    "a URL of a code system": (OWN_ORDERS, OWN_ORDERS),
    "a public URL": ("http://hl7.example.org/fhir/sid/icd-x", "http://hl7.example.org/fhir/sid/icd-x"),
    "a URL of anything": ("https://ehr.example.org/problems", "https://ehr.example.org"),
    "a URL of a patient": ("https://ehr.example.org/Patient/doe", "https://ehr.example.org"),
    "a URL with a number": ("https://ehr.example.org/fhir/CodeSystem/123456", "https://ehr.example.org"),
    "a URL with a query": ("https://ehr.example.org/x?name=Doe", "https://ehr.example.org"),
    "a URL with a port": ("http://ehr.example.org:8080/x", "http://ehr.example.org"),
    "a URN": ("urn:site:DOE-JOHN", "urn:site"),
    "a name of a patient": ("Jane Doe", "other"),
    "markup": ("http://x.example/<b>", "http://x.example"),
    "a long one": ("http://x.example/" + "x" * 200, "other"),
}


@pytest.mark.parametrize(("system", "logged_name"), NAMES.values(), ids=NAMES)
def test_only_names_of_systems_are_told(system, logged_name, service, caplog):
    """A system is logged by its name where that has the shape of a system name, which no text of a patient has."""
    assert logged(service, caplog, call(entry("Condition", system))) == {("Condition", logged_name): 1}


def test_few_names_are_told_of_one_call(service, caplog):
    """Ten systems of a call are logged, the most frequent; the rest counts together."""
    entries = [entry("Condition", f"1.2.3.4.{number}") for number in range(30)] + [entry("Condition", "1.2.3.4.7")]
    found = logged(service, caplog, call(*entries))
    assert len(found) == 11
    assert found["Condition", "1.2.3.4.7"] == 2
    assert found["Condition", "other"] == 20


def test_they_are_in_the_metrics(service):
    """The metrics count by resource type, so that an alert can ring; no system makes a series of its own."""
    entries = (entry("Condition", LOCAL), entry("Condition", LOCAL), entry("Procedure", LOCAL))
    bodies = (call(*entries), call(drafted=order(coded(OWN_ORDERS, "X"))))
    found = rises(service, lambda: [service.post(body) for body in bodies], "unrecognized")
    assert found == {
        "unrecognized{resource=Condition}": 2,
        "unrecognized{resource=Procedure}": 1,
        "unrecognized{resource=ServiceRequest}": 1,
    }


def test_they_are_kept_and_shown(store, store_url, knowledge):
    """The store adds them up by day and system, and the dashboard shows which names the site file lacks."""
    with serving_with(store_url, knowledge) as (client, parts):
        for _ in range(2):
            client.post(call(entry("Condition", LOCAL), entry("Condition", LOCAL)))
        client.post(call(drafted=order({})))
        parts.recorder.flush()
        page = client.get("/dashboard").text
        csv = client.get("/dashboard/export/unrecognized.csv").text
    found = {(row.day, row.resource, row.system): row.count for row in rows(store, UNRECOGNIZED)}
    assert found == {(TODAY, "Condition", LOCAL): 4, (TODAY, "ServiceRequest", "none"): 1}
    assert f"Condition: {LOCAL}" in page
    assert "ServiceRequest: no code" in page
    assert f"Condition,{LOCAL},4" in csv

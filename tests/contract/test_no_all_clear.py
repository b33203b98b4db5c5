"""What is missing is never answered as an all-clear: the EHR hears what did not come, and the log has its name."""

from copy import deepcopy

import pytest

from cds_service import examples
from tests.support.service import TODAY, log_lines

PATIENT_TEXT = "Mrs. Zq17 with leg weakness"


@pytest.fixture
def call():
    """Return the article's call, free to be changed."""
    return deepcopy(examples.example("calls", "article", TODAY))


def diagnostics(response) -> str:
    """Return what an error says."""
    [issue] = response.json()["issue"]
    return issue["diagnostics"]


def reasons(service, caplog, body) -> list[str]:
    """Return the reasons of a call's line in the log, which must have no card."""
    caplog.clear()
    caplog.set_level("INFO", "plexus_cds")
    assert service.cards(body) == []
    return log_lines(caplog, "call")[-1]["reasons"]


@pytest.mark.parametrize("given", [{}, {"draftOrders": None}], ids=["absent", "null"])
def test_a_call_without_its_drafts_is_422(call, given, service):
    """A call without draftOrders, which the hook requires, is 422 and names the likely cause in the EHR."""
    call["context"] = {name: value for name, value in call["context"].items() if name != "draftOrders"} | given
    response = service.post(call)
    assert response.status_code == 422
    for word in ("context.draftOrders", "endpoint", "scope"):
        assert word in diagnostics(response)


@pytest.mark.parametrize(
    ("stripped", "error"),
    [
        ({"context": {}}, "context.patientId is missing"),
        ({"context": {"userId": "Practitioner/1"}}, "context.patientId is missing"),
        ({"context": ...}, "context is missing"),
        ({"context": {"userId": "Practitioner/1", "patientId": "p"}}, "context.draftOrders is missing"),
    ],
)
def test_a_stripped_call_is_told_as_one(call, stripped, error, service, caplog):
    """A call that came without its data is 422 with the likely cause, and the log has the member that is missing."""
    caplog.set_level("INFO", "plexus_cds")
    response = service.post({name: value for name, value in (call | stripped).items() if value is not ...})
    assert response.status_code == 422
    for word in (error, "context.draftOrders", "endpoint", "scope"):
        assert word in diagnostics(response)
    [line] = log_lines(caplog, "call")
    assert (line["outcome"], line["error"]) == ("not_a_call", error)


@pytest.mark.parametrize(
    "change", [{"hook": "patient-view"}, {"hookInstance": ...}, {"context": []}, {"context": {"patientId": 7}}]
)
def test_another_fault_has_another_cause(call, change, service):
    """What is wrong in another way is not said to be stripped."""
    response = service.post({name: value for name, value in (call | change).items() if value is not ...})
    assert response.status_code == 422
    assert "endpoint" not in diagnostics(response)


def test_an_empty_bundle_of_drafts_is_no_fault(call, service):
    """A call whose Bundle of drafts is empty has nothing to advise on, and is answered."""
    call["context"] |= {"draftOrders": {"resourceType": "Bundle"}, "selections": []}
    assert service.cards(call) == []


@pytest.mark.parametrize(
    "selections", [["ServiceRequest/gone"], ["gone", "MedicationRequest/m1"], ["https://ehr.example.org/Task/1"]]
)
def test_selections_that_name_no_draft_have_a_reason(call, selections, service, caplog):
    """Selections that name none of the drafts are answered without a card, for a reason of their own."""
    call["context"]["selections"] = selections
    assert reasons(service, caplog, call) == ["selection_not_found"]


def test_a_draft_of_another_type_is_found(call, service, caplog):
    """A selected draft that is no order is found, and not watched."""
    drafts = call["context"]["draftOrders"]["entry"]
    drafts.append({"resource": {"resourceType": "MedicationRequest", "id": "m1"}})
    call["context"]["selections"] = ["MedicationRequest/m1"]
    assert reasons(service, caplog, call) == ["nothing_watched"]


@pytest.mark.parametrize("status", ["revoked", "completed", "entered-in-error"])
def test_an_order_that_is_no_draft_is_told_so(call, status, service, caplog):
    """A watched study that is no draft any more has a reason of its own, and is not called unwatched."""
    call["context"]["draftOrders"]["entry"][0]["resource"]["status"] = status
    assert reasons(service, caplog, call) == ["not_a_draft"]


def test_a_total_without_entries_is_unread(call, service):
    """A Bundle that counts matches and holds none was not sent: the record is unread, and no all-clear."""
    call["prefetch"]["conditions"] = {"resourceType": "Bundle", "type": "searchset", "total": 3}
    call["prefetch"]["procedures"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    response = service.post(call)
    assert response.status_code == 412
    assert "conditions" in diagnostics(response)


def test_a_bundle_of_another_query_is_unread(call, service):
    """Where the queries of two keys are mixed up, no resource is of the requested type: unread, and no all-clear."""
    conditions, procedures = ({"resourceType": "Bundle", "type": "searchset", "entry": []} for _ in range(2))
    conditions["entry"].append({"resource": {"resourceType": "Procedure", "id": "p1"}})
    procedures["entry"].append({"resource": {"resourceType": "Condition", "id": "c1"}})
    note = {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}}
    for prefetch in ({"conditions": conditions}, {"procedures": procedures}):
        call["prefetch"] = {key: {"resourceType": "Bundle", "entry": [note]} for key in ("conditions", "procedures")}
        assert service.cards(call) == []
        call["prefetch"] |= prefetch
        response = service.post(call)
        assert response.status_code == 412
        assert f"{next(iter(prefetch))}: it was not prefetched" in diagnostics(response)


def test_an_empty_search_is_read(call, service, caplog):
    """A Bundle that counts nothing and holds nothing is an empty chart."""
    for key in ("conditions", "procedures"):
        call["prefetch"][key] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    assert reasons(service, caplog, call) == ["no_history"]


@pytest.mark.parametrize(("beyond", "is_stated"), [(0, False), (7, True), (-1, False)])
def test_a_total_beyond_the_entries_is_told(call, beyond, is_stated, service, caplog):
    """Entries that a total counts and no page contains are counted in the log and stated on the card."""
    conditions = call["prefetch"]["conditions"]
    conditions["total"] = len(conditions["entry"]) + beyond
    caplog.set_level("INFO", "plexus_cds")
    [card] = service.cards(call)
    assert ("did not send: 7" in card["detail"]) is is_stated
    counts = log_lines(caplog, "call")[-1]["counts"]
    assert counts["not_sent"] == max(0, beyond)


def test_an_absent_key_is_named_with_those_that_came(call, service):
    """A prefetch under other keys is 412, which names the key that is missing and those that came."""
    call["prefetch"] = {"problems": call["prefetch"].pop("conditions"), **call["prefetch"], PATIENT_TEXT: None}
    call["prefetch"]["procedures"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    response = service.post(call)
    assert response.status_code == 412
    message = diagnostics(response)
    assert "conditions: it was not prefetched" in message
    assert "Prefetch keys received: problems, procedures." in message
    assert "Zq17" not in message

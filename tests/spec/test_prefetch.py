"""Prefetch and FHIR access (CDS Hooks 2.0.1, Providing FHIR Resources to a CDS Service)."""

import json

import pytest

from tests.spec.body_checks import outcome_faults
from tests.spec.ehr import Ehr, service_beside
from tests.support.corpus import call, in_context, prefetching

FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
EMPTY = {"resourceType": "Bundle", "type": "searchset", "total": 0}


@pytest.fixture(scope="module")
def running(knowledge):
    """Return a client of the service, and a FHIR server that it may read from."""
    server = Ehr()
    with service_beside(server, knowledge) as client:
        yield client, server


@pytest.fixture
def ehr(running):
    """Return the FHIR server, which has the record of the article's patient and was not asked yet."""
    running[1].asked.clear()
    return running[1]


@pytest.fixture
def beside(running):
    """Return the client of the service beside that FHIR server."""
    return running[0]


@pytest.mark.requirement("P-03", broken="a 412 for one of the two ways, or other advice")
@pytest.mark.requirement("P-14", broken="a 412 though the FHIR server could have been asked")
@pytest.mark.requirement("P-22", broken="a 412 though server and token came with the call")
@pytest.mark.requirement("Q-10", broken="a 422 for a call without prefetch")
@pytest.mark.requirement("P-09", broken="a missing key that is read as `there is none`")
@pytest.mark.requirement("P-11", broken="a missing key that is read as `there is none`")
def test_what_was_not_prefetched_is_read(beside, ehr):
    """Without any prefetch, both searches are made, and the advice is that of a full prefetch."""
    cards = beside.cards(call("nothing-prefetched", fhirServer=ehr.base))
    assert ehr.types == ["Condition", "Procedure"]
    assert cards[0]["detail"] == beside.cards(prefetching_alone())[0]["detail"]


def prefetching_alone() -> dict:
    """Return the article's call with its one order, as nothing-prefetched has it, all prefetched."""
    return in_context(call(), draftOrders=call("nothing-prefetched")["context"]["draftOrders"])


@pytest.mark.requirement("P-05", broken="all searches again where one key is missing")
@pytest.mark.requirement("P-14", broken="a search for a key that was prefetched")
@pytest.mark.parametrize(("key", "kind"), [("conditions", "Condition"), ("procedures", "Procedure")])
def test_only_what_is_missing_is_read(key, kind, beside, ehr):
    """Of two templates, the unfilled one alone is read from the FHIR server."""
    assert len(beside.cards(prefetching(call(fhirServer=ehr.base), **{key: ...}))) == 1
    assert ehr.types == [kind]


@pytest.mark.requirement("P-13", broken="a search for what the client says is not there")
@pytest.mark.parametrize("nothing", [None, EMPTY], ids=["null", "an empty Bundle"])
def test_no_data_is_not_missing_data(nothing, beside, ehr):
    """Null and an empty Bundle mean that there is none: silence, and no search."""
    nobody = prefetching(call(fhirServer=ehr.base), conditions=nothing, procedures=nothing)
    assert (beside.cards(nobody), ehr.asked) == ([], [])


@pytest.mark.requirement("P-12", broken="a failed search that is read as an empty record")
@pytest.mark.requirement("P-10", broken="silence, as if the patient had no history")
@pytest.mark.parametrize("failed", [FAILED, EMPTY | {"entry": [{"resource": FAILED}]}], ids=["alone", "in a Bundle"])
def test_a_failed_prefetch_is_no_empty_record(failed, beside, ehr):
    """A failed prefetch is said on the card where the rest suffices, and is 412 where it does not."""
    half = beside.cards(prefetching(call(fhirServer=ehr.base), procedures=failed))
    assert "incomplete record" in half[0]["detail"]
    none = beside.post(prefetching(call(fhirServer=ehr.base), conditions=failed, procedures=failed))
    assert (none.status_code, ehr.asked) == (412, [])


@pytest.mark.requirement("P-15", broken="silence, as if the patient had no history")
@pytest.mark.requirement("A-03", broken="a 200, 500 or 424")
@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_data_that_cannot_be_had_is_412(hook, service):
    """Neither prefetched nor to be read: 412, with an OperationOutcome that says so."""
    response = service.post(call("nothing-prefetched", hook), f"/cds-services/lumbosacral-plexus-mri-{hook}")
    assert (response.status_code, outcome_faults(response)) == (412, [])


@pytest.mark.requirement("P-15", broken="a 500 when the FHIR server refuses")
@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_fhir_server_that_refuses_is_412(status, knowledge):
    """A FHIR server that refuses the token, or fails, leaves data that could not be had."""
    ehr = Ehr(status)
    with service_beside(ehr, knowledge) as client:
        response = client.post(call("nothing-prefetched", fhirServer=ehr.base))
    assert (response.status_code, outcome_faults(response)) == (412, [])


@pytest.mark.requirement("P-23", broken="a search without `Authorization`")
@pytest.mark.requirement("P-24", broken="a search of other data than was advertised")
def test_every_search_carries_the_token(beside, ehr):
    """Each request carries the access token as Bearer and asks for this patient's record alone."""
    beside.cards(call("nothing-prefetched", fhirServer=ehr.base))
    assert [request["token"] for request in ehr.asked] == ["Bearer opaque"] * 2
    assert [request["query"] for request in ehr.asked] == [{"patient": ["article"]}] * 2


@pytest.mark.requirement("P-31", broken="a token in the log, in the answer, or in the next call's searches")
@pytest.mark.requirement("X-25", broken="a token in the log")
def test_the_token_is_forgotten(beside, ehr, caplog):
    """A token is neither logged nor answered, and the next call does not use it."""
    caplog.set_level("DEBUG", "plexus_cds")
    body = call("nothing-prefetched", fhirServer=ehr.base)
    response = beside.post(body | {"fhirAuthorization": {"access_token": "secret-token"}})
    assert beside.cards(body | {"fhirAuthorization": None})
    assert [request["token"] for request in ehr.asked] == ["Bearer secret-token"] * 2 + [None] * 2
    assert "secret-token" not in response.text + caplog.text


@pytest.mark.requirement("P-04", broken="a 500 for a value that is no resource")
@pytest.mark.requirement("P-07", broken="a 422 for a key that was never advertised")
@pytest.mark.parametrize("junk", ["123", 5, [], {"resourceType": "Patient"}], ids=json.dumps)
def test_junk_is_read_as_missing(junk, beside, ehr):
    """A value that cannot be the answer to the template is read from the FHIR server instead."""
    assert len(beside.cards(prefetching(call(fhirServer=ehr.base), conditions=junk, user=junk))) == 1
    assert ehr.types == ["Condition"]


@pytest.mark.requirement("P-06", broken="advice from the record of somebody else")
def test_entries_of_another_patient_are_left_out(service):
    """What was prefetched of another patient is no history of this one."""
    somebody = call()["prefetch"]
    text = json.dumps(somebody).replace("Patient/article", "Patient/somebody-else")
    assert service.cards(call(prefetch=json.loads(text))) == []


@pytest.mark.requirement("P-08", broken="a history on the second page that is not seen")
def test_the_next_page_is_read(beside, ehr):
    """A prefetched Bundle that has a next page is read on."""
    pages = EMPTY | {"link": [{"relation": "next", "url": f"{ehr.base}/Condition?patient=article&page=2"}]}
    body = prefetching(call(fhirServer=ehr.base), conditions=pages, procedures=None)
    assert len(beside.cards(body)) == 1
    assert ehr.types == ["Condition"]

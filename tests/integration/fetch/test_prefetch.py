"""What a prefetch key may hold, and what is done then: read from the server, taken as it is, or found missing."""

import pytest

from cds_service.examples import searchset
from tests.support.hook_calls import entries, hook_call, reading, why
from tests.support.odd_server import holds, odd_server

CANCER = entries("prostate cancer")
RADIOTHERAPY = entries("radiotherapy course [completed, -27m, site prostate]")
ABSENT = object()
EMPTY = searchset([])


def outcome(severity: str) -> dict:
    """Return an OperationOutcome."""
    issue = {"severity": severity, "code": "processing", "diagnostics": "canary-of-the-client"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def with_outcome(*resources: dict, severity: str) -> dict:
    """Return a searchset which an OperationOutcome comes with."""
    bundle = searchset(resources)
    bundle["entry"].append({"resource": outcome(severity), "search": {"mode": "outcome"}})
    return bundle


FETCHED, CARD, SILENT = "fetched", "card", "silent"
CLIENT_FAILED = "conditions: the client could not read it"
CLIENT_FAILED_PARTLY = "conditions (in part): the client could not read it"
STATES = {
    "absent": (ABSENT, FETCHED),
    "null": (None, SILENT),
    "Bundle without entries": ({"resourceType": "Bundle", "type": "searchset", "total": 0}, SILENT),
    "Bundle with an empty list": (EMPTY, SILENT),
    "Bundle": (searchset(CANCER), CARD),
    "Bundle without type": ({"resourceType": "Bundle", "entry": [{"resource": CANCER[0]}]}, CARD),
    "one resource": (CANCER[0], CARD),
    "OperationOutcome": (outcome("error"), CLIENT_FAILED),
    "OperationOutcome, fatal": (outcome("fatal"), CLIENT_FAILED),
    "entry of an error": (with_outcome(severity="error"), CLIENT_FAILED_PARTLY),
    "entry of a fatal error": (with_outcome(severity="fatal"), CLIENT_FAILED_PARTLY),
    "entry of information": (with_outcome(severity="information"), SILENT),
    "entry of a warning": (with_outcome(severity="warning"), SILENT),
    "entry of a warning beside others": (with_outcome(*CANCER, severity="warning"), CARD),
    "text": ("123", FETCHED),
    "no text": ("", FETCHED),
    "number": (5, FETCHED),
    "false": (False, FETCHED),
    "list": ([searchset(CANCER)], FETCHED),
    "object without type": ({}, FETCHED),
    "another resource": ({"resourceType": "Patient", "id": "pt-1"}, FETCHED),
    "type that is no text": ({"resourceType": ["Bundle"]}, FETCHED),
}


@pytest.fixture(scope="module", name="ehr")
def an_ehr():
    """Run a FHIR server which has the patient's cancer, so that what is read from it brings a card."""
    with odd_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _fresh(ehr):
    ehr.stages(condition=holds(*CANCER), procedure=holds())


@pytest.fixture(scope="module", name="reader")
def a_service(ehr, knowledge):
    """Serve the application, with the FHIR server listed."""
    with reading(knowledge, ehr.url) as client:
        yield client


def given(conditions: object, procedures: object = None) -> dict:
    """Return a prefetch with this state of its keys."""
    states = {"conditions": conditions, "procedures": procedures}
    return {key: value for key, value in states.items() if value is not ABSENT}


@pytest.mark.parametrize(("state", "answer"), STATES.values(), ids=STATES)
def test_states(state, answer, ehr, reader):
    """Each state of a key is answered as docs/integration.md says, and only a missing key is read."""
    response = reader.post(hook_call(ehr.url, prefetch=given(state)))
    assert [request.kind for request in ehr.requests] == (["Condition"] if answer == FETCHED else [])
    if answer in (FETCHED, CARD, SILENT):
        assert response.status_code == 200, response.text
        assert len(response.json()["cards"]) == (answer != SILENT)
    else:
        assert why(response).endswith(f"{answer}.")
        assert "canary" not in response.text


@pytest.mark.parametrize("state", [state for state, answer in STATES.values() if answer == FETCHED])
def test_nothing_to_read_it_from(state, reader):
    """What is missing of a call that names no FHIR server is named in a 412."""
    text = why(reader.post(hook_call(None, prefetch=given(state))))
    assert text.endswith("conditions: it was not prefetched in full, and the call names no FHIR server.")


@pytest.mark.parametrize("state", [ABSENT, outcome("error"), with_outcome(severity="error"), "123"])
def test_history_found_in_the_other_key(state, reader, knowledge):
    """Radiotherapy in reach is reason for a card, which says that the conditions are missing."""
    [card] = reader.cards(hook_call(None, prefetch=given(state, searchset(RADIOTHERAPY))))
    texts = knowledge.card["incomplete"]
    assert texts["conditions"] in card["detail"] or texts["conditions_partly"] in card["detail"]


@pytest.mark.parametrize("base", ["{url}/", "/fhir/", ""], ids=["absolute", "of the server", "of the page"])
def test_a_link_to_the_next_page(base, ehr, reader):
    """A first page is gone on with at its link, which may be relative, and not read again."""
    bundle = EMPTY | {"link": [{"relation": "next", "url": f"{base.format(url=ehr.url)}Condition?page=2"}]}
    assert len(reader.cards(hook_call(ehr.url, prefetch=given(bundle)))) == 1
    assert [(request.method, request.target) for request in ehr.requests] == [("GET", "/fhir/Condition?page=2")]


@pytest.mark.parametrize("links", [None, {}, [None], [{"relation": "next"}], [{"relation": "self", "url": "x"}]])
def test_no_link_to_a_next_page(links, ehr, reader):
    """Other links, and links that say nothing, are no reason to read anything."""
    assert reader.cards(hook_call(ehr.url, prefetch=given(EMPTY | {"link": links}))) == []
    assert ehr.requests == []


def test_a_link_to_another_server(ehr, reader):
    """The client's link is followed no further than one of the server's own."""
    bundle = EMPTY | {"link": [{"relation": "next", "url": f"http://localhost:{ehr.port}/fhir/Condition"}]}
    text = why(reader.post(hook_call(ehr.url, prefetch=given(bundle))))
    assert text.endswith("conditions (in part): its next page is outside the FHIR server's base URL.")
    assert ehr.connections == 0


def test_a_key_that_was_never_advertised(ehr, reader):
    """What nobody asked for is neither read nor a fault."""
    prefetch = given(EMPTY) | {"user": "123", "patient": {"resourceType": "Patient"}, "medications": None}
    assert reader.cards(hook_call(ehr.url, prefetch=prefetch)) == []
    assert ehr.requests == []


@pytest.mark.parametrize("prefetch", [None, {}, {"user": "123"}])
def test_no_prefetch_at_all(prefetch, ehr, reader):
    """Both searches are read."""
    assert len(reader.cards(hook_call(ehr.url, prefetch=prefetch))) == 1
    assert sorted(request.kind for request in ehr.requests) == ["Condition", "Procedure"]


def test_another_patients_entries_of_the_client(ehr, reader):
    """A client that mixes in what belongs to others does not make this patient one with cancer."""
    others = searchset(entries("prostate cancer [another patient]"))
    assert reader.cards(hook_call(ehr.url, prefetch=given(others))) == []

"""Calls, as clients of all versions send them (CDS Hooks 2.0.1, Calling a CDS Service)."""

import time
from statistics import median

import pytest

from tests.spec.body_checks import outcome_faults, value_faults
from tests.support.corpus import PATHS, answers, call, in_context
from tests.support.service import ORDER_SELECT, ORDER_SIGN


def without_uuids(cards):
    """Return cards without what is new in each answer."""
    if isinstance(cards, dict):
        return {name: without_uuids(value) for name, value in cards.items() if name != "uuid"}
    return [without_uuids(card) for card in cards] if isinstance(cards, list) else cards


@pytest.fixture(scope="module")
def advice(service):
    """Return the cards for the article's patient, which every variant of the call must bring."""
    cards = service.cards(call())
    assert len(cards) == 1
    return without_uuids(cards)


@pytest.mark.requirement("Q-02", broken="a 500, or advice for a hook that was not called")
@pytest.mark.requirement("Q-03", broken="a 500")
@pytest.mark.requirement("Q-09", broken="a 500")
@pytest.mark.requirement("A-04", broken="a 200, or the 400 of a body that is no JSON")
@pytest.mark.parametrize("member", ["hook", "hookInstance", "context"])
def test_a_call_without_what_it_must_have_is_422(member, service):
    """JSON that is no call is answered 422, with an OperationOutcome that names the member."""
    body = {name: value for name, value in call().items() if name != member}
    response = service.post(body)
    assert (response.status_code, outcome_faults(response)) == (422, [])
    assert member in response.text


@pytest.mark.requirement("A-04", broken="a 200 for a call of another hook")
@pytest.mark.parametrize(("hook", "path"), [("order-sign", ORDER_SELECT), ("order-select", ORDER_SIGN)])
def test_a_call_of_another_hook_is_422(hook, path, service):
    """A service answers its own hook alone."""
    response = service.post(call(hook=hook), path)
    assert (response.status_code, outcome_faults(response)) == (422, [])


@pytest.mark.requirement("A-04", broken="a 500, or a 200 for an unreadable call")
@pytest.mark.parametrize("body", [[], "text", 5, None, {}, {"context": []}, {"context": {"patientId": 5}}])
def test_json_of_another_shape_is_422(body, service):
    """Any JSON that is no call is answered 422."""
    response = service.post(b"null" if body is None else body)
    assert (response.status_code, outcome_faults(response)) == (422, [])


@pytest.mark.requirement("Q-01", broken="a 500, or the HTML page of a framework")
@pytest.mark.requirement("A-04", broken="a 422, which is for JSON")
@pytest.mark.parametrize("body", [b"", b"{", b"hook=order-select", b"\xff\xfe", b'{"hook": NaN}', b"{'a': 1}"])
def test_a_body_that_is_no_json_is_400(body, service):
    """A body that is not JSON is answered 400."""
    response = service.post(body)
    assert (response.status_code, outcome_faults(response)) == (400, [])


@pytest.mark.requirement("Q-12", broken="a 422 for a client's own extension")
@pytest.mark.requirement("H-03", broken="a 422 when a hook gets a new member")
def test_unknown_members_change_nothing(service, advice):
    """Extensions and members that nobody defined, at any level, are ignored."""
    extra = {"extension": {"com.example.tenant": {"a": 1}}, "someNewMember": [None, ""]}
    body = in_context(call(), **extra) | extra
    body["fhirAuthorization"] |= extra
    body["prefetch"] |= extra
    assert without_uuids(service.cards(body)) == advice


@pytest.mark.requirement("Q-06", broken="a 412 though all was prefetched")
@pytest.mark.requirement("Q-08", broken="a 412 or 422 without a token")
@pytest.mark.requirement("P-32", broken="a 422 or 500 for null")
@pytest.mark.parametrize("absent", [{}, {"fhirAuthorization": None}, {"fhirServer": None}], ids=str)
def test_a_call_without_server_and_token_is_answered(absent, service, advice):
    """All that was prefetched is enough, without a FHIR server and without a token."""
    body = call()
    del body["fhirServer"], body["fhirAuthorization"]
    assert without_uuids(service.cards(body | absent)) == advice


@pytest.mark.requirement("P-25", broken="a 422 for a token without a token")
@pytest.mark.requirement("P-26", broken="a 422 for another case of Bearer")
@pytest.mark.requirement("P-27", broken="a 422 for a number as text")
@pytest.mark.requirement("P-28", broken="a 422 for scopes of the other notation")
@pytest.mark.parametrize(
    "token",
    [
        {},
        {"access_token": "t", "token_type": "bearer", "expires_in": "300", "scope": "patient/Condition.rs"},
        {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "user/*.read"},
    ],
    ids=str,
)
def test_an_odd_token_does_no_harm(token, service, advice):
    """What the client says of its token is not judged."""
    assert without_uuids(service.cards(call(fhirAuthorization=token))) == advice


@pytest.mark.requirement("Q-03", broken="a 422 for an instance that is no UUID")
@pytest.mark.requirement("Q-04", broken="silence, or a fault, at the second call")
@pytest.mark.requirement("A-06", broken="an answer that is the difference to the one before")
def test_the_same_call_again_gets_the_same_advice(service, advice):
    """Nothing is kept between calls, whatever their hookInstance is."""
    again = [service.cards(call(hookInstance="not a UUID")) for _ in range(2)]
    assert [without_uuids(cards) for cards in again] == [advice, advice]


@pytest.mark.requirement("P-01", broken="a median of half a second or more")
def test_an_answer_is_fast(service):
    """The median of twenty answers with a card takes less than half a second, and so of twenty silences."""
    for name in ("article", "unwatched-order"):
        times = [timed(lambda name=name: service.cards(call(name))) for _ in range(20)]
        assert median(times) < 0.5


def timed(act) -> float:
    """Return how many seconds an act takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


@pytest.mark.requirement("A-02", broken="204, null, or no `cards`")
@pytest.mark.requirement("G-04", broken="null for what is optional and not there")
@pytest.mark.parametrize("hook", PATHS)
@pytest.mark.parametrize("name", ["no-cancer", "unwatched-order", "sandbox-first"])
def test_nothing_to_say_is_an_empty_list(name, hook, service):
    """Silence is 200 and an empty list of cards, and nothing beside it."""
    response = service.post(call(name, hook), PATHS[hook])
    assert (response.status_code, response.json()) == (200, {"cards": []})


@pytest.mark.requirement("H-01", broken="a 500 for an order of FHIR STU3 beside one of R4")
def test_an_order_of_another_version_does_no_harm(service):
    """A STU3 order beside the R4 one, and a resource that is none, leave the advice as it is."""
    body = call()
    entries = body["context"]["draftOrders"]["entry"]
    old = {"resourceType": "ProcedureRequest", "id": "old", "status": "draft", "intent": "proposal"}
    drafts = {"resourceType": "Bundle", "entry": [*entries, {"resource": old}, {"resource": 5}, {}]}
    assert len(service.cards(in_context(body, draftOrders=drafts))) == 1


@pytest.mark.requirement("G-02", broken="`detail: null`")
@pytest.mark.requirement("G-03", broken="`links: []`")
def test_no_answer_has_empty_members(service):
    """No answer holds null, or an empty text, list or object, but for the empty list of cards."""
    for answer in answers(service):
        body = answer.response.json()
        assert body == {"cards": []} or value_faults(body) == [], answer.name

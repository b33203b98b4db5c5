"""Every order that a card carries: what came in valid goes out valid, what came in odd goes out no worse."""

import re
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir.validation import faults
from tests.support.notation import call
from tests.support.profiles import examples
from tests.support.service import TODAY

OF_THE_OLD_STUDY = {"code", "bodySite", "text"}
REPLACED = {*OF_THE_OLD_STUDY, "extension"}
RATING = "http://fhir.org/argonaut/Extension/pama-rating"
often = examples(150)

words = st.sampled_from(["L5", "Muskelschwäche", "<b>&amp;</b>", "腰椎", "\U0001f9b4", "a 'b' \"c\"", "$proposed"])
ids = st.sampled_from(["o1", "0", "A.b-C", "6bc883b2-b795-4dcb-b661-34884a31d472", "x" * 64])
codes = st.sampled_from(["I10", "249945007", "imaging", "a b"])
urls = st.sampled_from(["http://example.org/a", "urn:oid:1.2.3", "https://example.org/b#c"])
moments = st.sampled_from(["2026", "2026-11", "2026-11-22", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00.5+01:00"])
extensions = st.lists(
    st.one_of(
        st.fixed_dictionaries({"url": urls, "valueString": words}),
        st.fixed_dictionaries({"url": urls, "valueBoolean": st.booleans()}),
        st.just({"url": RATING, "valueCodeableConcept": {"text": "of the old study"}}),
    ),
    min_size=1,
    max_size=3,
)


def some(required=None, **optional):
    """Return a strategy for an object with these members, now and then with an extension."""
    return st.fixed_dictionaries(required or {}, optional={**optional, "extension": extensions}).filter(bool)


def many(strategy):
    """Return a strategy for a list as FHIR has it: never empty."""
    return st.lists(strategy, min_size=1, max_size=2)


codings = some({"code": codes}, system=urls, display=words, version=words, userSelected=st.booleans())
concepts = some({"text": words}, coding=many(codings)) | some({"coding": many(codings)})
periods = some({"start": st.just("2026-11-01"), "end": st.just("2026-12-01")})
identifiers = some({"value": words}, system=urls, use=st.just("official"), type=concepts, period=periods)


def references(*kinds):
    """Return a strategy for a reference to a resource of one of these kinds, or to one that is contained."""
    direct = st.builds("{}/{}".format, st.sampled_from(kinds), ids)
    return some({"reference": direct}, display=words) | some({"display": words}, identifier=identifiers)


people = references("Practitioner", "PractitionerRole", "Organization")
reasons = references("Condition", "Observation") | st.just({"reference": "#why"})
OPTIONAL = {
    "meta": some({"versionId": st.just("1")}, tag=many(codings), profile=st.just(["http://example.org/p"])),
    "implicitRules": urls,
    "language": st.just("en"),
    "text": st.just({"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">MRI</div>'}),
    "extension": extensions,
    "modifierExtension": many(st.fixed_dictionaries({"url": urls, "valueBoolean": st.booleans()})),
    "identifier": many(identifiers),
    "instantiatesCanonical": st.just(["http://example.org/plan|1"]),
    "instantiatesUri": many(urls),
    "basedOn": many(references("CarePlan", "ServiceRequest")),
    "replaces": many(references("ServiceRequest")),
    "requisition": identifiers,
    "category": many(concepts),
    "priority": st.sampled_from(["routine", "urgent", "asap", "stat"]),
    "doNotPerform": st.sampled_from([False]),
    "orderDetail": many(concepts),
    "encounter": references("Encounter"),
    "asNeededBoolean": st.booleans(),
    "authoredOn": moments,
    "requester": people,
    "performerType": concepts,
    "performer": many(people),
    "locationCode": many(concepts),
    "locationReference": many(references("Location")),
    "reasonCode": many(concepts),
    "reasonReference": many(reasons),
    "insurance": many(references("Coverage")),
    "supportingInfo": many(references("Observation", "DocumentReference")),
    "specimen": many(references("Specimen")),
    "bodySite": many(concepts),
    "note": many(some({"text": words}, authorString=words, time=moments)),
    "patientInstruction": words,
    "relevantHistory": many(references("Provenance")),
}
ONE_OF = [
    st.just({}),
    st.fixed_dictionaries({"occurrenceDateTime": moments}),
    st.fixed_dictionaries({"occurrencePeriod": periods}),
    st.just({"occurrenceTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}),
    st.just({"quantityQuantity": {"value": 1, "unit": "study"}}),
]
CONTAINED = {"resourceType": "Condition", "id": "why", "subject": {"reference": "Patient/pt-1"}}
LUMBAR = {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "72148"}]}
PLAIN = {
    "resourceType": "ServiceRequest",
    "status": "draft",
    "intent": "order",
    "subject": {"display": "x"},
    "code": LUMBAR,
}
REQUIRED = {
    "resourceType": st.just("ServiceRequest"),
    "id": ids,
    "status": st.sampled_from(["draft", "active", "on-hold"]),
    "intent": st.sampled_from(["proposal", "plan", "order", "original-order"]),
    "code": st.just(LUMBAR) | st.just({"text": "MRI lumbar spine"}) | st.just(LUMBAR | {"text": "MRI LS"}),
    "subject": st.just({"reference": "Patient/pt-1"}) | st.just({"display": "the patient"}),
}
ODD = st.sampled_from([None, [], {}, "", "x", 7, 1.5, True, [None], [{}], ["x"], [[]], {"x": 1}, {"coding": {}}])


@st.composite
def valid_orders(draw):
    """Draw an order that is valid FHIR R4, with many members or few."""
    order = draw(st.fixed_dictionaries(REQUIRED, optional=OPTIONAL)) | draw(st.one_of(ONE_OF))
    if {"reference": "#why"} in order.get("reasonReference", []) or draw(st.booleans()):
        order["contained"] = [CONTAINED]
        if {"reference": "#why"} not in order.get("reasonReference", []):
            order["reasonReference"] = [*order.get("reasonReference", []), {"reference": "#why"}]
    return order


@st.composite
def odd_orders(draw):
    """Draw an order of which some members are of a wrong type, empty, unknown or missing."""
    order = draw(valid_orders())
    names = sorted({*OPTIONAL, "status", "intent", "subject", "contained", "orderedBy", "_status", "context"})
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True)):
        if name in order and draw(st.booleans()):
            del order[name]
        else:
            order[name] = draw(ODD)
    return order | {"doNotPerform": False}


def emitted(order, service) -> tuple[dict, dict]:
    """Return the order of the update and that of the create on the card for this order."""
    body = call({"patient": "prostate cancer", "order": "lumbar MRI", "also drafted": ""}, TODAY)
    body["context"]["draftOrders"]["entry"][0]["resource"] = order
    body["context"]["selections"] = [f"ServiceRequest/{order['id']}"]
    (card,) = service.cards(body)
    recommends = any("isRecommended" in suggestion for suggestion in card["suggestions"])
    actions = [action for suggestion in card["suggestions"] for action in suggestion["actions"]]
    assert [action["type"] for action in actions] == (["update", "create"] if recommends else ["create", "update"])
    out = {action["type"]: action["resource"] for action in actions}
    return out["update"], out["create"]


def placed(resource) -> set[str]:
    """Return the faults of a resource, without positions in lists."""
    return {re.sub(r"\.\d+(?=[.:])", "", fault) for fault in faults(resource)}


def came_with(order, *, but) -> set[str]:
    """Return the faults of an order's members, except some; each looked at alone too, as one fault can hide another."""
    alone = [PLAIN | {name: value} for name, value in order.items() if name not in but]
    together = {name: value for name, value in order.items() if name not in but} | {"code": LUMBAR}
    return {fault for orders in [together, *alone] for fault in placed(orders)}


@given(order=valid_orders())
@often
def test_valid_stays_valid(order, service):
    """A valid order leads to an update and a create that are valid FHIR R4."""
    assert faults(order) == []
    for out in emitted(order, service):
        assert faults(out) == []


@given(order=odd_orders())
@often
def test_odd_gets_no_worse(order, service):
    """An order with faults leads to an update and a create that have none but those, and none in what is new."""
    update, create = emitted(order, service)
    assert placed(update) <= came_with(order, but=OF_THE_OLD_STUDY)
    assert placed(create) <= came_with(order, but=REPLACED)


@given(order=valid_orders() | odd_orders())
@often
def test_update_keeps_the_order(order, service):
    """The update is the whole order with its id, and every member but those that spoke of the old study as it came."""
    update, _ = emitted(deepcopy(order), service)
    kept = {name: value for name, value in order.items() if name not in REPLACED}
    assert {name: value for name, value in update.items() if name not in REPLACED} == kept
    assert update["code"]["text"] == "MRI lumbosacral plexus without and with IV contrast"
    assert update.keys().isdisjoint({"bodySite", "text"})


@given(order=valid_orders() | odd_orders())
@often
def test_update_keeps_the_extensions(order, service):
    """The update has every extension of the order, and in place of a rating of the old study the one of the new."""
    update, _ = emitted(deepcopy(order), service)
    came = order.get("extension")
    if came is not None and not isinstance(came, list):
        assert update["extension"] == came
        return
    others = [
        extension for extension in came or [] if not isinstance(extension, dict) or extension.get("url") != RATING
    ]
    assert update["extension"][:-1] == others
    assert update["extension"][-1]["url"] == RATING


@given(order=valid_orders() | odd_orders())
@often
def test_create_is_a_new_draft(order, service):
    """The create is a draft of its own: without the order's id, identifiers, status, history and narrative."""
    _, create = emitted(order, service)
    assert create["resourceType"] == "ServiceRequest"
    assert create["status"] == "draft"
    theirs = {"id", "identifier", "requisition", "meta", "text", "bodySite", "authoredOn", "basedOn", "replaces"}
    assert create.keys().isdisjoint(theirs)


@pytest.mark.parametrize("name", ["category", "priority", "encounter", "requester", "reasonCode", "reasonReference"])
def test_create_takes_over(name, service):
    """The create is for the same reason, by the same person, in the same encounter and as urgent as the order."""
    order = {"resourceType": "ServiceRequest", "id": "o1", "code": LUMBAR, name: [{"display": "as it came"}]}
    _, create = emitted(order, service)
    assert create[name] == order[name]


@pytest.mark.parametrize(("intent", "kept"), [("plan", "plan"), (None, "order"), ([], "order")])
def test_create_keeps_the_intent(intent, kept, service):
    """The create is meant as the order is, and as an order where that does not say."""
    order = {"resourceType": "ServiceRequest", "id": "o1", "code": LUMBAR, "intent": intent}
    assert emitted(order, service)[1]["intent"] == kept


def test_create_takes_the_contained_reason_along(service):
    """Of what the order contains the create has what it refers to, and nothing else."""
    contained = [CONTAINED, CONTAINED | {"id": "else"}]
    reason = [{"reference": "#why"}]
    order = {"resourceType": "ServiceRequest", "id": "o1", "code": LUMBAR, "contained": contained}
    assert emitted(order | {"reasonReference": reason}, service)[1]["contained"] == [CONTAINED]
    assert "contained" not in emitted(order, service)[1]


SPINE_ORDER = {"resourceType": "ServiceRequest", "id": "o1", "code": LUMBAR}
OWN = "urn:plexus-cds:study"
STUDIES = {
    "plexus-mri-without-and-with-contrast": ["443078008", "RPID4815", "30866-8"],
    "plexus-mri-without-contrast": ["RPID3474"],
    "ct-abdomen-pelvis-with-contrast": ["432370003", "36813-4", "74177"],
}
"""Our own code of each study that a card can propose, and the codes of others in their order."""


def proposed(service, patient: str) -> list[dict]:
    """Return the orders that the card of a patient carries, in the order of its suggestions."""
    [card] = service.cards(call({"patient": patient, "order": "lumbar MRI", "also drafted": ""}, TODAY))
    return [action["resource"] for suggestion in card["suggestions"] for action in suggestion["actions"]]


def test_our_own_coding_stands_first(service):
    """The first coding of each proposed study is our own, whose display is the study as the card names it."""
    orders = proposed(service, "prostate cancer; pacemaker; dialysis status")
    codes = {}
    for order in orders:
        own, *others = order["code"]["coding"]
        assert own == {"system": OWN, "code": own["code"], "display": order["code"]["text"]}
        codes[own["code"]] = [coding["code"] for coding in others]
    assert codes == STUDIES


@pytest.mark.parametrize("number", range(4))
def test_an_order_that_kept_our_coding_alone_is_known(number, service):
    """A client that keeps the first coding alone still sends an order that is read as the study it was made for."""
    order = proposed(service, "prostate cancer; pacemaker; dialysis status")[number]
    code = {"coding": order["code"]["coding"][:1]}
    body = call({"patient": "prostate cancer", "order": "lumbar MRI", "also drafted": ""}, TODAY)
    body["context"]["draftOrders"]["entry"][0]["resource"]["code"] = code
    cards = service.cards(body)
    is_unenhanced = code["coding"][0]["code"] == "plexus-mri-without-contrast"
    assert [card["indicator"] for card in cards] == (["warning"] if is_unenhanced else [])


def test_no_note_is_made_up(service):
    """An order without a note leads to orders without one: what radiology needs stands in the description."""
    assert [
        order for order in proposed(service, "radiotherapy course [completed, 2024, site prostate]") if "note" in order
    ] == []

"""How many orders and selections a call may have, and that no count is worked through once for each of another."""

import pytest

from tests.support.in_process import decided
from tests.support.interpreter_steps import counting
from tests.support.notation import call, concept
from tests.support.service import ORDER_SELECT, ORDER_SIGN, TODAY

PLAIN = {"call": "", "site": ""}
EXPLANATIONS = "/playground/explanations/lumbosacral-plexus-mri-order-sign"
ORDERS, SELECTIONS = 200, 1000
SIGN = concept("leg weakness")
CANCER = concept("prostate cancer")


def calling(**order) -> dict:
    """Return a call for a lumbar MRI with these members, of a patient with cancer."""
    body = call({"patient": "prostate cancer", "order": "lumbar MRI", "also drafted": ""}, TODAY)
    body["context"]["draftOrders"]["entry"][0]["resource"] |= order
    return body


def many(orders: int, **order) -> dict:
    """Return a call with so many orders, each with an id of its own."""
    body = calling(**order)
    [entry] = body["context"]["draftOrders"]["entry"]
    drafts = [{**entry, "resource": entry["resource"] | {"id": f"o{number}"}} for number in range(orders)]
    body["context"] |= {"draftOrders": {"entry": drafts}, "selections": [f"ServiceRequest/o{orders - 1}"]}
    return body


def signed(body: dict) -> dict:
    """Return a call as one of order-sign, which is about all of its orders."""
    return body | {"hook": "order-sign"}


def refused(response) -> str:
    """Return what is said of a call that is too large."""
    assert (response.status_code, response.json()["issue"][0]["code"]) == (413, "too-long")
    return response.json()["issue"][0]["diagnostics"]


def test_orders(service):
    """All of 200 orders are answered, beside drafts of other kinds, and 201 are a 413 that says so."""
    body = signed(many(ORDERS))
    other = {"resource": {"resourceType": "MedicationRequest", "status": "draft"}}
    body["context"]["draftOrders"]["entry"] += [other] * ORDERS
    details = [card["detail"] for card in service.cards(body, ORDER_SIGN)]
    assert [f"{place} of {ORDERS}" in text for place, text in enumerate(details, 1)] == [True] * ORDERS
    message = refused(service.post(signed(many(ORDERS + 1)), ORDER_SIGN))
    assert f"{ORDERS + 1} draft orders" in message
    assert f"at most {ORDERS}. Send" in message


def test_orders_that_are_not_selected(service):
    """Orders count whether they are selected or not, for each is looked at."""
    assert len(service.cards(many(ORDERS))) == 1
    assert f"{ORDERS + 1} draft orders" in refused(service.post(many(ORDERS + 1)))


def test_selections(service):
    """A call with 1,000 selections is answered for the last of them, and one with 1,001 is a 413 that says so."""
    body = many(2)
    body["context"]["selections"] = [
        *(f"ServiceRequest/x{number}" for number in range(SELECTIONS - 1)),
        "ServiceRequest/o1",
    ]
    assert len(service.cards(body)) == 1
    body["context"]["selections"].insert(0, None)
    message = refused(service.post(body, ORDER_SELECT))
    assert f"{SELECTIONS + 1} selections" in message
    assert f"at most {SELECTIONS}. Send" in message
    assert len(service.cards(signed(body), ORDER_SIGN)) == 2, "which has no selections"


def test_explanations(service):
    """An explanation has orders times entries of the record: beyond 100,000 it is a 413 that says so."""
    entries = [{"resource": {"resourceType": "Condition", "id": f"c{number}", "code": CANCER}} for number in range(501)]
    asked = [signed(many(orders)) for orders in (20, ORDERS)]
    for body in asked:
        body["prefetch"] = {key: {"resourceType": "Bundle", "entry": []} for key in ("conditions", "procedures")}
        body["prefetch"]["conditions"]["entry"] = entries
    explanation = service.post(asked[0], EXPLANATIONS).json()["steps"]
    assert [(outcome["card"] is not None, outcome["unused_entries"]) for outcome in explanation["outcomes"]] == [
        (True, [])
    ] * 20
    message = refused(service.post(asked[1], EXPLANATIONS))
    assert f"{ORDERS} monitored orders and 501 entries" in message
    assert "At most 100000" in message


def of_selections(number: int) -> dict:
    """Return a call with orders, and five times as many selections of none of them."""
    body = many(number)
    body["context"]["selections"] = [f"ServiceRequest/x{index}" for index in range(5 * number)]
    return body


def of_contained(number: int) -> dict:
    """Return a call whose order refers to so many resources that it contains."""
    contained = [{"resourceType": "Condition", "id": f"c{index}"} for index in range(number)]
    return calling(contained=contained, reasonReference=[{"reference": f"#c{index}"} for index in range(number)])


def of_one_reason(number: int) -> dict:
    """Return a call whose order refers so often to a resource with as many codes."""
    condition = {"resourceType": "Condition", "id": "c", "code": SIGN | {"coding": SIGN["coding"] * number}}
    return calling(contained=[condition], reasonReference=[{"reference": "#c"}] * number)


def of_one_tumor(number: int) -> dict:
    """Return a call with so many courses of radiotherapy for a tumor with as many codes."""
    tumor = {"resourceType": "Condition", "id": "t", "code": CANCER | {"coding": CANCER["coding"] * number}}
    course = {"resourceType": "Procedure", "status": "completed", "code": concept("radiotherapy course")}
    courses = [
        course | {"id": f"p{index}", "reasonReference": [{"reference": "Condition/t"}]} for index in range(number)
    ]
    body = calling()
    body["prefetch"]["conditions"] = {"resourceType": "Bundle", "entry": [{"resource": tumor}]}
    body["prefetch"]["procedures"] = {"resourceType": "Bundle", "entry": [{"resource": course} for course in courses]}
    return body


def of_levels(number: int) -> dict:
    """Return a call whose order has so many references, each within the one before, and a contained resource."""
    reference = {"reference": "#c"}
    for _ in range(number):
        reference = {"reference": "#c", "extension": [reference]}
    return calling(contained=[{"resourceType": "Condition", "id": "c", "code": SIGN}], reasonReference=[reference])


def of_cards(number: int) -> dict:
    """Return a call that brings so many cards."""
    return signed(many(number))


@pytest.mark.parametrize(
    ("body", "number", "modules"),
    [
        (of_selections, 100, ["request", "fhir_fields"]),
        (of_contained, 200, ["references"]),
        (of_one_reason, 100, ["fhir_fields"]),
        (of_one_tumor, 100, ["fhir_fields"]),
        (of_cards, 100, ["card"]),
        (of_levels, 100, ["suggestions"]),
    ],
)
def test_twice_as_much_takes_twice_the_steps(body, number, modules, knowledge):
    """A call with twice as many of what it is made of takes about twice the steps, and not four times as many."""
    taken = []
    for size in (number, 2 * number):
        asked = body(size)
        row = PLAIN | {"call": asked["hook"]}
        decided(row, knowledge, TODAY, asked)  # so that what is made once is made
        with counting("decision", *modules) as steps:
            decided(row, knowledge, TODAY, asked)
        taken.append(steps())
    assert taken[0] > number
    assert taken[1] / taken[0] < 2.5


def of_body_sites(number: int) -> dict:
    """Return a call with radiotherapy of the breast, named so many times, of a patient without cancer on record."""
    body = calling(reasonCode=[SIGN])
    course = {"resourceType": "Procedure", "status": "completed", "code": concept("radiotherapy course")}
    body["prefetch"] = {key: {"resourceType": "Bundle", "entry": []} for key in ("conditions", "procedures")}
    body["prefetch"]["procedures"]["entry"] = [{"resource": course | {"bodySite": [{"text": "breast"}] * number}}]
    return body


def of_concepts(number: int) -> dict:
    """Return a call whose reason has a list of so many texts in place of one code."""
    texts = [{"text": f"text {index}"} for index in range(number)]
    reason = {"resourceType": "Condition", "id": "c", "code": [SIGN, *texts]}
    return calling(contained=[reason], reasonReference=[{"reference": "#c"}])


@pytest.mark.parametrize(("body", "module"), [(of_body_sites, "history"), (of_concepts, "fhir_fields")])
def test_lists_that_no_record_has_are_read_in_part(body, module, knowledge):
    """Of thousands of body sites, or of texts where one is due, no more is read than of hundreds."""
    taken = []
    for size in (200, 1000):
        asked = body(size)
        decided(PLAIN | {"call": asked["hook"]}, knowledge, TODAY, asked)  # so that what is made once is made
        with counting("decision", module) as steps:
            decided(PLAIN | {"call": asked["hook"]}, knowledge, TODAY, asked)
        taken.append(steps())
    assert taken[1] < 2 * taken[0]


def test_body_sites_that_are_not_read_may_be_anywhere(service):
    """Radiotherapy of the breast is remote from the plexus; beyond 20 body sites its field is unknown, and counts."""
    assert service.cards(of_body_sites(20)) == []
    [card] = service.cards(of_body_sites(21))
    assert "Radiotherapy, field: see record" in card["detail"]

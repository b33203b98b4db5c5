"""Suggestions and their actions, in the answers to many calls (CDS Hooks 2.0.1, Suggestion and Action)."""

import copy

import pytest

from tests.spec.body_checks import of, value_faults
from tests.spec.checks import card_faults
from tests.support.corpus import actions, answers, call, cards, in_context, suggestions

OF_THE_STUDY = {"code", "bodySite", "text", "extension"}
"""The members of a draft order that speak of the study, and so change when another takes its place."""
OF_THE_OLD_ORDER = {"id", "identifier", "authoredOn", "note"}
"""What is the old order's alone, and so does not go to a new one."""

RULES = [
    pytest.param(requirement, marks=pytest.mark.requirement(requirement, broken=broken), id=requirement)
    for requirement, broken in (
        ("C-17", "a suggestion without label"),
        ("C-18", "a suggestion without UUID, whose acceptance cannot be reported"),
        ("C-19", "two recommended suggestions of which one may be taken"),
        ("C-20", "an update before a create, or no list"),
        ("C-21", "actionSelectionBehavior"),
        ("C-22", "an action of the type `UPDATE`"),
        ("C-23", "an action without description"),
        ("C-24", "a create without resource"),
        ("C-25", "an update without resource, or without its id"),
        ("C-26", "a delete without resourceId"),
        ("G-05", "`bodySite` as an object, where FHIR has a list"),
        ("G-07", "actionSelectionBehavior to a client of 2.0"),
    )
]


@pytest.mark.parametrize("requirement", RULES)
def test_every_suggestion_keeps_the_rule(requirement, service):
    """No suggestion of any answer breaks the requirement."""
    assert [of(requirement, card_faults(card)) for card in cards(service)] == [[]] * len(cards(service))


@pytest.mark.requirement("C-07", broken="a card without suggestion, or with one action for both")
@pytest.mark.requirement("C-20", broken="two actions that a client applies together: both orders")
def test_a_card_suggests_to_replace_or_to_add(service):
    """Each suggestion has one action: replace the order, or add one; with a device, take the alternative.

    What is recommended stands first; where nothing is, adding stands before replacing.
    """
    every = [card["suggestions"] for card in cards(service)]
    recommends = [any("isRecommended" in suggestion for suggestion in suggestions) for suggestions in every]
    kinds = [
        [[action["type"] for action in suggestion["actions"]] for suggestion in suggestions] for suggestions in every
    ]
    wanted = [[["update"], ["create"]] if recommended else [["create"], ["update"]] for recommended in recommends]
    assert [kinds_of_card[:2] for kinds_of_card in kinds] == wanted
    assert {*recommends} == {True, False}
    assert {str(kinds_of_card[2:]) for kinds_of_card in kinds} == {"[]", "[['update']]"}


@pytest.mark.requirement("C-19", broken="a recommendation of the addition")
@pytest.mark.requirement("G-04", broken="`isRecommended: false`, or null, on all that is not")
def test_only_replacing_is_ever_recommended(service):
    """Where a suggestion is recommended it is the replacing one; the others have no such member."""
    marks = [
        [suggestion.get("isRecommended", "absent") for suggestion in card["suggestions"]] for card in cards(service)
    ]
    assert {tuple(mark[:2]) for mark in marks} <= {(True, "absent"), ("absent", "absent")}
    assert all(mark[2:] in ([], ["absent"]) for mark in marks)


@pytest.mark.requirement("C-25", broken="a patch, or a draft that lost its requester")
def test_an_update_holds_the_whole_order(service):
    """An update is the draft order of the call, by its id, with all members but those of the study."""
    for answer in answers(service):
        for card in answer.cards:
            updates = [
                suggestion["actions"][0]
                for suggestion in card["suggestions"]
                if suggestion["actions"][0]["type"] == "update"
            ]
            assert updates, answer.name
            for resource in (action["resource"] for action in updates):
                draft = answer.orders[f"{resource['resourceType']}/{resource['id']}"]
                assert rest(resource) == rest(draft), answer.name
                assert resource["code"] != draft["code"], answer.name


def rest(order: dict) -> dict:
    """Return an order without the members that speak of its study."""
    return {name: value for name, value in order.items() if name not in OF_THE_STUDY}


@pytest.mark.requirement("C-24", broken="a create with the old order's id, which an EHR would overwrite")
def test_a_create_is_a_new_order(service):
    """A create holds a draft order for the same patient, without what is the old order's alone."""
    created = [action["resource"] for action in actions(service, "create")]
    assert {(order["resourceType"], order["status"]) for order in created} == {("ServiceRequest", "draft")}
    assert [order.keys() & OF_THE_OLD_ORDER for order in created] == [set()] * len(created)
    assert all(order["subject"]["reference"].startswith("Patient/") for order in created)


@pytest.mark.requirement("C-26", broken="a delete, which 1.0 and 2.0 clients read differently")
def test_nothing_is_deleted(service):
    """No action is a delete."""
    assert actions(service, "delete") == []


@pytest.mark.requirement("C-17", broken="one label for two suggestions")
@pytest.mark.requirement("C-23", broken="a description that tells neither from the other")
def test_labels_tell_suggestions_apart(service):
    """The suggestions of a card differ in label and in description."""
    for card in cards(service):
        count = len(card["suggestions"])
        assert count >= 2
        assert len({suggestion["label"] for suggestion in card["suggestions"]}) == count
        assert len({suggestion["actions"][0]["description"] for suggestion in card["suggestions"]}) == count


@pytest.mark.requirement("C-22", broken="a type of CDS Hooks' future")
def test_actions_are_updates_and_creates(service):
    """There are updates and creates, and no other actions."""
    every = sum(len(suggestion["actions"]) for suggestion in suggestions(service))
    updates, creates = len(actions(service, "update")), len(actions(service, "create"))
    assert (updates > 0, creates > 0, updates + creates) == (True, True, every)


@pytest.mark.requirement("G-03", broken="an empty member of our own making, beside the one that came")
@pytest.mark.requirement("C-25", broken="an update that drops what the client sent")
def test_an_empty_list_stays_as_it_came(service):
    """The one exception: an update returns the client's own empty list, since it must hold the whole order."""
    drafts = copy.deepcopy(call()["context"]["draftOrders"])
    drafts["entry"][0]["resource"] |= {"reasonCode": []}
    (card,) = service.cards(in_context(call(), draftOrders=drafts))
    assert value_faults(card, "card") == [
        "G-03 card.suggestions.1.actions.0.resource.reasonCode: is empty",
    ]


def test_an_order_of_nobody_is_added_for_the_patient(service):
    """An order that does not name its patient is of the patient of the call, and so is the one that is added."""
    body = call()
    body["context"]["draftOrders"]["entry"][0]["resource"]["subject"] = None
    [card] = service.cards(body)
    assert card["suggestions"][1]["actions"][0]["resource"]["subject"] == {
        "reference": f"Patient/{body['context']['patientId']}"
    }

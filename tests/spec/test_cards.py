"""Cards, in the answers to many calls (CDS Hooks 2.0.1, Card Attributes)."""

from dataclasses import replace
from uuid import RFC_4122, UUID

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from cds_service.web.services import app_services
from tests.spec.body_checks import body_faults, of
from tests.spec.checks import answer_faults, card_faults
from tests.support.corpus import answers, call, cards
from tests.support.service import CLOCK, ORDER_SELECT, Client, serving

RULES = [
    pytest.param(requirement, marks=pytest.mark.requirement(requirement, broken=broken), id=requirement)
    for requirement, broken in (
        ("C-02", "a summary of 140 characters, or none"),
        ("C-03", "a detail that is no text"),
        ("C-04", "a <b> in the detail, which the Sandbox would render"),
        ("C-05", "an indicator `critical-ish`"),
        ("C-06", "a card without source"),
        ("C-07", "suggestions that are no list"),
        ("C-08", "suggestions without selectionBehavior"),
        ("C-10", "override reasons that are no list of Codings"),
        ("C-11", "an override reason without display"),
        ("C-12", "links that are no list"),
        ("C-13", "a source without label"),
        ("C-14", "a source at `/guideline`, or at `...?patient=1`"),
        ("C-15", "an icon at `icon.png`"),
        ("C-16", "a topic that is no Coding"),
        ("C-27", "a link to `/cards`, or of the type `relative`"),
        ("C-28", "an appContext on an absolute link"),
        ("C-29", "a link that opens instead of the card"),
        ("C-31", "a Coding without system"),
        ("E-01", "a member that nobody defined, or an extension that is no object"),
        ("E-02", "an extension `tenant` instead of `com.example.tenant`"),
    )
]


@pytest.mark.parametrize("requirement", RULES)
def test_every_card_keeps_the_rule(requirement, service):
    """No card of any answer breaks the requirement."""
    assert [of(requirement, card_faults(card)) for card in cards(service)] == [[]] * len(cards(service))


@pytest.mark.requirement("A-01", broken="a list alone, or an object without cards")
@pytest.mark.requirement("C-30", broken="an action that is applied without anybody asking")
def test_every_answer_is_an_object_with_cards(service):
    """Each success is an object with a list of cards, and no systemActions."""
    successes = [answer for answer in answers(service) if answer.response.status_code == 200]
    assert len(successes) > 50
    assert [answer_faults(answer.response.json()) for answer in successes] == [[]] * len(successes)


@pytest.mark.requirement("G-01", broken="a Content-Type of text/html")
@pytest.mark.requirement("G-06", broken="a trailing comma, NaN, or bytes that are no UTF-8")
def test_every_body_is_strict_json(service):
    """Each answer, be it a fault, is strict JSON and says so."""
    for answer in answers(service):
        kind = "application/json" if answer.response.ok else "application/fhir+json"
        assert (answer.response.headers["Content-Type"], body_faults(answer.response.content)) == (kind, [])


@pytest.mark.requirement("C-01", broken="one UUID on two cards, so that feedback cannot tell them apart")
@pytest.mark.requirement("C-18", broken="one UUID on two suggestions")
def test_no_uuid_comes_twice(service):
    """Cards and suggestions have random UUIDs (version 4), each its own over all answers."""
    found = [card["uuid"] for card in cards(service)]
    found += [suggestion["uuid"] for card in cards(service) for suggestion in card["suggestions"]]
    assert len(set(found)) == len(found)
    assert [own_id for own_id in found if (UUID(own_id).version, UUID(own_id).variant) != (4, RFC_4122)] == []
    assert [fault for card in cards(service) for fault in of("C-01", card_faults(card))] == []


@pytest.mark.requirement("C-08", broken="`any`, for which 1.0 clients reject the card")
@pytest.mark.requirement("C-09", broken="a value that a client does not know")
def test_one_suggestion_may_be_taken(service):
    """The selectionBehavior is at-most-one, which clients of every version know."""
    assert {card["selectionBehavior"] for card in cards(service)} == {"at-most-one"}


@pytest.mark.requirement("U-02", broken="a critical card, which would make the hook one of safety")
@pytest.mark.requirement("C-05", broken="a critical card, which some clients treat as a hard stop")
def test_no_card_is_critical(service):
    """Cards are for information or warn; none would stop an order."""
    assert {card["indicator"] for card in cards(service)} <= {"info", "warning"}


@pytest.mark.requirement("C-10", broken="a card that cannot be overridden with a reason")
@pytest.mark.requirement("C-16", broken="a topic that differs between cards of one kind")
def test_every_card_offers_the_same_reasons_and_topic(service):
    """Override reasons and topic are the same on each card, so that a client can count them."""
    reasons = {tuple(reason["code"] for reason in card["overrideReasons"]) for card in cards(service)}
    assert (len(reasons), len({card["source"]["topic"]["code"] for card in cards(service)})) == (1, 1)


@pytest.mark.requirement("C-12", broken="a card without a way to what it rests on")
@pytest.mark.requirement("X-23", broken="a link to a host that no client could have listed")
def test_links_lead_to_two_fixed_places(service, app):
    """Links lead to the publisher's document and to the service's own page, with nothing of the patient in them."""
    own = app_services(app).site.public_url
    links = {link["url"] for card in cards(service) for link in card["links"]}
    assert links == {"https://doi.org/10.1016/j.jacr.2021.08.014", f"{own}/cards/lumbosacral-plexus-mri"}


@pytest.mark.requirement("C-06", broken="a source that is the EHR or this service")
@pytest.mark.requirement("C-13", broken="a label without the publisher's name")
@pytest.mark.requirement("C-14", broken="a source URL with the patient's case in it")
def test_the_source_is_the_guideline(service):
    """The source of each card is the guideline as a whole."""
    sources = {(card["source"]["label"], card["source"]["url"]) for card in cards(service)}
    assert [label.startswith("ACR Appropriateness Criteria") for label, _ in sources] == [True]


@pytest.mark.requirement("U-03", broken="a card that does not show how old its grounds are")
def test_a_card_tells_the_dates_of_its_grounds(service):
    """The article's card says until when radiotherapy was given and since when there was a tumor."""
    card = next(answer.cards[0] for answer in answers(service) if answer.name == "order-select article")
    assert "until 2024-08" in card["detail"]
    assert "since 2023-03" in card["detail"]


@pytest.mark.requirement("C-19", broken="the addition recommended, or both")
@pytest.mark.requirement("C-02", broken="a summary that is too long only where it warns")
@pytest.mark.requirement("G-04", broken="`isRecommended: null` where nothing is recommended")
@pytest.mark.parametrize("development", [False, True], ids=["production", "development"])
@pytest.mark.parametrize("indicator", ["info", "warning"])
def test_a_card_of_each_strength_keeps_all_rules(indicator, development, knowledge):
    """Whatever its indicator, and in either mode, a card conforms to every rule, and only replacing is recommended."""
    strong = {"indicator": indicator, "recommended": "replace"}
    rows = {cell: replace(row, **strong) for cell, row in knowledge.decision_table.items()}
    app = create_app(Settings(development=development), replace(knowledge, decision_table=rows), clock=CLOCK)
    with serving(app) as base:
        answer = Client(base).post(call(), ORDER_SELECT).json()
    (card,) = answer["cards"]
    assert (card["indicator"], answer_faults(answer)) == (indicator, [])
    assert [suggestion.get("isRecommended", "absent") for suggestion in card["suggestions"]] == [True, "absent"]

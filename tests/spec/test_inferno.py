"""Inferno's checks of CRD servers, over the answers to all of fixtures/calls, both hooks and each invented patient."""

import copy

import pytest

from cds_service import examples
from tests.spec.ehr import Ehr, service_beside
from tests.spec.inferno import check_1_03, check_3_4_05, check_3_4_06, check_3_4_07, check_3_4_12
from tests.support.corpus import PATHS, answers, call

SIGNED = {"Authorization": "Bearer eyJhbGciOiJFUzM4NCJ9.e30.c2ln", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def successes(service):
    """Return all answers with 200, of which each hook has some."""
    found = [answer for answer in answers(service) if answer.response.ok]
    assert {answer.call["hook"] for answer in found} == set(PATHS)
    return found


@pytest.fixture(scope="module")
def beside(knowledge):
    """Return a client of a service beside a FHIR server, and that server's address."""
    ehr = Ehr()
    with service_beside(ehr, knowledge) as client:
        yield client, ehr.base


@pytest.mark.requirement("D-01", broken="no 200, or no JSON, for a signed request")
def test_1_02_discovery_answers(service):
    """1.02: discovery answers a signed request with 200 and JSON."""
    response = service.get("/cds-services", headers=SIGNED | {"Accept": "application/json"})
    assert response.status_code == 200
    assert response.json()


@pytest.mark.requirement("D-04", broken="a service without hook")
@pytest.mark.requirement("D-06", broken="a service without description")
@pytest.mark.requirement("D-07", broken="a service without id")
def test_1_03_services_are_described(service):
    """1.03: services are listed, with hook, description and id."""
    assert list(check_1_03(service.get("/cds-services").json())) == []


@pytest.mark.requirement("A-01", broken="another status than 200, or no JSON")
@pytest.mark.parametrize("hook", PATHS)
@pytest.mark.parametrize("name", examples.names("calls"))
def test_3_4_01_every_call_is_answered(name, hook, beside):
    """3.4.01: each signed call is answered with 200 and JSON, where its FHIR server can be read."""
    client, fhir_server = beside
    body = call(name, hook, fhirServer=fhir_server)
    response = client.session.post(client.base + PATHS[hook], json=body, headers=SIGNED, timeout=10)
    assert response.status_code == 200
    assert "cards" in response.json()


@pytest.mark.requirement("C-02", broken="a summary of 140 characters")
@pytest.mark.requirement("C-16", broken="a source without topic")
def test_3_4_05_cards_have_what_they_must(successes):
    """3.4.05: each card has summary, indicator and source, with label and topic."""
    assert [list(check_3_4_05(answer.response.json())) for answer in successes] == [[]] * len(successes)


@pytest.mark.requirement("C-08", broken="suggestions without selectionBehavior")
@pytest.mark.requirement("C-27", broken="a link that is not absolute")
def test_3_4_06_optional_members_are_well_formed(successes):
    """3.4.06: the optional members of each card are well-formed."""
    assert [list(check_3_4_06(answer.response.json())) for answer in successes] == [[]] * len(successes)


@pytest.mark.requirement("C-12", broken="a link that launches an app on each card")
def test_3_4_07_a_card_leads_to_an_external_reference(successes):
    """3.4.07: each answer that has a card has one whose links are all absolute."""
    bodies = [answer.response.json() for answer in successes if answer.cards]
    assert [list(check_3_4_07(answer)) for answer in bodies] == [[]] * len(bodies)


@pytest.mark.requirement("C-25", broken="an update of an order that the client does not have")
def test_3_4_12_an_alternative_is_to_an_order_of_the_call(successes):
    """3.4.12: what is proposed instead of an order names an order of the call."""
    found = [list(check_3_4_12(answer.response.json(), answer.call)) for answer in successes]
    assert found == [[]] * len(found)


def test_these_checks_can_fail(service):
    """A card that is damaged is found by the check of what was damaged."""
    body = call()
    answer = service.post(body).json()
    (card,) = (bad := copy.deepcopy(answer))["cards"]
    card["summary"] = "x" * 140
    card["selectionBehavior"] = "all"
    card["links"][0]["type"] = "smart"
    card["suggestions"][0]["actions"][0]["resource"]["id"] = "another"
    assert list(check_1_03({"services": [{"id": "a", "hook": ""}]})) != []
    assert list(check_3_4_05(bad)) == ["card.summary: is too long"]
    assert list(check_3_4_06(bad)) == ["card.selectionBehavior: is not known"]
    assert list(check_3_4_07(bad)) == ["cards: none leads to an external reference"]
    assert list(check_3_4_12(bad, body)) == ["update: of an order that the call does not have"]

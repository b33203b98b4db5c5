"""Discovery, as a client meets it (CDS Hooks 2.0.1, Discovery and Prefetch Template)."""

from dataclasses import replace

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.spec.body_checks import of
from tests.spec.discovery_checks import PUBLISHED, discovery_faults
from tests.support.corpus import call
from tests.support.service import TODAY, Client, clock_on, serving


@pytest.fixture(scope="module")
def discovered(service):
    """Return what discovery answers."""
    return service.get("/cds-services").json()


@pytest.mark.requirement("D-01", broken="404 without a slash at the end, or a redirect")
@pytest.mark.requirement("D-11", broken="another status than 200")
def test_discovery_answers_a_get(service):
    """GET /cds-services is answered with 200, at that very address."""
    response = service.get("/cds-services", allow_redirects=False)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.requirement("D-02", broken="no `services`, or no list")
def test_discovery_holds_a_list_of_services(discovered):
    """The answer is an object with a list of services, the two that there are."""
    assert [service["hook"] for service in discovered["services"]] == ["order-select", "order-sign"]
    assert of("D-02", discovery_faults(discovered)) == []


@pytest.mark.requirement("D-03", broken="an error, or no `services`")
def test_a_server_without_services_lists_none(knowledge):
    """Where no services are hosted, discovery still answers 200, with an empty list."""
    nothing = replace(knowledge, plan=knowledge.plan | {"action": []})
    with serving(create_app(Settings(development=True), nothing)) as base:
        response = Client(base).get("/cds-services")
    assert (response.status_code, response.json()) == (200, {"services": []})


@pytest.mark.requirement("D-04", broken="a service without `hook`")
@pytest.mark.requirement("D-05", broken="a service without `title`")
@pytest.mark.requirement("D-06", broken="a service without `description`")
@pytest.mark.requirement("D-09", broken="`usageRequirements` that is no text")
def test_each_service_says_what_it_is(discovered):
    """Each service has a hook, a title, a description, and what it needs in words."""
    assert discovery_faults(discovered) == []
    for service in discovered["services"]:
        assert {"hook", "title", "description", "usageRequirements"} <= service.keys()


@pytest.mark.requirement("D-07", broken="an id under which no service answers")
def test_each_id_is_an_address(service, discovered):
    """Each service answers a call of its hook at /cds-services/{id}."""
    assert discovered["services"]
    for found in discovered["services"]:
        response = service.post(call(hook=found["hook"]), f"/cds-services/{found['id']}")
        assert (response.status_code, len(response.json()["cards"])) == (200, 1)


@pytest.mark.requirement("D-08", broken="prefetch that is no object of texts")
@pytest.mark.requirement("P-02", broken="a service that asks for nothing, and so needs a FHIR server")
def test_each_service_asks_for_prefetch(discovered):
    """Each service states templates for the keys that it reads, conditions and procedures."""
    assert [set(found["prefetch"]) for found in discovered["services"]] == [{"conditions", "procedures"}] * 2
    assert of("D-08", discovery_faults(discovered)) == []


@pytest.mark.requirement("D-10", broken="one id under two hooks, of which the Sandbox forgets one")
@pytest.mark.requirement("U-01", broken="an order-sign card that takes away the order-select card unasked")
def test_each_hook_has_an_id_of_its_own(discovered):
    """No id comes twice, so no answer to one hook replaces that to another."""
    ids = [found["id"] for found in discovered["services"]]
    assert len(set(ids)) == len(ids) == 2


@pytest.mark.requirement("D-13", broken="a version that is not the one implemented")
def test_each_service_states_its_version(discovered):
    """Each service states that it implements CDS Hooks 2.0.1."""
    assert {found["version"] for found in discovered["services"]} == {"2.0.1"}
    assert of("D-13", discovery_faults(discovered)) == []


@pytest.mark.requirement("D-14", broken="a hookVersion that nobody published")
def test_each_hook_has_its_published_version(discovered):
    """The version of each hook is the published one."""
    assert {found["hook"]: found["hookVersion"] for found in discovered["services"]} == PUBLISHED


@pytest.mark.requirement("G-08", broken="a card whose own page is not there")
def test_there_is_a_page_for_people(service):
    """The page about the advice, which cards link to, can be read without any login."""
    response = service.get("/cards/lumbosacral-plexus-mri")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")


TEMPLATE_RULES = [
    pytest.param(requirement, marks=pytest.mark.requirement(requirement, broken=broken), id=requirement)
    for requirement, broken in (
        ("P-16", "`{context.patientId}`"),
        ("P-17", "`{{today()}}`"),
        ("P-18", "`{{context.patient.id}}`"),
        ("P-19", "`{{patientId}}`"),
        ("P-20", "`{{context.selections}}`"),
        ("P-21", "`date=ge2020&date=le2021`, which some clients fold into one"),
        ("P-34", "`{{%conditions.id}}`"),
    )
]


@pytest.mark.parametrize("requirement", TEMPLATE_RULES)
def test_templates_are_plain(requirement, discovered):
    """The templates hold only what every client of every version can resolve."""
    assert of(requirement, discovery_faults(discovered)) == []


@pytest.mark.requirement("H-02", broken="a template that asks for active conditions alone")
def test_templates_ask_for_every_status(discovered):
    """The record is asked for in all statuses, whatever those of the draft orders are."""
    templates = [query for found in discovered["services"] for query in found["prefetch"].values()]
    assert not [template for template in templates if "status" in template]


def test_discovery_is_the_same_on_any_day(service, knowledge):
    """Two servers with the same knowledge say the same: clients may keep what they discovered."""
    with serving(create_app(Settings(), knowledge, clock=clock_on(TODAY.replace(year=2030)))) as base:
        assert Client(base).get("/cds-services").json() == service.get("/cds-services").json()

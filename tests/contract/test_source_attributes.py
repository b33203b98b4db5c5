"""The source attributes: on the page, as JSON, and what they say of the data about a patient."""

import pytest

from tests.support.html_page import Page
from tests.support.notation import call
from tests.support.service import TODAY

PATH = "/cards/lumbosacral-plexus-mri"
ATTRIBUTES = (
    *("bibliographic_citation", "developer", "funding_source", "release_and_revision_dates", "race", "ethnicity"),
    *("language", "sexual_orientation", "gender_identity", "sex", "date_of_birth", "social_determinants_of_health"),
    "health_status_assessments",
)
NOT_USED = ATTRIBUTES[4:12]


@pytest.fixture
def attributes(service) -> dict:
    """Give the attributes as JSON."""
    response = service.get(f"{PATH}/source-attributes.json")
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def test_all_thirteen(attributes, knowledge):
    """The thirteen attributes are published, with the version, the sources and the signatures."""
    values = {attribute["attribute"]: attribute["value"] for attribute in attributes["source_attributes"]}
    assert tuple(values) == ATTRIBUTES
    assert knowledge.version in values["release_and_revision_dates"]
    assert "ACR Appropriateness Criteria Plexopathy" in values["bibliographic_citation"]
    assert "Neurography" not in values["bibliographic_citation"], "the card does not rest on it"
    assert all(values[name].startswith("Not used.") for name in NOT_USED)
    assert not values["health_status_assessments"].startswith("Not used"), "Conditions and Procedures are"
    assert (attributes["version"], attributes["status"], attributes["signatures"]) == (knowledge.version, "draft", [])
    sources = [source["label"] for source in knowledge.plan["relatedArtifact"]]
    assert [citation["label"] for citation in attributes["citations"]] == sources


def test_the_page_shows_the_same(attributes, service):
    """The page's table holds the same names and values, and leads to the JSON."""
    page = Page(service.get(PATH).text)
    _, *rows = page.tables["Source attributes"].rows
    assert rows == [
        [attribute["name"], " ".join(attribute["value"].split())] for attribute in attributes["source_attributes"]
    ]
    assert f"{PATH}/source-attributes.json" in page.links


PEOPLE = (
    {},
    {"gender": "female", "birthDate": "1931-01-01"},
    {
        "gender": "male",
        "birthDate": "2001-01-01",
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "es"}]}}],
        "extension": [{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "valueString": "x"}],
    },
)


def test_demographic_data_change_nothing(service):
    """The card is the same whoever the patient is: sex, age, language and race are not looked at."""
    answers = []
    for person in PEOPLE:
        body = call({"patient": "prostate cancer", "order": "lumbar MRI", "also drafted": "", "call": ""}, TODAY)
        patient = {"resourceType": "Patient", "id": body["context"]["patientId"], **person}
        body["prefetch"] |= {"patient": patient}
        body["prefetch"]["conditions"]["entry"].append({"resource": patient})
        [card] = service.cards(body)
        answers.append((card["summary"], card["detail"], card["indicator"]))
    assert answers[0] == answers[1] == answers[2]


def test_discovery_asks_for_no_demographic_data(service):
    """Only Conditions and Procedures are asked for, never the Patient."""
    services = service.get("/cds-services").json()["services"]
    assert {query.split("?")[0] for service in services for query in service["prefetch"].values()} == {
        "Condition",
        "Procedure",
    }


@pytest.mark.parametrize("code", [f"Z{number}" for number in range(55, 66)])
def test_social_determinants_are_in_no_value_set(code, knowledge):
    """No code of the ICD-10-CM block on social determinants (Z55 to Z65) means anything to the card."""
    system = "http://hl7.org/fhir/sid/icd-10-cm"
    assert not knowledge.terminology.lookup([(system, f"{code}.0")])


def test_nothing_of_the_page_comes_from_elsewhere(service):
    """The page loads its own style and icon and nothing else, has nothing inline, and may be shown in a frame."""
    response = service.get(PATH)
    page = Page(response.text)
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'none'; style-src 'self'; img-src 'self' data:; connect-src 'none'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors *"
    )
    assert page.inline == []
    assert "reading" in page.body_class.split()
    assert set(page.loads) == {"/static/icon.svg", "/static/plexus.css", "/static/about.css"}
    for path in page.loads:
        assert service.get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/cards/another", "/cards", f"{PATH}/", f"{PATH}/source-attributes", "/cards/another/source-attributes.json"],
)
def test_no_such_page(path, service):
    """Another card, or another page of this one, is a 404."""
    assert service.get(path).status_code == 404

"""A tester tries the service in the Da Vinci CRD request generator: what its page sends, shows and applies."""

import re
from copy import deepcopy
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.test_sandbox import shape
from tests.support.hook_calls import entries, reading, why
from tests.support.odd_server import answers, holds, odd_server
from tests.support.service import ORDER_SIGN
from tests.support.serving import granian

GUIDE = Path(__file__).parents[2] / "docs" / "crd.md"
STUDY = "MRI lumbosacral plexus without and with IV contrast"
ADD, INSTEAD = "Add plexus MRI, keep the lumbar MRI", "Order plexus MRI instead"


def of_ada(text: str) -> list[dict]:
    """Return Conditions and Procedures in the notation of vignettes.csv, of the patient of the call."""
    return [entry | {"subject": {"reference": "Patient/ada"}} for entry in entries(text)]


@pytest.fixture(scope="module", name="ehr")
def an_ehr():
    """Run the FHIR server that the page and the service read, with a patient after prostate cancer."""
    with odd_server() as server:
        server.stages(
            holds(*of_ada("prostate cancer")), holds(*of_ada("radiotherapy course [completed, -27m, site prostate]"))
        )
        yield server


@pytest.fixture(scope="module", params=["crd", "standard"])
def generator(request, ehr, knowledge, tmp_path_factory):
    """Give a function that sends the page's call for a draft order, and returns the answer; in each dialect."""
    file = tmp_path_factory.mktemp("site") / "site.toml"
    file.write_text(f'dialect = "{request.param}"', encoding="utf-8")
    with reading(knowledge, ehr.url, site_file=str(file)) as client:

        def send(order=None):
            body = shape("crd-order-sign") | {"fhirServer": ehr.url}
            if order:
                body["context"]["draftOrders"]["entry"][0]["resource"] = order
            response = client.post(body, ORDER_SIGN)
            assert response.status_code == 200, response.text
            answer = response.json()
            assert answer.get("systemActions") == ([] if request.param == "crd" else None)
            return answer["cards"]

        yield send


def actions(card) -> dict[str, dict]:
    """Return the one action of each suggestion, by the label of its button, as the page reads them."""
    assert all(len(suggestion["actions"]) == 1 for suggestion in card["suggestions"])
    return {suggestion["label"]: suggestion["actions"][0] for suggestion in card["suggestions"]}


def test_card(generator, ehr):
    """It prefetches nothing that is needed here, and its access token is empty: the record is read without one."""
    ehr.requests.clear()
    [card] = generator()
    assert card["summary"].startswith("Foot drop after prostate cancer")
    assert card["source"]["topic"]["display"]
    assert {request.kind for request in ehr.requests} == {"Condition", "Procedure"}
    assert not any("authorization" in request.headers for request in ehr.requests)


def test_first_coding(generator):
    """It shows the first coding of an order alone: of each proposal that is our own, named as on the card."""
    [card] = generator()
    assert actions(card)
    for action in actions(card).values():
        code = action["resource"]["code"]
        assert code["coding"][0] == {
            "system": "urn:plexus-cds:study",
            "code": "plexus-mri-without-and-with-contrast",
            "display": STUDY,
        }
        assert code["text"] == STUDY
        assert STUDY in card["summary"]


def test_add(generator):
    """It stores the new order and sends it at once, with the prefetch of the old one: there is nothing more to say."""
    [card] = generator()
    action = actions(card)[ADD]
    assert (action["type"], "id" in action["resource"]) == ("create", False)
    assert generator(action["resource"] | {"id": "new-1"}) == []


def test_instead(generator):
    """It stores the changed order under its id; sent again there is no card, but the page sends the old one first."""
    [card] = generator()
    action = actions(card)[INSTEAD]
    old = shape("crd-order-sign")["context"]["draftOrders"]["entry"][0]["resource"]
    assert (action["type"], action["resource"]["id"]) == ("update", old["id"])
    assert action["resource"]["insurance"] == old["insurance"]
    assert [again["summary"] for again in generator(deepcopy(old))] == [card["summary"]]
    assert generator(action["resource"]) == []


def test_without_the_record(ehr, knowledge):
    """Where the FHIR server may not be read there is a 412 with the reason, which the page shows as *No Cards*."""
    with reading(knowledge) as client:
        body = shape("crd-order-sign") | {"fhirServer": ehr.url}
        assert "PLEXUS_CDS_FHIR_SERVERS" in why(client.post(body, ORDER_SIGN))


def test_without_its_token(knowledge):
    """A FHIR server that wants a token refuses the read, because the page gives an empty one."""
    with odd_server() as closed, reading(knowledge, closed.url) as client:
        closed.stages(answers({}, 401), answers({}, 401))
        body = shape("crd-order-sign") | {"fhirServer": closed.url}
        assert "refused the access token" in why(client.post(body, ORDER_SIGN))


def test_the_steps_as_written(ehr, tmp_path):
    """The guide's command starts the server, which lets the page's browser call its URL and answers in CRD's form."""
    guide = GUIDE.read_text(encoding="utf-8")
    [command] = re.findall(r"^ +(.+/plexus-cds serve .+)$", guide, re.MULTILINE)
    settings = {name.lower(): text for name, text in re.findall(r"PLEXUS_CDS_(\w+)=(\S+)", command)}
    page = dict(re.findall(r"(REACT_APP_\w+)=(\S+)", guide))
    [page_itself] = re.findall(r"Open `(http://[^/`]+)/`", guide)
    assert settings["fhir_servers"] == page["REACT_APP_EHR_SERVER"]
    [line] = re.findall(r"Put `(.+?)` into a `site.toml`", guide)
    (tmp_path / "site.toml").write_text(line, encoding="utf-8")
    settings |= {"fhir_servers": ehr.url, "store_url": f"sqlite:///{tmp_path}/store"}
    with granian(*command.partition(" serve ")[2].split(), cwd=tmp_path, **settings) as server:
        path = f"{urlsplit(page['REACT_APP_CDS_SERVICE']).path}/{page['REACT_APP_ORDER_SIGN']}"
        server.client.session.headers["Origin"] = page_itself
        response = server.client.post(shape("crd-order-sign") | {"fhirServer": ehr.url}, path)
    assert response.headers["Access-Control-Allow-Origin"] == page_itself
    [card] = response.json()["cards"]
    assert card["summary"].startswith("Foot drop after prostate cancer")
    assert response.json()["systemActions"] == []


def test_labels_in_the_guide(generator):
    """The guide names the buttons and links of the card as the page shows them."""
    guide = GUIDE.read_text(encoding="utf-8")
    [card] = generator()
    for label in [*actions(card), *(link["label"] for link in card["links"])]:
        assert f"*{label}*" in guide, label
    assert STUDY in " ".join(guide.split())

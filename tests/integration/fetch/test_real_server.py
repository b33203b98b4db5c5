"""Hook calls without prefetch, read from a real FHIR server over HTTP."""

import pytest

from cds_service.examples import example, searchset
from tests.support.fhir_server import fhir_server
from tests.support.hook_calls import TOKEN, entries, hook_call, reading, why
from tests.support.service import TODAY

DECISIVE = "radiotherapy course [completed, -27m, site prostate]"


@pytest.fixture(scope="session", name="fhir")
def a_fhir_server(tmp_path_factory):
    """Run a FHIR server with the article's patient, one without cancer, and one with two pages of Procedures."""
    with fhir_server(tmp_path_factory.mktemp("fhir"), TOKEN) as server:
        for name in ("article", "no-cancer"):
            bundle = example("patients", name, TODAY)
            server.put(name, [entry["resource"] for entry in bundle["entry"]])
        server.put("long-chart", long_chart())
        yield server


def long_chart() -> list[dict]:
    """Return a patient with 30 Procedures of no importance and, after them, the one that matters."""
    [decisive] = entries(DECISIVE)
    others = [decisive | {"code": {"text": "Dressing of a wound"}, "bodySite": []} for number in range(30)]
    numbered = [resource | {"id": f"p{number:02}"} for number, resource in enumerate([*others, decisive])]
    for resource in numbered:
        resource["subject"] = {"reference": "Patient/long-chart"}
    return [{"resourceType": "Patient", "id": "long-chart"}, *map(without_empty, numbered)]


def without_empty(resource: dict) -> dict:
    """FHIR has no empty lists."""
    return {name: value for name, value in resource.items() if value != []}


@pytest.fixture(scope="module", name="listed")
def a_service(fhir, knowledge):
    """Serve the application, with the FHIR server listed."""
    with reading(knowledge, fhir.url) as client:
        yield client


def test_the_articles_patient_gets_the_card(fhir, listed):
    """Nothing is prefetched, both searches are read, and the card shows what both hold."""
    [card] = listed.cards(hook_call(fhir.url, patient_id="article"))
    assert "radiotherapy" in card["detail"].lower()
    assert "prostate" in card["detail"].lower()
    assert "incomplete" not in card["detail"]


def test_no_patient_data_in_urls(fhir, listed):
    """Both searches are POSTs, so that no log on the way holds a patient's id."""
    with fhir.asked() as asked:
        listed.cards(hook_call(fhir.url, patient_id="article"))
    assert sorted(asked) == ["POST /fhir/Condition/_search", "POST /fhir/Procedure/_search"]


def test_a_patient_without_cancer_is_silent(fhir, listed):
    """A record that was read and holds nothing that matters is no reason for a card or an error."""
    assert listed.cards(hook_call(fhir.url, patient_id="no-cancer")) == []


def test_all_pages_are_read(fhir, listed):
    """The decisive Procedure is not on the first page, and the card shows it."""
    first = fhir.search("Procedure", "long-chart")
    assert "next" in [link["relation"] for link in first["link"]]
    assert len(first["entry"]) < first["total"] == 31
    [card] = listed.cards(hook_call(fhir.url, patient_id="long-chart"))
    assert "Only part" not in card["detail"]


def test_a_service_that_reads_one_page_says_so(fhir, knowledge):
    """With a cap of one page the decisive Procedure is not seen, and that is an error, not silence."""
    with reading(knowledge, fhir.url, fetch_pages=1) as client:
        text = why(client.post(hook_call(fhir.url, patient_id="long-chart")))
    assert "procedures (in part): it has more pages than are read" in text


def test_the_clients_first_page_is_gone_on_with(fhir, listed):
    """A prefetched first page with a link `next` is read on from there, and not read again."""
    prefetch = {"conditions": None, "procedures": fhir.search("Procedure", "long-chart")}
    with fhir.asked() as asked:
        cards = listed.cards(hook_call(fhir.url, patient_id="long-chart", prefetch=prefetch))
    assert len(cards) == 1
    assert len(asked) == 1
    assert "_offset=20" in asked[0]


@pytest.mark.parametrize(("given", "fetched"), [("conditions", "Procedure"), ("procedures", "Condition")])
def test_only_what_is_missing_is_read(given, fetched, fhir, listed):
    """One key is prefetched, so only the other one is read."""
    with fhir.asked() as asked:
        cards = listed.cards(hook_call(fhir.url, patient_id="article", prefetch={given: searchset([])}))
    assert len(cards) == 1
    assert asked == [f"POST /fhir/{fetched}/_search"]


@pytest.mark.parametrize("token", ["not-the-token-5c21", None])
def test_a_wrong_or_missing_token(token, fhir, listed, caplog):
    """The server refuses it: a 412 which says so, and nothing of the token in the answer or the log."""
    caplog.set_level("DEBUG")
    response = listed.post(hook_call(fhir.url, patient_id="article", token=token))
    assert "conditions: the FHIR server refused the access token" in why(response)
    assert "5c21" not in response.text + caplog.text


def test_the_token_is_not_logged(fhir, listed, caplog):
    """Not even a log of everything holds the token or the patient's id."""
    caplog.set_level("DEBUG")
    listed.cards(hook_call(fhir.url, patient_id="article"))
    assert '"outcome":"card"' in caplog.text
    assert TOKEN not in caplog.text
    assert "article" not in caplog.text


def test_a_server_that_is_not_listed(fhir, service):
    """A 412 names the setting that would allow the server, and the server hears nothing."""
    with fhir.asked() as asked:
        text = why(service.post(hook_call(fhir.url, patient_id="article")))
    assert "PLEXUS_CDS_FHIR_SERVERS" in text
    assert asked == []


def test_a_patient_whom_the_server_does_not_know(fhir, listed):
    """Such a patient has an empty record there, which is silence."""
    assert listed.cards(hook_call(fhir.url, patient_id="nobody")) == []

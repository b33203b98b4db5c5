"""The playground over HTTP: its page, what can be chosen, and why a call was answered as it was."""

import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest

from cds_service import examples
from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.service import CLOCK, EXPLANATIONS, ORDER_SELECT, TODAY, Client, explained, serving

VIGNETTES = {vignette["name"]: vignette for vignette in examples.vignettes(TODAY)}
ROOT = Path(__file__).parents[2]
STATIC = ROOT / "cds_service" / "web" / "static"


@pytest.fixture(scope="module")
def data(service):
    """Return what the page begins with."""
    response = service.get("/playground/data.json")
    assert response.status_code == 200
    return response.json()


def outcome_of(answer):
    """Return what an answer of the service says, in the notation of vignettes.csv, silences without their reason."""
    if answer.status_code != 200:
        return f"refused: {answer.status_code}"
    cards = answer.json()["cards"]
    return cards[0]["indicator"] if cards else "silent"


def test_page(service):
    """The page comes under a Content-Security-Policy that lets it load its own files alone, and nothing inline."""
    response = service.get("/")
    policy = response.headers["Content-Security-Policy"]
    assert response.status_code == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", response.text) == []
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", response.text) == []


def test_files_of_the_page(service):
    """Every script and style that the page names, or one script from another, is served as what it is."""
    page = service.get("/").text
    names = set(re.findall(r"/static/([\w.]+)", page))
    names |= {
        name for file in STATIC.glob("playground*.js") for name in re.findall(r'from "\./([\w.]+)"', file.read_text())
    }
    assert {"playground.js", "playground_call.js", "playground.css"} <= names
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    for name in names:
        response = service.get(f"/static/{name}")
        assert response.status_code == 200, name
        assert response.headers["Content-Type"].startswith(kinds[name.rpartition(".")[2]])


@pytest.mark.parametrize("settings", [{"playground": True}, {"development": True}], ids=str)
def test_where_it_is_on(settings, knowledge):
    """The setting, or development mode, turns the playground on."""
    with serving(create_app(Settings(**settings), knowledge)) as base:
        client = Client(base)
        assert client.get("/").status_code == 200
        client.session.close()


def test_where_it_is_off(knowledge):
    """By default there is no playground: neither page nor data nor explanations."""
    with serving(create_app(Settings(), knowledge)) as base:
        client = Client(base)
        assert [client.get(path).status_code for path in ("/", "/playground/data.json")] == [404, 404]
        assert client.post(VIGNETTES["article"]["call"], EXPLANATIONS).status_code == 404
        client.session.close()


def test_data_is_complete(data):
    """Every patient and every call that is no shape test can be chosen; each choice has words and a code, once."""
    whole = json.dumps(data)
    assert [vignette["name"] for vignette in data["vignettes"]] == list(VIGNETTES)
    assert [name for name in examples.names("patients") if f'"patientId": "{name}"' not in whole] == []
    assert [order["name"] for order in data["orders"]] == examples.names("orders")
    assert "@today" not in whole
    for choices in data["choices"].values():
        words = [choice["words"] for choice in choices]
        assert len(words) == len(set(words)) > 50
        assert all(choice["words"] and choice["system"] and choice["code"] for choice in choices)


def test_choices_are_known(data, service):
    """Each reason and each Condition that can be chosen is one that the service knows by its code."""
    call = VIGNETTES["empty-chart"]["call"]
    codes = [*data["choices"]["reasons"], *data["choices"]["conditions"]]
    conditions = [
        {
            "resourceType": "Condition",
            "id": f"c{n}",
            "code": {"coding": [{"system": code["system"], "code": code["code"]}]},
        }
        for n, code in enumerate(codes)
    ]
    prefetch = call["prefetch"] | {"conditions": examples.searchset(conditions)}
    outcome = explained(service, call | {"prefetch": prefetch})["steps"]["outcomes"][0]
    assert [
        entry
        for entry in outcome["unused_entries"]
        if entry["why"].startswith(("it has no code", "this card does not look for it"))
    ] == []


def first_sentence(issue):
    """Return what is wrong, without why: an explanation has a reason of its own not to read a FHIR server."""
    return issue["diagnostics"].partition(".")[0]


@pytest.mark.parametrize("name", VIGNETTES)
def test_vignettes(name, service):
    """Each vignette is answered as vignettes.csv says, and the explanation names the same outcome as the answer."""
    row = VIGNETTES[name]
    service_id = f"lumbosacral-plexus-mri-{row['call']['hook']}"
    answer = service.post(row["call"], f"/cds-services/{service_id}")
    wanted, _, reason = row["says"].partition(": ")
    if wanted == "refused":
        refusal = service.post(row["call"], f"/playground/explanations/{service_id}")
        assert f"refused: {refusal.status_code}" == outcome_of(answer) == row["says"]
        refusal_issue, answer_issue = (response.json()["issue"][0] for response in (refusal, answer))
        assert (refusal_issue["code"], first_sentence(refusal_issue)) == (
            answer_issue["code"],
            first_sentence(answer_issue),
        )
        return
    assert outcome_of(answer) == wanted
    explanation = explained(service, row["call"], f"/playground/explanations/{service_id}")
    outcome = explanation["steps"]["outcomes"][0]
    assert (outcome["card"] or {}).get("indicator", "silent") == wanted
    assert (outcome["silence"] or {}).get("reason", "") == reason
    assert len(explanation["details"]) == len(answer.json()["cards"])


def test_patients_table_agrees():
    """Every row of patients.csv has a vignette, and what the row says, card or silent, the vignette says."""
    with (ROOT / "fixtures" / "patients.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["patient"]: row for row in csv.DictReader(file)}
    shown = {vignette["call"]["context"]["patientId"]: vignette for vignette in reversed(VIGNETTES.values())}
    assert {name: shown[name]["proves"] for name in rows} == {name: row["proves"] for name, row in rows.items()}
    kinds = {"info": "card", "warning": "card", "silent": "silent"}
    assert {name: kinds[shown[name]["says"].partition(":")[0]] for name in rows} == {
        name: row["says"] for name, row in rows.items()
    }


HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> ![x](https://x.example/y.png) [x](javascript:alert(1))"
)


def test_detail_is_safe_html(knowledge):
    """The detail of a card is rendered with its lists and tables; HTML and scripts in it are shown as text."""
    card = {**knowledge.card, "detail": ["$findings", "$rating", HOSTILE, "| a |\n|---|\n| b |"]}
    hostile = dataclasses.replace(knowledge, card=card)
    with serving(create_app(Settings(playground=True), hostile, clock=CLOCK)) as base:
        client = Client(base)
        html = explained(client, VIGNETTES["article"]["call"])["details"][0]
        client.session.close()
    assert "<li>" in html
    assert "<td>b</td>" in html
    assert "<strong>Usually Appropriate</strong>" in html
    assert "&lt;script&gt;" in html
    assert [found for found in ("<script", "<img", 'href="javascript') if found in html] == []


REFUSED = {
    "no JSON": (b"{", EXPLANATIONS, 400),
    "no hook call": ([], EXPLANATIONS, 422),
    "another hook": (VIGNETTES["article"]["call"] | {"hook": "patient-view"}, EXPLANATIONS, 422),
    "no such service": (VIGNETTES["article"]["call"], EXPLANATIONS + "s", 404),
}


@pytest.mark.parametrize(("body", "path", "status"), REFUSED.values(), ids=REFUSED)
def test_refused_like_the_service(body, path, status, service):
    """A call that the service refuses gets the same refusal from the explanation."""
    explanation = service.post(body, path)
    answer = service.post(body, path.replace("/playground/explanations", "/cds-services"))
    assert explanation.status_code == answer.status_code == status
    assert explanation.json() == answer.json()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_json_alone(kind, service):
    """What a form of another page could send is refused: explanations take application/json alone."""
    body = json.dumps(VIGNETTES["article"]["call"])
    options = {"data": body, "headers": {"Content-Type": kind, "Origin": "https://elsewhere.example"}, "timeout": 10}
    response = service.session.post(service.base + EXPLANATIONS, **options)
    assert response.status_code == 415
    assert "application/json" in response.json()["issue"][0]["diagnostics"]


def test_no_other_page_may_ask(service):
    """Playground addresses carry no CORS header, even for the pages that may call the service."""
    headers = {"Origin": "https://sandbox.cds-hooks.org"}
    allowed = "Access-Control-Allow-Origin"
    assert allowed not in service.get("/playground/data.json", headers=headers).headers
    assert allowed in service.get(ORDER_SELECT.rpartition("/")[0], headers=headers).headers

"""The explanation of a decision as data: orders, record, findings, table and silences, over HTTP."""

import json
import re

import pytest

from cds_service import examples
from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.notation import call as made_call
from tests.support.service import CLOCK, TODAY, Client, serving

EXPLANATIONS = "/playground/explanations/lumbosacral-plexus-mri-order-select"
VIGNETTES = {vignette["name"]: vignette for vignette in examples.vignettes(TODAY)}


def explained(service, call, path=EXPLANATIONS):
    """POST a call and return its explanation, which must be a 200."""
    response = service.post(call, path)
    assert response.status_code == 200, response.text
    return response.json()


def test_steps_of_a_card(service):
    """A card is explained by its order, its findings with references, its cell of the table, and silences passed."""
    steps = explained(service, VIGNETTES["article"]["call"])["steps"]
    outcome = steps["outcomes"][0]
    here = [cell for cell in outcome["decision_table"] if cell["is_here"]]
    assert [order["is_watched"] for order in steps["orders"]] == [True]
    assert (steps["record"]["conditions"], steps["record"]["procedures"]) == (1, 1)
    assert [(finding["kind"], finding["references"]) for finding in outcome["findings"]] == [
        ("presentation", []),
        ("radiotherapy", ["Procedure/p1"]),
        ("malignancy", ["Condition/c1"]),
    ]
    assert len(outcome["decision_table"]) == 12
    assert [(cell["history"], cell["presentation"], cell["indicator"], cell["recommended"]) for cell in here] == [
        ("in_reach", "specific", "warning", "replace")
    ]
    assert (outcome["card"]["recommended"], outcome["card"]["against"]) == ("replace", [])
    assert {silence["state"] for silence in outcome["silences"]} == {"passed"}


def test_why_nothing_is_recommended(service):
    """A card that recommends nothing is explained by all that speaks against it, in the order of the table."""
    outcome = explained(service, VIGNETTES["pacemaker"]["call"])["steps"]["outcomes"][0]
    assert outcome["card"]["recommended"] == ""
    assert [reservation["reason"] for reservation in outcome["card"]["against"]] == ["device"]
    assert outcome["card"]["against"][0]["words"].startswith("A device or implant is on record")


def test_steps_of_a_silence(service):
    """A silence is explained by each entry that was not used, and by its place among the reasons."""
    outcome = explained(service, VIGNETTES["refuted-cancer"]["call"])["steps"]["outcomes"][0]
    assert {entry["reference"]: entry["why"] for entry in outcome["unused_entries"]} == {
        "Condition/c1": "its status, refuted, does not count",
        "Condition/c2": "it is not a malignancy that counts",
        "Procedure/p1": "it has no code",
    }
    states = {silence["reason"]: silence["state"] for silence in outcome["silences"]}
    assert list(states.values()) == ["passed"] * 15 + ["holds", "not reached"]
    assert states["no_history"] == "holds"


ORDERS = {
    "of a study that is not watched": ("mri-pelvis", {}, "this card does not monitor its study"),
    "not chosen": ("mri-lumbar-spine-loinc", {"id": "other"}, "it is not selected"),
    "revoked": (
        "mri-lumbar-spine-loinc",
        {"status": "revoked"},
        "it is not an active draft of this patient",
    ),
    "without the reason that it needs": (
        "fdg-pet-ct",
        {"reasonCode": []},
        "its reason for exam is not a specific sign of plexopathy",
    ),
    "revoked, with the reason that it needs": (
        "fdg-pet-ct",
        {"status": "revoked"},
        "it is not an active draft of this patient",
    ),
}


@pytest.mark.parametrize(("order", "change", "why"), ORDERS.values(), ids=ORDERS)
def test_orders_not_watched(order, change, why, service):
    """Each draft order that is not monitored is explained by the one thing that prevents it."""
    resource = examples.example("orders", order, TODAY)
    call = examples.call(examples.example("patients", "article", TODAY), [resource | change])
    call["context"]["selections"] = [f"ServiceRequest/{order}"]
    if change.get("id"):
        call["context"]["draftOrders"]["entry"].append({"resource": resource | {"status": "revoked"}})
    assert explained(service, call)["steps"]["orders"][0]["why"] == why


def test_more_than_one_order(service):
    """Each watched order of a call has steps of its own."""
    names = ("mri-lumbar-spine-loinc", "mri-lumbar-spine-radlex")
    orders = [examples.example("orders", name, TODAY) for name in names]
    call = examples.call(examples.example("patients", "article", TODAY), orders, hook="order-sign")
    path = EXPLANATIONS.replace("order-select", "order-sign")
    explanation = explained(service, call, path)
    assert [outcome["order"] for outcome in explanation["steps"]["outcomes"]] == [
        f"ServiceRequest/{name}" for name in names
    ]
    assert len(explanation["details"]) == 2


def test_shadow_mode(knowledge, tmp_path):
    """In shadow mode the explanation says that there is none to see, and what the card would be."""
    file = tmp_path / "site.toml"
    file.write_text("cards.lumbosacral-plexus-mri.shadow.until = 2099-01-01\n")
    with serving(create_app(Settings(playground=True, site_file=str(file)), knowledge, clock=CLOCK)) as base:
        client = Client(base)
        explanation = explained(client, VIGNETTES["article"]["call"])
        client.session.close()
    assert (explanation["steps"]["is_shadow"], explanation["details"]) == (True, [])
    assert explanation["steps"]["outcomes"][0]["card"]["indicator"] == "warning"


def test_nothing_of_the_chart_is_told(service):
    """The explanation has references and our own words, and none of the chart's free text."""
    text = json.dumps(VIGNETTES["article"]["call"])
    text = re.sub(r'("(?:text|display)": )"[^"\\]*"', r'\1"Free text of the chart"', text)
    assert "Free text of the chart" not in json.dumps(explained(service, json.loads(text)))


ODD = {
    "remote radiotherapy does not count": ("breast-cancer", "elsewhere", "its field does not reach the plexus"),
    "a device is to be checked": ("pacemaker", "checked", "to be checked before an MRI"),
    "an emergency suppresses the card": ("emergency", "checked", "it suppresses the card"),
    "a malignancy far away counts": ("breast-cancer", "counts", "it is far from the plexus"),
}


@pytest.mark.parametrize(("name", "use", "why"), ODD.values(), ids=ODD)
def test_use_of_findings(name, use, why, service):
    """Each finding is listed with its use, and why."""
    outcome = explained(service, VIGNETTES[name]["call"])["steps"]["outcomes"][0]
    assert (use, why) in [(finding["use"], finding["why"]) for finding in outcome["findings"]]


WORDS = {
    "STAT, foot drop": ("stat", "the order is not to be delayed, so nothing is recommended"),
    "foot drop, abdominal pain": ("other_question", "it suppresses the card on a PET/CT or a CT alone"),
    "foot drop, arm pain": (
        "upper_limb",
        "the arm is named, which suppresses the card where neither low back nor leg is named",
    ),
    "foot drop, lumbar stenosis": ("spine", "the spine itself is named or diseased, so nothing is recommended"),
}


@pytest.mark.parametrize("words", WORDS)
def test_use_of_what_a_reason_says(words, service):
    """What a reason says beside the sign is explained by its effect on the card, never as a silence that it is not."""
    body = made_call({"patient": "prostate cancer", "order": f'lumbar MRI [for "{words}"]', "also drafted": ""}, TODAY)
    [outcome] = explained(service, body)["steps"]["outcomes"]
    assert outcome["card"]
    assert WORDS[words] in [(finding["kind"], finding["why"]) for finding in outcome["findings"]]


def test_table_of_a_study_with_a_reason(service):
    """Of a study that is watched for a specific sign alone, the other columns say that it is not watched."""
    cells = explained(service, VIGNETTES["pet-ct-first"]["call"])["steps"]["outcomes"][0]["decision_table"]
    assert {cell["reason"] for cell in cells if cell["presentation"] != "specific"} == {"nothing_watched"}
    assert [cell["indicator"] for cell in cells if cell["is_here"]] == ["warning"]


def test_a_reason_that_falls_away(service):
    """Where the reason of a watched order turns out refuted, all other silences were asked before that one held."""
    call = json.loads(json.dumps(VIGNETTES["pet-ct-first"]["call"]))
    sign = {
        "resourceType": "Condition",
        "id": "px",
        "code": call["context"]["draftOrders"]["entry"][0]["resource"]["reasonCode"][0],
    }
    refuted = sign | {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    order = call["context"]["draftOrders"]["entry"][0]["resource"]
    order["reasonReference"] = [{"reference": "Condition/px"}]
    del order["reasonCode"]
    call["prefetch"]["more"] = examples.searchset([sign])
    call["prefetch"]["conditions"]["entry"].append({"resource": refuted})
    outcome = explained(service, call)["steps"]["outcomes"][0]
    assert outcome["silence"]["reason"] == "nothing_watched"
    states = {silence["reason"]: silence["state"] for silence in outcome["silences"]}
    assert states.pop("nothing_watched") == "holds"
    assert set(states.values()) == {"passed"}

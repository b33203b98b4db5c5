"""The explanation of a decision as data: orders, record, findings, table and silences, over HTTP."""

import json
import re

import pytest

from cds_service import examples
from cds_service.config.settings import Settings
from cds_service.model import OPTIONAL_KEYS
from cds_service.web.app import create_app
from tests.support.notation import call as made_call
from tests.support.service import CLOCK, EXPLANATIONS, TODAY, Client, explained, serving

VIGNETTES = {vignette["name"]: vignette for vignette in examples.vignettes(TODAY)}


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


AGAINST = {
    "device": ("pacemaker", "lumbar MRI [for leg weakness]", "Condition/pacemaker"),
    "contrast": ("gadolinium allergy", "lumbar MRI [for leg weakness]", "AllergyIntolerance/gadolinium-allergy"),
    "spine_named": ("bone metastasis", "lumbar MRI [for leg weakness]", "Condition/bone-metastasis"),
    "spine_named, in the reason": ("", 'lumbar MRI [for "foot drop, lumbar stenosis"]', None),
}


@pytest.mark.parametrize("reason", AGAINST)
def test_what_speaks_against_a_recommendation_is_named(reason, all_keys):
    """Each reason against a recommendation names the findings that it rests on, and their entries."""
    entries, order, reference = AGAINST[reason]
    body = made_call({"patient": f"prostate cancer; {entries}", "order": order, "also drafted": ""}, TODAY)
    [outcome] = explained(all_keys, body)["steps"]["outcomes"]
    against = {one["reason"]: one for one in outcome["card"]["against"]}[reason.partition(",")[0]]
    assert against["references"] == ([reference] if reference else [])
    assert against["findings"]


def test_steps_of_a_silence(service):
    """A silence is explained by each entry that was not used, and by its place among the reasons."""
    outcome = explained(service, VIGNETTES["refuted-cancer"]["call"])["steps"]["outcomes"][0]
    assert {entry["reference"]: entry["why"] for entry in outcome["unused_entries"]} == {
        "Condition/c1": "its status, refuted, does not count",
        "Condition/c2": "it is not a malignancy that counts",
        "Procedure/p1": "it has no code, and its text names nothing that counts",
    }
    states = {silence["reason"]: silence["state"] for silence in outcome["silences"]}
    assert list(states.values()) == ["passed"] * 15 + ["holds", "not reached"]
    assert states["no_history"] == "holds"


UNUSED = {
    "prostate cancer [refuted]": "its status, refuted, does not count",
    "prostate cancer [entered-in-error]": "its status, entered in error, does not count",
    "prostate cancer [certainty A]": "its code is marked as excluded or suspected",
    "prostate cancer [another patient]": "it names another patient",
    'prostate cancer [in words "no prostate cancer"]': "its own text denies it",
    'prostate cancer [in words "suspected prostate cancer"]': "its own text doubts it",
    '"no prostate cancer"': "its own text denies it",
    "carcinoma in situ of the prostate": "it is not a malignancy that counts",
    "leg weakness [resolved]": "it is not active: resolved",
    "leg weakness [inactive]": "it is not active",
    "leg weakness [active, -366d]": "it is outside the look-back window of 365 days (presentation)",
    "femur fracture (A) [active, -91d]": "it is outside the look-back window of 90 days (trauma)",
    "femur fracture (A) [active]": "it has no date, so it is outside the look-back window (trauma)",
    '"arm pain"': "it counts only as a reason for exam",
    '"a lump"': "it has no code, and its text names nothing that counts",
    "hypertension": "this card does not look for it",
    "prostate cancer (local code)": "its code system is not supported",
    "radiotherapy planning": "it is not a delivery of radiotherapy",
    "radiotherapy course [not-done]": "its status, not done, does not count",
    "plexus MRI done [completed, -2y]": "it is outside the look-back window of 90 days (plexus_mri_done); "
    "it is outside the look-back window of 365 days (plexus_mri_earlier)",
    "lumbar MRI report [final, -5d]": "its study does not replace the one that the card proposes",
    "lumbar MRI report [final, -5y]": "its study does not replace the one that the card proposes",
    "plexus MRI [revoked, -5d]": "its status, revoked, does not count",
    "plexus MRI [active, -91d]": "it is outside the look-back window of 90 days (plexus_mri_ordered)",
    "plexus MRI [active, do not perform]": "it says that the study is not to be done",
    "pacemaker removal [completed, -3y]": "it states a removal",
    "pacemaker (Device) [inactive]": "its status, inactive, does not count",
    "gadolinium allergy [refuted]": "its status, refuted, does not count",
    "filtration rate [final, -5d, value 31]": "its value is not low",
    "filtration rate [final, -366d, value 29]": "it is outside the look-back window of 365 days (egfr)",
    "filtration rate [cancelled, -5d, value 29]": "its status, cancelled, does not count",
    "filtration rate [final, -5d]": "it has no numeric value",
}


@pytest.fixture(scope="module", name="all_keys")
def a_service_that_reads_all(knowledge, tmp_path_factory):
    """Return a client of a service whose site has turned on every optional key."""
    file = tmp_path_factory.mktemp("site") / "site.toml"
    file.write_text(f"prefetch = {json.dumps(list(OPTIONAL_KEYS))}\n")
    with serving(create_app(Settings(playground=True, site_file=str(file)), knowledge, clock=CLOCK)) as base:
        client = Client(base)
        yield client
        client.session.close()


@pytest.mark.parametrize("entry", UNUSED)
def test_each_unused_entry_has_its_own_reason(entry, all_keys):
    """An entry that was not used is listed with the one reason for which the decision left it out."""
    body = made_call({"patient": f"cervical cancer; {entry}", "order": "lumbar MRI", "also drafted": ""}, TODAY)
    [outcome] = explained(all_keys, body)["steps"]["outcomes"]
    assert [one["why"] for one in outcome["unused_entries"]] == [UNUSED[entry]]


def test_a_device_that_was_removed_and_an_older_measurement(all_keys):
    """What another entry outweighs says so."""
    patient = (
        "cervical cancer; pacemaker implantation [completed, 2015]; pacemaker removal [completed, 2020]; "
        "filtration rate [final, -5d, value 80]; filtration rate [final, -9d, value 20]"
    )
    body = made_call({"patient": patient, "order": "lumbar MRI", "also drafted": ""}, TODAY)
    [outcome] = explained(all_keys, body)["steps"]["outcomes"]
    assert [one["why"] for one in outcome["unused_entries"]] == [
        "a removal that is not older cancels it",
        "it states a removal",
        "its value is not low",
        "a newer measurement counts",
    ]


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

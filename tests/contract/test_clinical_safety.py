"""The hazard log: each hazard has controls, each control a test that is there, and what no other test proves."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

import cds_service.cards
from cds_service import review
from cds_service.errors import KnowledgeError, PlexusError
from cds_service.knowledge import CARD, load
from cds_service.review import hazard_log
from tests.support.notation import call
from tests.support.service import TODAY

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "safety"
PAGE = ROOT / "docs" / "clinical-safety.md"
TABLES = {
    "hazards": "hazard title cause harm severity likelihood_before likelihood_after left site",
    "controls": "control hazards words test file old new",
    "scales": "scale value name means",
}
ARTICLE = {"patient": "@article", "order": "lumbar MRI", "also drafted": ""}


def table(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of the hazard log."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


HAZARDS, CONTROLS = table("hazards"), table("controls")


def missing(all_tests, *nodes: str) -> list[str]:
    """Return the node ids that name no test: neither a function nor one of its parameters."""
    known = {test["node"] for test in all_tests} | {f"{test['node'].partition('[')[0]}" for test in all_tests}
    return [node for node in nodes if node not in known]


def unsound(control: dict[str, str]) -> str:
    """Return why a control cannot be taken out, or no text."""
    file = ROOT / control["file"]
    if not file.is_file():
        return f"{control['control']}: no file {control['file']}"
    there = control["old"] and control["old"] in file.read_text(encoding="utf-8")
    return "" if there and control["old"] != control["new"] else f"{control['control']}: not in {control['file']}"


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_complete(name):
    """Each table has its columns and no empty cell, but that a control may be taken out by leaving out its text."""
    for row in table(name):
        assert list(row) == TABLES[name].split()
        assert [column for column, cell in row.items() if not cell and column != "new"] == []


def test_each_hazard_is_judged_and_controlled():
    """Hazards and controls are numbered, judged on the scales, and name each other; no control makes it worse."""
    names = [row["hazard"] for row in HAZARDS]
    assert names == [f"HZ-{number:02}" for number in range(1, len(HAZARDS) + 1)]
    assert [row["control"] for row in CONTROLS] == [f"C-{number:02}" for number in range(1, len(CONTROLS) + 1)]
    steps = {(row["scale"], row["value"]) for row in table("scales")}
    for row in HAZARDS:
        assert ("severity", row["severity"]) in steps, row
        assert {("likelihood", row["likelihood_before"]), ("likelihood", row["likelihood_after"])} <= steps, row
        assert row["likelihood_after"] <= row["likelihood_before"], row
    assert {name for row in CONTROLS for name in row["hazards"].split()} == set(names)


def test_each_control_has_a_test_that_is_there(all_tests):
    """Each node id names a file, a function in it, and a parameter of that."""
    assert missing(all_tests, *(control["test"] for control in CONTROLS)) == []


def test_each_control_can_be_taken_out():
    """What `make safety` takes out stands in its file."""
    assert [fault for control in CONTROLS if (fault := unsound(control))] == []


def test_a_wrong_name_is_found(all_tests):
    """A file, a function or a parameter that is not there is found, and so is a text that is not in its file."""
    file, function = "tests/contract/test_clinical_safety.py", "test_the_tables_are_complete"
    there = [f"{file}::{function}", f"{file}::{function}[hazards]"]
    not_there = [f"tests/nothing.py::{function}", f"{file}::test_nothing", f"{file}::{function}[nothing]"]
    assert missing(all_tests, *there, *not_there) == not_there
    assert unsound(CONTROLS[0]) == ""
    assert unsound(CONTROLS[0] | {"file": "nothing.py"})
    assert unsound(CONTROLS[0] | {"old": "what nobody wrote"})
    assert unsound(CONTROLS[0] | {"new": CONTROLS[0]["old"]})


def test_the_page_is_current(knowledge):
    """docs/clinical-safety.md is what `plexus-cds review` writes, and names every hazard, control and test."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == hazard_log.page(knowledge, PAGE)
    for control in CONTROLS:
        assert f"| {control['control']} | {control['words']} |" in text
    assert all(f"### {row['hazard']}\n" in text for row in HAZARDS)


def test_a_table_that_is_none_is_refused(knowledge, tmp_path):
    """A page that asks for a table which there is not is refused with the names of those that there are."""
    shutil.copytree(FOLDER, tmp_path / "safety")
    page = tmp_path / "clinical-safety.md"
    page.write_text("<!-- generated: risks -->\n<!-- end -->\n", encoding="utf-8")
    with pytest.raises(PlexusError, match="risks, which is no table; there are: scales, summary, hazards"):
        hazard_log.page(knowledge, page)


def test_a_stale_page_is_found_and_an_absent_one_is_left_alone(knowledge, tmp_path, monkeypatch):
    """`review` writes and checks the hazard log in the repository, and skips it where there is no docs/ (a wheel)."""
    own = tmp_path / "cards" / CARD / "REVIEW.md"
    own.parent.mkdir(parents=True)
    monkeypatch.setattr(review, "path", lambda: own)
    assert review.write(knowledge) == (own,)
    review.check(knowledge)
    shutil.copytree(FOLDER, tmp_path / "docs" / "safety")
    page = tmp_path / "docs" / PAGE.name
    page.write_text(
        PAGE.read_text(encoding="utf-8").replace("\n| HZ", "\n| HY").replace("| C-01 |", "| C-00 |"), "utf-8"
    )
    with pytest.raises(PlexusError, match=r"clinical-safety\.md is stale"):
        review.check(knowledge)
    assert review.write(knowledge) == (own, page)
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


# What no other test proves of a control: HTTP in, cards out


def asked(patient: str = "prostate cancer", order: str = "lumbar MRI [for leg weakness]", **members) -> dict:
    """Return the call for one order, which has some members more."""
    body = call({"patient": patient, "order": order, "also drafted": ""}, TODAY)
    body["context"]["draftOrders"]["entry"][0]["resource"].update(members)
    return body


def recommended(card: dict) -> list[str]:
    """Return the labels of the suggestions that a card recommends."""
    return [suggestion["label"] for suggestion in card["suggestions"] if suggestion.get("isRecommended")]


@pytest.mark.parametrize("stat", [{"priority": "stat"}, {"reasonCode": [{"text": "STAT, leg weakness"}]}])
def test_a_stat_order_gets_no_recommendation(stat, service):
    """An order that is stat, by its priority or in the words of its reason, gets a card that recommends nothing."""
    [card] = service.cards(asked())
    assert recommended(card)
    [card] = service.cards(asked(**stat))
    assert recommended(card) == []


def test_adding_stands_before_replacing(service):
    """Where nothing is recommended the first suggestion keeps the order."""
    [card] = service.cards(asked(order="lumbar MRI"))
    assert recommended(card) == []
    assert [suggestion["actions"][0]["type"] for suggestion in card["suggestions"]][:2] == ["create", "update"]


def test_a_replacement_keeps_all_but_the_study(service):
    """The order that replaces is the draft with its reason, priority, requester and time, and another code."""
    requester = {"reference": "Practitioner/example"}
    body = asked(
        priority="urgent", requester=requester, occurrenceDateTime="2026-11-24", note=[{"text": "Please call."}]
    )
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    [card] = service.cards(body)
    actions = [
        action for suggestion in card["suggestions"] for action in suggestion["actions"] if action["type"] == "update"
    ]
    assert actions
    for action in actions:
        changed = {name for name in draft | action["resource"] if draft.get(name) != action["resource"].get(name)}
        assert changed == {"code", "extension"}


@pytest.mark.parametrize("order", ["lumbar MRI", "lumbar MRI [for leg weakness]"])
def test_a_card_says_when_to_keep_the_order(order, service, knowledge):
    """A card on a lumbar-spine MRI, however strong, says for which question to keep it."""
    [card] = service.cards(asked(order=order))
    keep = knowledge.card["orders"]["lumbar_spine_mri"]["keep"]
    assert "cauda equina" in keep
    assert keep in card["detail"]


def test_counted_entries_that_did_not_come_are_no_all_clear(service):
    """A Bundle that counts entries and holds none is a record that could not be read: 412."""
    body = asked("")
    body["prefetch"]["conditions"] = {"resourceType": "Bundle", "type": "searchset", "total": 3}
    assert service.post(body).status_code == 412


def test_a_call_without_draft_orders_is_an_error(service):
    """A call whose draft orders are missing is answered 422, never with an empty list of cards."""
    body = asked()
    del body["context"]["draftOrders"]
    assert service.post(body).status_code == 422


def test_a_card_says_what_could_not_be_read(service, knowledge):
    """A card from half a record names the half that is missing."""
    body = asked()
    body["prefetch"]["procedures"] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
    [card] = service.cards(body)
    assert knowledge.card["incomplete"]["procedures"] in card["detail"]


def test_a_code_without_a_source_is_refused(tmp_path):
    """A value set whose codes do not say where they were verified keeps the service from starting."""
    cards = Path(shutil.copytree(Path(cds_service.cards.__file__).parent, tmp_path / "cards"))
    file = cards / CARD / "valuesets" / "malignancy-remote.json"
    value_set = json.loads(file.read_text(encoding="utf-8"))
    for extension in value_set["compose"]["include"][0]["extension"]:
        if extension["url"].endswith(":provenance"):
            extension["valueString"] = " "
    file.write_text(json.dumps(value_set), encoding="utf-8")
    with pytest.raises(KnowledgeError, match="provenance"):
        load(cards)


@pytest.mark.parametrize("order", ["lumbar MRI", "lumbar MRI [for leg weakness]", "PET/CT [for foot drop]"])
def test_no_card_calls_the_ordered_study_inappropriate(order, service):
    """No card has a rating but those of our sources, of which none is unfavorable."""
    [card] = service.cards(asked(order=order))
    assert "not appropriate" not in json.dumps(card).lower()


def test_a_card_can_be_dismissed_with_a_reason(service, knowledge):
    """Each card offers the reasons by which it can be dismissed, and one of them is that the spine is the question."""
    [card] = service.cards(asked())
    assert [reason["code"] for reason in card["overrideReasons"]] == list(knowledge.override_reasons)
    assert "spine-is-the-question" in knowledge.override_reasons


def test_a_card_shows_what_it_rests_on(service):
    """The card for the sample patient names the cancer and the radiotherapy, with the years that the record has."""
    body = call(ARTICLE, TODAY)
    [card] = service.cards(body)
    assert "Prostate cancer" in card["detail"]
    assert re.search(r"Radiotherapy.*20\d\d", card["detail"])

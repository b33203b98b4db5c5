"""The clinical table: each row of vignettes.csv, through HTTP, on a fixed day."""

import json
from contextlib import ExitStack

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.notation import SITES, call, rows
from tests.support.service import CLOCK, ORDER_SELECT, ORDER_SIGN, TODAY, Client, log_lines, serving

VIGNETTES = rows("vignettes.csv")
SPEAKING = [row for row in VIGNETTES if not row["says"].startswith("silent")]
PLANTABLE = [row for row in SPEAKING if not row["vignette"].startswith("W3 in words")]
"""Those whose words may have any text beside them: a PET/CT or CT in words is known by its whole name alone."""
PLANTED = 'zq17<img src="x">'
SILENT_AT_LEAST = 0.45
MEMBERS = {
    "identifier": [{"system": "https://ehr.example.org/orders", "value": "4711"}],
    "priority": "urgent",
    "requester": {"reference": "Practitioner/example", "display": "Dr. Example"},
    "occurrenceDateTime": "2026-11-24",
    "insurance": [],
    "note": [{"text": "Please call."}],
    "vendorMember": {"kept": True},
}
"""What every order of the table carries besides, to see that replacing its study leaves it there."""
PLEXUS_MRI = "MRI lumbosacral plexus without and with IV contrast"
UNENHANCED = "MRI lumbosacral plexus without IV contrast"
CT = "CT abdomen and pelvis with IV contrast"
KINDS = {
    ("update", PLEXUS_MRI): "replace",
    ("create", PLEXUS_MRI): "add",
    ("update", UNENHANCED): "without contrast",
    ("update", CT): "alternative",
}
"""What a suggestion does, by its action and the study in it."""


@pytest.fixture(scope="session")
def at(knowledge, service, tmp_path_factory):
    """Serve each site of the table; yields a client of each."""
    with ExitStack() as stack:
        clients = {"": service}
        for name, content in SITES.items():
            file = tmp_path_factory.mktemp("site") / "site.toml"
            file.write_text(content, encoding="utf-8")
            app = create_app(Settings(development=True, site_file=str(file)), knowledge, clock=CLOCK)
            clients[name] = Client(stack.enter_context(serving(app)))
        yield clients


@pytest.mark.parametrize("row", VIGNETTES, ids=[row["vignette"] for row in VIGNETTES])
def test_vignette(row, at, caplog):
    """The service says to this patient's order what the clinical table says."""
    check(row, at[row["site"]], caplog)


@pytest.mark.parametrize(
    ("vignette", "wrong"),
    [
        ("cancer alone", {"says": "warning"}),
        ("cancer alone", {"says": "silent: no_history", "history": ""}),
        ("cancer alone", {"history": "remote only"}),
        ("refuted", {"says": "info", "history": "in reach"}),
        ("refuted", {"says": "silent: nothing_watched"}),
        ("cervical MRI", {"says": "silent: no_history"}),
        ("two watched orders", {"says": "info", "history": "in reach"}),
        ("W1 in reach, specific", {"says": "warning"}),
        ("W1 in reach, compatible", {"says": "warning, replace"}),
        ("W3 PET/CT, specific", {"says": "warning, replace"}),
        ("device: pacemaker", {"says": "warning, replace"}),
        ("device: removed", {"says": "warning, check the device"}),
        ("contrast: and a device", {"says": "warning, check the device"}),
        ("focused: remote, no sign", {"site": ""}),
        ("own code: lumbar MRI", {"site": "focused"}),
    ],
)
def test_a_wrong_row_fails(vignette, wrong, at, caplog):
    """A row with the wrong answer fails, through the same function."""
    row = next(row for row in VIGNETTES if row["vignette"] == vignette)
    with pytest.raises(AssertionError):
        check(row | wrong, at[wrong.get("site", row["site"])], caplog)


def test_each_vignette_has_a_name_of_its_own():
    """No two vignettes share a name."""
    names = [row["vignette"] for row in VIGNETTES]
    assert sorted(set(names)) == sorted(names)


def test_no_two_vignettes_are_the_same_case():
    """No two vignettes put the same question."""
    cases = [tuple(row[name] for name in ("patient", "order", "also drafted", "call", "site")) for row in VIGNETTES]
    assert [case for case in cases if cases.count(case) > 1] == []


def test_every_vignette_is_a_sentence():
    """Every vignette says what it proves, and every speaking one on which history."""
    for row in VIGNETTES:
        assert row["proves"].strip(), row
        assert bool(row["history"]) != row["says"].startswith("silent"), row


def test_silence_is_proved_as_well_as_speech():
    """At least 45 % of the vignettes are silent."""
    silent = sum(row["says"].startswith("silent") for row in VIGNETTES)
    assert silent >= SILENT_AT_LEAST * len(VIGNETTES), f"{silent} of {len(VIGNETTES)}"


@pytest.mark.parametrize("row", PLANTABLE, ids=[row["vignette"] for row in PLANTABLE])
def test_every_card_is_short_and_in_our_own_words(row, at):
    """No card is longer than can be read in seconds, and text of the chart never comes out on it."""
    body = call(row, TODAY)
    service, path = at[row["site"]], path_of(row)
    plain = [_shown(card) for card in service.cards(body, path)]
    planted = planting({key: body[key] for key in ("prefetch", "context")})
    assert all(PLANTED in json.dumps(value, ensure_ascii=False).replace("\\", "") for value in planted.values())
    cards = service.cards(body | planted, path)
    assert [_shown(card) for card in cards] == plain
    for card in cards:
        assert "zq17" not in json.dumps(_shown(card))
        assert len(card["detail"]) < 1000


def test_the_own_code_of_a_site_goes_first(at):
    """What a site maps for the proposed study stands before our codes, in each suggestion."""
    body = call({"patient": "prostate cancer", "order": "lumbar MRI", "also drafted": ""}, TODAY)
    [card] = at["own codes"].cards(body)
    assert card["suggestions"]
    for action in _actions([card]):
        codes = [coding["code"] for coding in action["resource"]["code"]["coding"]]
        assert codes == ["PLEX-1", "plexus-mri-without-and-with-contrast", "443078008", "RPID4815", "30866-8"]


def path_of(row) -> str:
    """Return the service that a vignette calls."""
    return ORDER_SIGN if row["call"] == "order-sign" else ORDER_SELECT


def check(row, service, caplog):
    """Assert that the service answers a vignette as its row says."""
    caplog.clear()
    caplog.set_level("INFO", "plexus_cds")
    body = asked(row)
    response = service.post(body, path_of(row))
    if response.status_code != 200:
        assert str(response.status_code) == row["says"], row["proves"]
        return
    agree(row, body, response.json()["cards"], _logged(caplog))


def asked(row) -> dict:
    """Return the call of a vignette; its orders carry more members than the table speaks of."""
    body = call(row, TODAY)
    for entry in body["context"]["draftOrders"]["entry"]:
        entry["resource"] = MEMBERS | entry["resource"]
    return body


def agree(row, body, cards, logged):
    """Assert that these cards, and the reasons that were logged, are what the row of a vignette says."""
    assert _in_table_words(cards, logged) == row["says"], row["proves"]
    assert _history(logged) == row["history"], row["proves"]
    drafts = {entry["resource"]["id"]: entry["resource"] for entry in body["context"]["draftOrders"]["entry"]}
    for action in _actions(cards):
        if action["type"] == "update":
            assert _besides_the_study(action["resource"]) == _besides_the_study(drafts[action["resource"]["id"]])


def _actions(cards: list) -> list[dict]:
    return [action for card in cards for suggestion in card["suggestions"] for action in suggestion["actions"]]


def _besides_the_study(order: dict) -> dict:
    """Return what replacing the study leaves as it is: all but the code, the rating and what spoke of the spine."""
    return {name: value for name, value in order.items() if name not in ("code", "extension", "bodySite", "text")}


def _logged(caplog) -> list[list[str]]:
    """Return why each order was answered so: a silence's reason, or a card's indicator, history and presentation."""
    return [reason.split(":") for reason in log_lines(caplog)[-1]["reasons"]]


def _in_table_words(cards: list, logged: list[list[str]]) -> str:
    """Return what was said, in the words of the table: the cards, then the reasons for silence."""
    silences = [f"silent: {reason[0]}" for reason in logged if len(reason) == 1]
    return " + ".join([_in_short(card) for card in cards] + silences)


def _in_short(card: dict) -> str:
    """Return a card's indicator, what it recommends, and what it asks to check first."""
    kinds = [_kind(suggestion) for suggestion in card["suggestions"]]
    recommended = [_kind(suggestion) for suggestion in card["suggestions"] if suggestion.get("isRecommended")]
    assert not recommended or kinds[0] == recommended[0]
    assert recommended or kinds == sorted(kinds, key=_replaces)
    device = ["check the device"] if "**Check first**" in card["detail"] else []
    assert "alternative" not in kinds or device
    contrast = ["discuss contrast"] if "**Contrast: discuss with radiology**" in card["detail"] else []
    return ", ".join([card["indicator"], *recommended, *device, *contrast])


def _replaces(kind: str) -> bool:
    """Tell whether a suggestion replaces the order: where nothing is recommended, what adds one stands before it."""
    return kind != "add"


def _kind(suggestion: dict) -> str:
    [action] = suggestion["actions"]
    return KINDS[action["type"], action["resource"]["code"]["text"]]


def _history(logged: list[list[str]]) -> str:
    return " + ".join(reason[1].replace("_", " ") for reason in logged if len(reason) > 1)


def planting(value, name: str = ""):
    """Return a JSON value with a planted string in every display, text and narrative of it."""
    if isinstance(value, list):
        return [planting(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    grown = {key: planting(member, key) for key, member in value.items()}
    if name == "coding":
        grown["display"] = f"{value.get('display', '')} {PLANTED}"
    elif "coding" in value or name in ("code", "reasonCode", "bodySite"):
        grown["text"] = f"{value.get('text', '')} {PLANTED}"
    elif "resourceType" in value:
        narrative = {"status": "additional", "div": f"<div>{PLANTED}</div>"}
        grown |= {"text": narrative, "note": [{"text": PLANTED}], "patientInstruction": PLANTED}
    elif "reference" in value:
        grown["display"] = PLANTED
    return grown


def _shown(card: dict) -> dict:
    """Return what the clinician is shown of a card: all but its ids and the orders inside its suggestions."""
    shown = {key: value for key, value in card.items() if key not in ("uuid", "suggestions")}
    labels = [suggestion["label"] for suggestion in card["suggestions"]]
    actions = [action["description"] for suggestion in card["suggestions"] for action in suggestion["actions"]]
    return shown | {"labels": labels, "actions": actions}

"""The clinical table: each row of vignettes.csv, through HTTP, on a fixed day."""

import json

import pytest
from conftest import ORDER_SELECT, ORDER_SIGN, TODAY
from notation import call, rows

VIGNETTES = rows("vignettes.csv")
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


@pytest.mark.parametrize("row", VIGNETTES, ids=[row["vignette"] for row in VIGNETTES])
def test_vignette(row, service, caplog):
    """The service says to this patient's order what the clinical table says."""
    check(row, service, caplog)


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
    ],
)
def test_a_wrong_row_fails(vignette, wrong, service, caplog):
    """A row with the wrong answer fails, through the same function."""
    row = next(row for row in VIGNETTES if row["vignette"] == vignette)
    with pytest.raises(AssertionError):
        check(row | wrong, service, caplog)


def test_each_vignette_has_a_name_of_its_own():
    """No two vignettes share a name."""
    names = [row["vignette"] for row in VIGNETTES]
    assert sorted(set(names)) == sorted(names)


def test_no_two_vignettes_are_the_same_case():
    """No two vignettes put the same question."""
    cases = [tuple(row[name] for name in ("patient", "order", "also drafted", "call")) for row in VIGNETTES]
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


def check(row, service, caplog):
    """Assert that the service answers a vignette as its row says."""
    caplog.clear()
    caplog.set_level("INFO", "plexus_cds")
    body = call(row, TODAY)
    drafts = {entry["resource"]["id"]: entry["resource"] for entry in body["context"]["draftOrders"]["entry"]}
    for draft in drafts.values():
        draft.update(MEMBERS)
    response = service.post(body, ORDER_SIGN if row["call"] == "order-sign" else ORDER_SELECT)
    logged = _logged(caplog)
    if response.status_code != 200:
        assert str(response.status_code) == row["says"], row["proves"]
        return
    assert _said(response.json()["cards"], logged) == row["says"], row["proves"]
    assert _history(logged) == row["history"], row["proves"]
    for card in response.json()["cards"]:
        [action] = card["suggestions"][0]["actions"]
        assert action["type"] == "update"
        assert _besides_the_study(action["resource"]) == _besides_the_study(drafts[action["resource"]["id"]])


def _besides_the_study(order: dict) -> dict:
    """Return what replacing the study leaves as it is: all but the code, the rating and what spoke of the spine."""
    return {name: one for name, one in order.items() if name not in ("code", "extension", "bodySite", "text")}


def _logged(caplog) -> list[list[str]]:
    """Return why each order was answered so: a silence's reason, or a card's indicator, history and presentation."""
    lines = [one.message for one in caplog.records if one.name == "plexus_cds"]
    return [reason.split(":") for reason in json.loads(lines[-1])["reasons"]]


def _said(cards: list, logged: list[list[str]]) -> str:
    """Return what was said, in the words of the table: the cards' indicators, then the reasons for silence."""
    silences = [f"silent: {one[0]}" for one in logged if len(one) == 1]
    return " + ".join([card["indicator"] for card in cards] + silences)


def _history(logged: list[list[str]]) -> str:
    return " + ".join(one[1].replace("_", " ") for one in logged if len(one) > 1)

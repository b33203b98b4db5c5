"""What the clinician reads, to the letter; and that nothing of the chart's own text is in it."""

import json

import pytest
from conftest import ORDER_SELECT, ORDER_SIGN, TODAY
from notation import call, rows

SPEAKING = [row for row in rows("vignettes.csv") if not row["says"].startswith("silent")]
PLANTED = 'zq17<img src="x">'
LATENCY = "ago (radiation plexopathy most often appears 1-5 years after treatment)"
ADVICE = """\
A lumbar-spine MRI shows the nerve roots, but not the plexus on its way through the pelvis. \
Contrast separates tumor from radiation change.

ACR: **usually appropriate** as first imaging of lumbosacral plexopathy after cancer or its treatment; 0 mSv.

**Keep the lumbar-spine MRI** if the cord, the cauda equina, a nerve root or a spinal metastasis is the question."""
FIVE_CANCERS = (
    "prostate cancer [2023]; lymphoma [2020]; kidney cancer [2019]; breast cancer [2010-05]; lung cancer [2008]"
)
FINDINGS = {
    "the article's patient": (
        "@article",
        [
            f"Radiotherapy, prostate, until 2024-08: 2 years 3 months {LATENCY}",
            "Prostate cancer, in remission, since 2023-03",
        ],
    ),
    "by the day": (
        "radiotherapy course [completed, 2024-08-23, site sacrum]",
        [f"Radiotherapy, sacrum, 2024-08-23: 2 years 2 months {LATENCY}"],
    ),
    "by the year": (
        "radiotherapy course [completed, 2024, site rectum]",
        [f"Radiotherapy, rectum, 2024: 2 years {LATENCY}"],
    ),
    "decades ago": (
        "brachytherapy of the prostate (CPT) [completed, 1995-11]",
        [f"Brachytherapy of the prostate, 1995-11: 31 years {LATENCY}"],
    ),
    "field not recorded": (
        "radiotherapy course [completed, from 2024-06, 2024-08]",
        [f"Radiotherapy, field not recorded, until 2024-08: 2 years 3 months {LATENCY}"],
    ),
    "no date": (
        "radiotherapy course [completed, site prostate]",
        ["Radiotherapy, prostate"],
    ),
    "sessions of one course": (
        "; ".join(f"radiotherapy session [-{days}d, completed, site rectum]" for days in (50, 35, 40)),
        [f"External-beam radiotherapy, rectum, until 2026-10-18: 1 month {LATENCY}"],
    ),
    "two courses": (
        "radiotherapy course [2010-05, completed, site prostate]; radiotherapy course [2025, site sacrum]",
        [
            f"Radiotherapy, sacrum, 2025: 1 year {LATENCY}",
            f"Radiotherapy, prostate, 2010-05: 16 years 6 months {LATENCY}",
        ],
    ),
    "remote radiotherapy is not told": (
        "breast cancer [2019]; radiotherapy course [2020, completed, site breast]",
        ["Breast cancer, since 2019"],
    ),
    "the tumor that was treated": (
        "breast cancer [-3y]; bone metastasis [-1y]; radiotherapy course [-2m, completed, for the breast cancer]",
        [
            f"Radiotherapy (Breast cancer), 2026-09: 2 months {LATENCY}",
            "Metastasis to bone, since 2025",
            "Breast cancer, since 2023",
        ],
    ),
    "history of radiotherapy": (
        "history of radiotherapy [recorded 2024-08]",
        ["History of radiotherapy, recorded 2024-08"],
    ),
    "states of a cancer": (
        "prostate cancer [2023-03, recurrence]; lymphoma [2020, resolved]; kidney cancer [active, recorded 2019-02-03]",
        [
            "Prostate cancer, recurrence, since 2023-03",
            "Non-Hodgkin lymphoma, resolved, since 2020",
            "Kidney cancer, recorded 2019-02-03",
        ],
    ),
    "more than five": (
        f"{FIVE_CANCERS}; melanoma [2001]; radiotherapy course [completed, site rectum]",
        [
            "Radiotherapy, rectum",
            "Prostate cancer, since 2023",
            "Non-Hodgkin lymphoma, since 2020",
            "Kidney cancer, since 2019",
            "Breast cancer, since 2010-05",
            "and 2 more",
        ],
    ),
    "five": (
        FIVE_CANCERS,
        [
            "Prostate cancer, since 2023",
            "Non-Hodgkin lymphoma, since 2020",
            "Kidney cancer, since 2019",
            "Breast cancer, since 2010-05",
            "Lung cancer, since 2008",
        ],
    ),
}


def asked(patient: str, order: str = "lumbar MRI", drafted: str = "") -> dict:
    """Return a hook call in the notation of the vignettes."""
    return call({"patient": patient, "order": order, "also drafted": drafted}, TODAY)


def detail(*findings: str, about: str = "", incomplete: str = "") -> str:
    """Return the whole text of a card with these findings."""
    lines = "\n".join(f"- {finding}" for finding in findings)
    return "\n\n".join(part for part in (about, lines, ADVICE, incomplete) if part)


@pytest.mark.parametrize(("patient", "findings"), FINDINGS.values(), ids=FINDINGS)
def test_the_findings_are_told(patient, findings, service):
    """Each finding is one line: radiotherapy before cancer, the newest first, at most five."""
    [card] = service.cards(asked(patient))
    assert card["detail"] == detail(*findings)


def test_the_reason_of_the_order_is_told_as_such(service):
    """A finding that the order's own reason names says so."""
    body = asked("", "lumbar MRI [for prostate cancer, for history of radiotherapy]")
    [card] = service.cards(body)
    assert card["detail"] == detail(
        "History of radiotherapy (this order's reason)", "Prostate cancer (this order's reason)"
    )


def test_a_cancer_that_is_also_the_reason_keeps_its_state(service):
    """A reason without a status takes nothing from what the record says of the same cancer."""
    [card] = service.cards(asked("prostate cancer [2023-03, remission]", "lumbar MRI [for prostate cancer]"))
    assert card["detail"] == detail("Prostate cancer, in remission, since 2023-03 (this order's reason)")


def test_a_summary_asks_and_fits(service):
    """Without a presentation the summary asks, and it has fewer than 140 characters."""
    [card] = service.cards(asked("prostate cancer"))
    assert card["summary"] == (
        "If lumbosacral plexopathy is suspected:"
        " MRI lumbosacral plexus without and with IV contrast is the first study (ACR)"
    )
    assert len(card["summary"]) < 140


def test_with_several_orders_each_card_names_its_own(service):
    """Where the call has several draft orders a card says which it is about, in our words."""
    cards = service.cards(asked("prostate cancer", 'lumbar MRI (with contrast) + "MRI L-SPINE"', "cervical MRI"))
    assert [card["detail"] for card in cards] == [
        detail("Prostate cancer", about="About **MRI lumbar spine with contrast** (draft order 1 of 3):"),
        detail("Prostate cancer", about="About **lumbar-spine MRI** (draft order 2 of 3):"),
    ]


def test_procedures_that_could_not_be_read_are_said(service):
    """Where the client could not read the procedures, the card says so."""
    body = asked("prostate cancer")
    issue = {"severity": "error", "code": "timeout"}
    body["prefetch"]["procedures"] = {"resourceType": "OperationOutcome", "issue": [issue]}
    [card] = service.cards(body)
    said = "*This advice is from an incomplete record. The procedures could not be read.*"
    assert card["detail"] == detail("Prostate cancer", incomplete=said)


def test_entries_that_could_not_be_read_are_said(service):
    """Where entries are no resources, the card says how many."""
    body = asked("prostate cancer")
    body["prefetch"]["conditions"]["entry"] += [{"resource": {"code": {"text": "no type"}}}, 7]
    [card] = service.cards(body)
    said = "*This advice is from an incomplete record. Entries that could not be read: 2.*"
    assert card["detail"] == detail("Prostate cancer", incomplete=said)


def test_a_whole_record_is_not_called_incomplete(service):
    """Entries of another patient and of another type are dropped without a word on the card."""
    body = asked("prostate cancer; lung cancer [another patient]")
    body["prefetch"]["conditions"]["entry"] += [{"resource": {"resourceType": "Observation"}}]
    [card] = service.cards(body)
    assert card["detail"] == detail("Prostate cancer")


@pytest.mark.parametrize("row", SPEAKING, ids=[row["vignette"] for row in SPEAKING])
def test_every_card_is_short_and_in_our_own_words(row, service):
    """No card is longer than can be read in seconds, and text of the chart never comes out on it."""
    body = call(row, TODAY)
    path = ORDER_SIGN if row["call"] == "order-sign" else ORDER_SELECT
    plain = [_shown(card) for card in service.cards(body, path)]
    planted = planting({key: body[key] for key in ("prefetch", "context")})
    assert all(PLANTED in json.dumps(value, ensure_ascii=False).replace("\\", "") for value in planted.values())
    cards = service.cards(body | planted, path)
    assert [_shown(card) for card in cards] == plain
    for card in cards:
        assert "zq17" not in json.dumps(_shown(card))
        assert len(card["detail"]) < 1000


def planting(value, name: str = ""):
    """Return a JSON value with a planted string in every display, text and narrative of it."""
    if isinstance(value, list):
        return [planting(one, name) for one in value]
    if not isinstance(value, dict):
        return value
    grown = {key: planting(one, key) for key, one in value.items()}
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
    labels = [one["label"] for one in card["suggestions"]]
    actions = [action["description"] for one in card["suggestions"] for action in one["actions"]]
    return shown | {"labels": labels, "actions": actions}

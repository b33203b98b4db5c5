"""What the clinician reads, to the letter."""

import pytest
from conftest import TODAY
from notation import call

LATENCY = "ago (radiation plexopathy most often appears 1-5 years after treatment)"
MISSES = """\
A lumbar-spine MRI shows the nerve roots, but not the plexus on its way through the pelvis. \
Contrast separates tumor from radiation change."""
RATING = """\
ACR: **usually appropriate** as first imaging of lumbosacral plexopathy after cancer or its treatment; 0 mSv."""
TABLE = """\
| study | ACR, first imaging | radiation |
|---|---|---|
| MRI lumbosacral plexus without and with IV contrast | usually appropriate | 0 mSv |
| FDG-PET/CT whole body | may be appropriate | 10-30 mSv |
| CT abdomen and pelvis with IV contrast | may be appropriate | not stated by our source |"""
KEEP = """\
**Keep the lumbar-spine MRI** if the cord, the cauda equina, a nerve root or a spinal metastasis is the question."""
PLEXUS_MRI = "MRI lumbosacral plexus without and with IV contrast"
TOO_COARSE = "it is too coarse for single nerves: it comes second, for an equivocal MRI or for staging"
HARD_TO_TELL = """Without contrast, tumor and treatment change are hard to tell apart: a recurrent tumor tends to be a \
discrete mass that enhances avidly, radiation fibrosis enhances diffusely and less."""
REPLACE, ADD = f"Order {PLEXUS_MRI} instead", f"Add {PLEXUS_MRI}, keep the lumbar-spine MRI"
ALTERNATIVE = "If MRI is contraindicated: CT abdomen and pelvis with IV contrast"
SUSPECTED = f"Suspected lumbosacral plexopathy after cancer: {PLEXUS_MRI}"
COMES_FIRST = f"{SUSPECTED} comes first (ACR)"
LEG_WEAKNESS, SCIATICA = "- Leg weakness (this order's reason)", "- Sciatica (this order's reason)"
DEVICE, CONTRAST = "**Check first** whether MRI is safe", "**Contrast: discuss with radiology**"
KIDNEY, DEFIBRILLATOR = "Severe chronic kidney disease (stage 4)", "Implanted defibrillator on record."
CARDS = {
    "a sign beside a remote cancer": (
        ("breast cancer [2019, remission]", "lumbar MRI [for leg weakness]"),
        f"{SUSPECTED} is the first study (ACR)",
        [f"{LEG_WEAKNESS}\n- Breast cancer, in remission, since 2019", MISSES, RATING, KEEP],
        [REPLACE, ADD],
    ),
    "plexus MRI without contrast": (
        ("prostate cancer", "plexus MRI (without contrast)"),
        f"After cancer or radiotherapy the plexus MRI needs contrast: {PLEXUS_MRI} (ACR)",
        [
            "- Prostate cancer",
            HARD_TO_TELL,
            RATING,
            "**Keep it without contrast** if there is a severe contraindication to gadolinium.",
        ],
        [REPLACE],
    ),
    "PET/CT": (
        ("prostate cancer", "PET/CT [for leg weakness]"),
        COMES_FIRST,
        [
            f"{LEG_WEAKNESS}\n- Prostate cancer",
            f"FDG-PET/CT finds active tumor, but {TOO_COARSE}.",
            TABLE,
            "**Keep the PET/CT** if staging is the question.",
        ],
        [f"Add {PLEXUS_MRI} first, keep the PET/CT", REPLACE],
    ),
    "CT": (
        ("prostate cancer", 'CT abdomen and pelvis [for "L foot drop"]'),
        COMES_FIRST,
        [
            "- Foot drop (this order's reason)\n- Prostate cancer",
            "CT shows bone and large masses, not the nerves: it is the alternative where MRI cannot be done.",
            TABLE,
            "**Keep the CT** if MRI is not possible, or if the abdomen itself is the question.",
        ],
        [f"Add {PLEXUS_MRI} first, keep the CT of the abdomen and pelvis", REPLACE],
    ),
    "device": (
        ("prostate cancer; pacemaker; cochlear implant", "lumbar MRI [for leg weakness]"),
        f"{SUSPECTED} is the first study (ACR)",
        [
            f"{LEG_WEAKNESS}\n- Prostate cancer",
            MISSES,
            TABLE,
            KEEP,
            f"{DEVICE}: Cardiac pacemaker, Cochlear implant on record.",
        ],
        [REPLACE, ADD, ALTERNATIVE],
    ),
    "contrast": (
        ("prostate cancer; kidney disease stage 4; dialysis status", "lumbar MRI [for sciatica]"),
        f"{SUSPECTED} is the first study (ACR)",
        [f"{SCIATICA}\n- Prostate cancer", MISSES, RATING, KEEP, f"{CONTRAST} ({KIDNEY}, Dialysis on record)."],
        [REPLACE, ADD],
    ),
    "device and contrast": (
        ("prostate cancer; defibrillator; pregnancy [active, -60d]", "lumbar MRI"),
        f"If lumbosacral plexopathy is suspected: {PLEXUS_MRI} is the first study (ACR)",
        ["- Prostate cancer", MISSES, TABLE, KEEP, f"{DEVICE}: {DEFIBRILLATOR} {CONTRAST} (Pregnancy on record)."],
        [REPLACE, ADD, ALTERNATIVE],
    ),
}
FIVE_CANCERS = (
    "prostate cancer [2023]; lymphoma [2020]; kidney cancer [2019]; breast cancer [2010-05]; lung cancer [2008]"
)
FIVE = [
    *("Prostate cancer, since 2023", "Non-Hodgkin lymphoma, since 2020", "Kidney cancer, since 2019"),
    *("Breast cancer, since 2010-05", "Lung cancer, since 2008"),
]
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
    "no date": ("radiotherapy course [completed, site prostate]", ["Radiotherapy, prostate"]),
    "sessions of one course": (
        "; ".join(f"radiotherapy session [-{days}d, completed, site rectum]" for days in (50, 35, 40)),
        [f"External-beam radiotherapy, rectum, until 2026-10-18: 1 month {LATENCY}"],
    ),
    "two courses": (
        "radiotherapy course [2010-05, completed, site prostate]; radiotherapy course [2025, site sacrum]",
        [f"Radiotherapy, sacrum, 2025: 1 year {LATENCY}", "Radiotherapy, prostate, 2010-05: 16 years 6 months ago"],
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
    "in progress": (
        "radiotherapy course [in-progress, -2m, site prostate]; prostate cancer",
        ["Radiotherapy, prostate, in progress, since 2026-09", "Prostate cancer"],
    ),
    "signs before history": (
        "prostate cancer; sciatica [active, recorded 2026-08]; foot drop [-5d]",
        ["Foot drop, since 2026-11-17", "Sciatica, recorded 2026-08", "Prostate cancer"],
    ),
    "history of radiotherapy": (
        "history of radiotherapy [recorded 2025-01]; history of radiotherapy [recorded 2024-08]",
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
        ["Radiotherapy, rectum", *FIVE[:4], "and 2 more"],
    ),
    "five": (FIVE_CANCERS, FIVE),
}


def asked(patient: str, order: str = "lumbar MRI", drafted: str = "") -> dict:
    """Return a hook call in the notation of the vignettes."""
    return call({"patient": patient, "order": order, "also drafted": drafted}, TODAY)


def detail(*findings: str, about: str = "", incomplete: str = "") -> str:
    """Return the whole text of a card with these findings."""
    lines = "\n".join(f"- {finding}" for finding in findings)
    incomplete = incomplete and f"*This advice is from an incomplete record. {incomplete}*"
    return "\n\n".join(part for part in (about, lines, MISSES, RATING, KEEP, incomplete) if part)


@pytest.mark.parametrize(("asks", "summary", "paragraphs", "labels"), CARDS.values(), ids=CARDS)
def test_a_whole_card(asks, summary, paragraphs, labels, service):
    """Summary, detail and suggestions of each kind of card, to the letter."""
    [card] = service.cards(asked(*asks))
    assert card["summary"] == summary
    assert card["detail"] == "\n\n".join(paragraphs)
    assert [one["label"] for one in card["suggestions"]] == labels
    assert len(card["summary"]) < 140


@pytest.mark.parametrize(("patient", "findings"), FINDINGS.values(), ids=FINDINGS)
def test_the_findings_are_told(patient, findings, service):
    """Each finding is one line: radiotherapy before cancer, the newest first, at most five."""
    [card] = service.cards(asked(patient))
    assert card["detail"] == detail(*findings)


def test_the_reason_of_the_order_is_told_as_such(service):
    """A finding that the order's own reason names says so."""
    [card] = service.cards(asked("", "lumbar MRI [for prostate cancer, for history of radiotherapy]"))
    assert card["detail"] == detail(
        "History of radiotherapy (this order's reason)", "Prostate cancer (this order's reason)"
    )


def test_a_cancer_that_is_also_the_reason_keeps_its_state(service):
    """A reason without a status takes nothing from what the record says of the same cancer."""
    [card] = service.cards(asked("prostate cancer [2023-03, remission]", "lumbar MRI [for prostate cancer]"))
    assert card["detail"] == detail("Prostate cancer, in remission, since 2023-03 (this order's reason)")


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
    body["prefetch"]["procedures"] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
    [card] = service.cards(body)
    assert card["detail"] == detail("Prostate cancer", incomplete="The procedures could not be read.")


def test_entries_that_could_not_be_read_are_said(service):
    """Where entries are no resources, the card says how many."""
    body = asked("prostate cancer")
    body["prefetch"]["conditions"]["entry"] += [{"resource": {"code": {"text": "no type"}}}, 7]
    [card] = service.cards(body)
    assert card["detail"] == detail("Prostate cancer", incomplete="Entries that could not be read: 2.")


def test_a_whole_record_is_not_called_incomplete(service):
    """Entries of another patient and of another type are dropped without a word on the card."""
    body = asked("prostate cancer; lung cancer [another patient]")
    body["prefetch"]["conditions"]["entry"] += [{"resource": {"resourceType": "Observation"}}]
    [card] = service.cards(body)
    assert card["detail"] == detail("Prostate cancer")

"""What the clinician reads, to the letter."""

from itertools import product

import pytest

from cds_service.decision.card import render_summary
from cds_service.decision.fhir_fields import partial_date
from cds_service.decision.rendering import render_finding
from cds_service.knowledge import Knowledge
from cds_service.model import DraftOrder, Field, Finding, FindingKind, Findings, Recommendation, WatchedOrder
from tests.support.notation import call
from tests.support.service import TODAY

PLEXUS_MRI = "MRI lumbosacral plexus without and with IV contrast"
ASKS = f"If lumbosacral plexopathy is suspected: {PLEXUS_MRI} is the recommended initial study (ACR)"
MISSED = f"a lumbar MRI can miss the plexus. ACR: {PLEXUS_MRI}"
EARLY = "ago (radiation plexopathy most often appears 1-5 years after treatment)"
LATE = "ago (radiation plexopathy can appear 20 years and more after treatment)"
MISSES = """\
A lumbar-spine MRI shows the nerve roots, not the plexus on its way through the pelvis. \
Contrast helps to tell tumor from radiation change."""
ACR = "ACR Plexopathy 2021, as reported by GigHz"
RATING = f"""\
{ACR}: **Usually Appropriate** as initial imaging of lumbosacral plexopathy after cancer or its treatment; 0 mSv."""
TABLE = f"""\
| study | {ACR} | radiation |
|---|---|---|
| MRI lumbosacral plexus without and with IV contrast | Usually Appropriate | 0 mSv |
| FDG-PET/CT whole body | May Be Appropriate | 10-30 mSv |
| CT abdomen and pelvis with IV contrast | May Be Appropriate | not stated in our source |"""
KEEP = """\
**Keep the lumbar-spine MRI** if the cord, the cauda equina, a nerve root or a spinal metastasis is the question."""
OVERLAP = """\
Without contrast, tumor and treatment change are hard to tell apart. Contrast helps: recurrent tumor tends to be a \
discrete mass that enhances avidly; radiation fibrosis enhances diffusely and less, but the two overlap."""
COARSE = """\
FDG-PET/CT finds active tumor, but is too coarse for single nerves: \
it is second line, for an equivocal MRI or for staging."""
REPLACE, ADD = "Order plexus MRI instead", "Add plexus MRI, keep the lumbar MRI"
UNENHANCED, ALTERNATIVE = (
    "Order plexus MRI without contrast instead",
    "If MRI is contraindicated: CT abdomen and pelvis",
)
LEG_WEAKNESS, SCIATICA = "- Leg weakness (this order's reason)", "- Sciatica (this order's reason)"
DEVICE, CONTRAST = "**Check first** whether MRI is safe", "**Contrast: discuss with radiology**"
KIDNEY = "Severe chronic kidney disease (stage 4)"
IODINE = "**CT contrast: discuss with radiology**: X-ray contrast allergy on record."
COURSE = "radiotherapy course [completed, from 2024-06, 2024-08, site prostate]"
CARDS = {
    "the article's patient": (
        ("@article", "lumbar MRI [for leg weakness]"),
        f"Leg weakness after prostate cancer: {MISSED}",
        [
            (
                f"{LEG_WEAKNESS}\n- Radiotherapy, prostate, until 2024-08: 2 years 3 months {EARLY}\n"
                "- Prostate cancer, in remission, since 2023-03"
            ),
            *(MISSES, RATING, KEEP),
        ],
        [REPLACE, ADD],
    ),
    "no sign": (("prostate cancer", "lumbar MRI"), ASKS, ["- Prostate cancer", MISSES, RATING, KEEP], [ADD, REPLACE]),
    "plexopathy by name, after radiotherapy alone": (
        ("history of radiotherapy [recorded 2024-08]", 'lumbar MRI [for "r/o LS plexopathy"]'),
        f"Suspected lumbosacral plexopathy after radiotherapy. ACR: {PLEXUS_MRI}",
        [
            "- Lumbosacral plexopathy (this order's reason)\n- History of radiotherapy, recorded 2024-08",
            *(MISSES, RATING, KEEP),
        ],
        [ADD, REPLACE],
    ),
    "a sign beside a remote cancer": (
        ("breast cancer [2019, remission]", "lumbar MRI [for leg weakness]"),
        f"Leg weakness after breast cancer: {MISSED}",
        [f"{LEG_WEAKNESS}\n- Breast cancer, in remission, since 2019", MISSES, RATING, KEEP],
        [ADD, REPLACE],
    ),
    "a spinal metastasis is named": (
        ("prostate cancer", 'lumbar MRI [for "leg weakness, known spinal metastasis"]'),
        f"Leg weakness after prostate cancer: {MISSED}",
        [
            f"{LEG_WEAKNESS}\n- Prostate cancer",
            *(MISSES, RATING, f"{KEEP} Here: Metastasis or tumor of the spine (this order's reason)."),
        ],
        [ADD, REPLACE],
    ),
    "plexus MRI without contrast": (
        ("prostate cancer", "plexus MRI (without contrast)"),
        f"After prostate cancer, contrast helps to tell tumor from treatment change. ACR: {PLEXUS_MRI}",
        [
            *("- Prostate cancer", OVERLAP, RATING),
            "**Keep it without contrast** if there is a severe contraindication to gadolinium.",
        ],
        ["Order plexus MRI without and with contrast instead"],
    ),
    "plexus MRI without contrast, and a caution": (
        ("prostate cancer; dialysis status", "plexus MRI (without contrast)"),
        ASKS,
        [
            *(f"{CONTRAST}: Dialysis on record.", "- Prostate cancer", OVERLAP, RATING),
            "**Keep it without contrast** if there is a severe contraindication to gadolinium.",
        ],
        ["Order plexus MRI without and with contrast instead"],
    ),
    "PET/CT": (
        ("prostate cancer", "PET/CT [for leg weakness]"),
        f"Leg weakness after prostate cancer: MRI comes before PET/CT. ACR: {PLEXUS_MRI}",
        [f"{LEG_WEAKNESS}\n- Prostate cancer", COARSE, TABLE, "**Keep the PET/CT** if staging is the question."],
        ["Add plexus MRI first, keep the PET/CT", REPLACE],
    ),
    "CT": (
        ("prostate cancer", 'CT abdomen and pelvis [for "L foot drop"]'),
        f"Foot drop after prostate cancer: MRI comes before CT. ACR: {PLEXUS_MRI}",
        [
            "- Foot drop (this order's reason)\n- Prostate cancer",
            "CT shows bone and large masses, not the nerves: it is the alternative when MRI cannot be done.",
            TABLE,
            "**Keep the CT** if MRI is not possible, or if the abdomen itself is the question.",
        ],
        ["Add plexus MRI first, keep the CT", REPLACE],
    ),
    "device": (
        ("prostate cancer; pacemaker; cochlear implant", "lumbar MRI [for leg weakness]"),
        f"Leg weakness after prostate cancer: {MISSED}",
        [
            f"{DEVICE}: Cardiac pacemaker, Cochlear implant on record.",
            *(f"{LEG_WEAKNESS}\n- Prostate cancer", MISSES, TABLE, KEEP),
        ],
        [ADD, REPLACE, ALTERNATIVE],
    ),
    "device in the reason, and an allergy to the contrast of a CT": (
        ("prostate cancer; X-ray dye allergy", 'lumbar MRI [for "leg weakness, has a pacemaker"]'),
        f"Leg weakness after prostate cancer: {MISSED}",
        [
            *(f"{DEVICE}: Cardiac device (this order's reason).", IODINE),
            *(f"{LEG_WEAKNESS}\n- Prostate cancer", MISSES, TABLE, KEEP),
        ],
        [ADD, REPLACE, ALTERNATIVE],
    ),
    "an allergy to the contrast of a CT alone": (
        ("prostate cancer; X-ray dye allergy", "lumbar MRI"),
        ASKS,
        ["- Prostate cancer", MISSES, RATING, KEEP],
        [ADD, REPLACE],
    ),
    "contrast": (
        ("prostate cancer; kidney disease stage 4; dialysis status", "lumbar MRI [for sciatica]"),
        ASKS,
        [f"{CONTRAST}: {KIDNEY}, Dialysis on record.", f"{SCIATICA}\n- Prostate cancer", MISSES, RATING, KEEP],
        [ADD, REPLACE, UNENHANCED],
    ),
    "device and pregnancy": (
        ("prostate cancer; defibrillator; pregnancy [active, -60d]", "lumbar MRI"),
        ASKS,
        [
            *(f"{DEVICE}: Implanted defibrillator on record.", f"{CONTRAST}: Pregnancy on record."),
            *("- Prostate cancer", MISSES, TABLE, KEEP),
        ],
        [ADD, REPLACE, UNENHANCED],
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
            f"Radiotherapy, prostate, until 2024-08: 2 years 3 months {EARLY}",
            "Prostate cancer, in remission, since 2023-03",
        ],
    ),
    "by the day": (
        "radiotherapy course [completed, 2024-08-23, site sacrum]",
        [f"Radiotherapy, sacrum, 2024-08-23: 2 years 2 months {EARLY}"],
    ),
    "by the year": (
        "radiotherapy course [completed, 2024, site rectum]",
        [f"Radiotherapy, rectum, 2024: 2 years {EARLY}"],
    ),
    "decades ago": (
        "brachytherapy of the prostate (CPT) [completed, 1995-11]",
        [f"Brachytherapy of the prostate, 1995-11: 31 years {LATE}"],
    ),
    "field not recorded": (
        "radiotherapy course [completed, from 2024-06, 2024-08]",
        [f"Radiotherapy, field not recorded, until 2024-08: 2 years 3 months {EARLY}"],
    ),
    "five years ago": (
        "radiotherapy course [completed, 2021-11, site rectum]",
        [f"Radiotherapy, rectum, 2021-11: 5 years {EARLY}"],
    ),
    "longer than five years ago": (
        "radiotherapy course [completed, 2021-10, site rectum]",
        [f"Radiotherapy, rectum, 2021-10: 5 years 1 month {LATE}"],
    ),
    "a site in words": (
        'radiotherapy course [completed, 2024-08, site "left lower quadrant"]',
        [f"Radiotherapy, field: see record, 2024-08: 2 years 3 months {EARLY}"],
    ),
    "no date": ("radiotherapy course [completed, site prostate]", ["Radiotherapy, prostate"]),
    "sessions of one course": (
        "; ".join(f"radiotherapy session [-{days}d, completed, site rectum]" for days in (50, 35, 40)),
        [f"External-beam radiotherapy, rectum, until 2026-10-18: 1 month {EARLY}"],
    ),
    "two courses": (
        "radiotherapy course [2010-05, completed, site prostate]; radiotherapy course [2025, site sacrum]",
        [f"Radiotherapy, sacrum, 2025: 1 year {EARLY}", f"Radiotherapy, prostate, 2010-05: 16 years 6 months {LATE}"],
    ),
    "remote radiotherapy is not told": (
        "breast cancer [2019]; radiotherapy course [2020, completed, site breast]",
        ["Breast cancer, since 2019"],
    ),
    "the tumor that was treated": (
        "breast cancer [-3y]; bone metastasis [-1y]; radiotherapy course [-2m, completed, for the breast cancer]",
        [
            f"Radiotherapy (Breast cancer), 2026-09: 2 months {EARLY}",
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
    "an onset tells no end of radiotherapy": (
        "history of radiotherapy [2024-08]",
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
    assert [suggestion["label"] for suggestion in card["suggestions"]] == labels
    assert len(card["detail"]) < 850


@pytest.mark.parametrize(("patient", "findings"), FINDINGS.values(), ids=FINDINGS)
def test_the_findings_are_told(patient, findings, service):
    """Each finding is one line: radiotherapy before cancer, the newest first, at most five."""
    [card] = service.cards(asked(patient))
    assert card["detail"].partition(" Here: ")[0] == detail(*findings)


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


DESCRIBED = {
    "replace": (
        (COURSE, "lumbar MRI"),
        (
            f"{PLEXUS_MRI} in place of this lumbar-spine MRI. Reason, priority and timing of the order stay."
            " For radiology: Radiotherapy, prostate, until 2024-08."
        ),
    ),
    "add": (
        ("prostate cancer", "lumbar MRI"),
        f"Create a draft order for {PLEXUS_MRI} with the reason, priority and timing of this one.",
    ),
    "add first": (
        (f"radiotherapy course [completed, 2010-05, site rectum]; {COURSE}", "PET/CT [for leg weakness]"),
        (
            f"Create a draft order for {PLEXUS_MRI}, to be done first, "
            "with the reason, priority and timing of this one."
            " For radiology: Radiotherapy, prostate, until 2024-08; Radiotherapy, rectum, 2010-05."
        ),
    ),
    "without contrast": (
        ("prostate cancer; dialysis status", "lumbar MRI"),
        (
            "MRI lumbosacral plexus without IV contrast in place of this lumbar-spine MRI; our sources do not rate it."
            " Reason, priority and timing of the order stay."
        ),
    ),
    "alternative": (
        ("prostate cancer; pacemaker; X-ray dye allergy; kidney disease stage 4", "lumbar MRI"),
        (
            "CT abdomen and pelvis with IV contrast in place of this lumbar-spine MRI, when MRI cannot be done."
            " Reason, priority and timing of the order stay. Iodinated contrast: discuss with radiology"
            f" (X-ray contrast allergy, {KIDNEY} on record)."
        ),
    ),
}


@pytest.mark.parametrize(("asks", "words"), DESCRIBED.values(), ids=DESCRIBED)
def test_the_whole_study_stands_in_the_description(asks, words, service):
    """A button is short; the description of its action names the study, what stays, and what radiology needs."""
    [card] = service.cards(asked(*asks))
    assert words in [action["description"] for suggestion in card["suggestions"] for action in suggestion["actions"]]
    assert all(len(suggestion["label"]) <= 52 for suggestion in card["suggestions"])


def test_the_study_without_contrast_carries_no_rating(service):
    """What our sources do not rate goes out unrated, on a warning too, where the study that they rate is rated."""
    [card] = service.cards(asked("prostate cancer; dialysis status", "lumbar MRI [for leg weakness]"))
    *rated, unrated = [action["resource"] for suggestion in card["suggestions"] for action in suggestion["actions"]]
    assert ["extension" in order for order in rated] == [True, True]
    assert "extension" not in unrated
    assert [coding["display"] for coding in unrated["code"]["coding"]] == [
        "MRI lumbosacral plexus without IV contrast",
        "MR LUMBAR SPINE LUMBAR PLEXUS WITHOUT IV CONTRAST",
    ]


TYPED = {
    "in the reason": (Finding(FindingKind.MALIGNANCY, "Cancer", (), from_order=True, as_typed=True), "order's reason"),
    "in the record": (Finding(FindingKind.MALIGNANCY, "Cancer", ("Condition/c1",), as_typed=True), "the record"),
}


@pytest.mark.parametrize("name", TYPED)
def test_typed_history_is_told_as_typed(name, knowledge):
    """What only typed words state is shown as typed, with its place."""
    finding, where = TYPED[name]
    words = render_finding(finding, knowledge.card["findings"], knowledge.card["durations"], TODAY)
    assert words == f"Cancer, as typed in {'this ' if name == 'in the reason' else ''}{where}"


def test_typed_radiotherapy_is_told_as_typed(knowledge):
    """Radiotherapy of typed words has no latency, though the words have a date."""
    when = partial_date("2022", TODAY)
    typed = Finding(FindingKind.RADIOTHERAPY, "Pelvic radiotherapy", (), until=when, from_order=True, as_typed=True)
    words = render_finding(typed, knowledge.card["findings"], knowledge.card["durations"], TODAY)
    assert words == "Pelvic radiotherapy, as typed in this order's reason"


def summary_of(knowledge: Knowledge, study: str, indicator: str, *findings: Finding) -> str:
    """Return the summary of a card on these findings."""
    order = WatchedOrder(DraftOrder({}, "", selected=True), study, "", knowledge.watched[study].proposes)
    kinds = {kind: tuple(finding for finding in findings if finding.kind is kind) for kind in FindingKind}
    found = Findings(
        malignancies=kinds[FindingKind.MALIGNANCY],
        radiotherapy=kinds[FindingKind.RADIOTHERAPY],
        presentations=kinds[FindingKind.PRESENTATION],
    )
    return render_summary(Recommendation(order, found, indicator, ""), knowledge.card)


def wordings(knowledge: Knowledge, family: str) -> list[str]:
    """Return all our words for the codes of a family, and for what is typed of it."""
    terms = [member.term for member in knowledge.terminology.families[family]]
    typed = [row["wording"] for row in knowledge.reason_rows if row["topic"] in (family, "plexopathy")]
    return sorted({*(term.wording for term in terms), *typed})


def sign(wording: str) -> Finding:
    """Return a sign with this wording."""
    return Finding(FindingKind.PRESENTATION, wording, (), means="specific")


def cancer(wording: str, **more) -> Finding:
    """Return a malignancy with this wording."""
    return Finding(FindingKind.MALIGNANCY, wording, (), **more)


RADIOTHERAPY = Finding(FindingKind.RADIOTHERAPY, "Radiotherapy", (), field=Field.PELVIS)


def test_no_summary_is_too_long(knowledge):
    """No study, indicator, sign and history makes a summary of 140 characters, and each warning names the MRI."""
    histories = [RADIOTHERAPY, *map(cancer, wordings(knowledge, "malignancy"))]
    signs = [(), *((sign(wording),) for wording in wordings(knowledge, "presentation"))]
    assert len(histories) > 100 < len(signs) + 50
    for study, indicator in product(knowledge.watched, ("info", "warning")):
        summaries = {
            summary_of(knowledge, study, indicator, history, *order_signs)
            for history, order_signs in product(histories, signs)
        }
        assert max(map(len, summaries)) <= 139, study
        assert all(PLEXUS_MRI in summary for summary in summaries)


def test_plexopathy_is_suspected_only_where_it_is_named(knowledge):
    """Only a sign that names the lumbosacral plexus makes a summary speak of it, by code as by words."""
    named = [
        wording
        for wording in wordings(knowledge, "presentation")
        if "lumbosacral plexopathy" in summary_of(knowledge, "lumbar_spine_mri", "warning", cancer("x"), sign(wording))
    ]
    assert named == [
        "Lumbosacral plexopathy",
        "Lumbosacral plexopathy from cancer",
        "Lumbosacral plexopathy from vasculitis",
        "Metastasis to the lumbosacral plexus",
    ]


AFTER = {
    "one cancer": ((cancer("Prostate cancer"),), "after prostate cancer"),
    "a history of it": ((cancer("History of prostate cancer"),), "after prostate cancer"),
    "a cancer and its metastasis": (
        (cancer("Metastasis to bone", metastatic=True), cancer("Prostate cancer")),
        "after prostate cancer",
    ),
    "a metastasis alone": ((cancer("Metastasis to bone", metastatic=True),), "after cancer"),
    "two cancers": ((cancer("Prostate cancer"), cancer("Breast cancer")), "after cancer"),
    "a cancer without a short name": ((cancer("Cancer of the groin"),), "after cancer"),
    "a cancer beside one without a short name": ((cancer("Prostate cancer"), cancer("Cancer")), "after cancer"),
    "a cancer and radiotherapy": ((cancer("Cervical cancer"), RADIOTHERAPY), "after cervical cancer"),
    "radiotherapy alone": ((RADIOTHERAPY,), "after radiotherapy"),
    "radiotherapy, and a cancer that is only typed": (
        (RADIOTHERAPY, cancer("Prostate cancer", as_typed=True)),
        "after radiotherapy",
    ),
}


@pytest.mark.parametrize(("findings", "words"), AFTER.values(), ids=AFTER)
def test_after_what(findings, words, knowledge):
    """A summary says after cancer only where cancer is on record, and names it only where there is one."""
    summary = summary_of(knowledge, "lumbar_spine_mri", "warning", sign("Foot drop"), *findings)
    assert summary == f"Foot drop {words}: {MISSED}"


def test_a_long_sign_gives_way(knowledge):
    """Where a sign is long, the name of the cancer gives way, then what the ordered study misses."""
    long, longer = "Acquired deformity of the foot", "Acquired deformity of the ankle or foot"
    of_prostate = cancer("Prostate cancer")
    assert summary_of(knowledge, "lumbar_spine_mri", "warning", sign(long), of_prostate).startswith(f"{long} after can")
    assert summary_of(knowledge, "lumbar_spine_mri", "warning", sign(longer), of_prostate) == (
        f"{longer} after cancer. ACR: {PLEXUS_MRI}"
    )

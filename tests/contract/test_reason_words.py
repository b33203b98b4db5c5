"""Reasons without a code, read by their words as clinicians type them; through HTTP, for a lumbar-spine MRI."""

from datetime import date
from itertools import permutations

import pytest

from tests.support.notation import call
from tests.support.service import TODAY, log_lines

SPECIFIC = """
    right leg weakness | weakness of the left foot | weakness, left leg | Weakness right lower extremity
    WEAKNESS OF BOTH LEGS | LLE weakness | RLE weakness x 2 wks | LE weakness L>R
    bilateral lower extremity weakness | b/l leg weakness | left-sided leg weakness
    lower limb weakness, progressive | legs getting weaker | weak left leg | quadriceps weakness
    quad wasting on the right | hip flexor weakness | atrophy of the left thigh | right leg paresis
    paralysis right leg | foot drop | new left footdrop | drop foot, R | femoral neuropathy
    sciatic neuropathy after pelvic surgery | sciatic nerve palsy | peroneal nerve palsy | lumbosacral plexopathy
    LS plexopathy | radiation plexopathy? | eval for plexopathy | concern for lumbosacral plexopathy | plexitis
    brachial and lumbosacral plexopathy | cervical cancer with leg weakness
    s/p RT for cervical cancer, right leg weakness | h/o prostate ca, leg weakness
    h/o prostate ca with leg weakness | h/o prostate ca and new leg weakness
    hx of rectal cancer now left foot drop | non-Hodgkin lymphoma with leg weakness
    non small cell lung ca right leg weakness | arm and leg weakness | arm weakness and foot drop
    no back pain but left leg weakness | denies back pain; has leg weakness | painless leg weakness
    leg weakness without pain | leg weakness, no trauma | leg weakness no trauma or fall | nontraumatic leg weakness
    non-traumatic leg weakness | atraumatic leg weakness | leg weakness, denies saddle anesthesia
    leg weakness, no bowel/bladder incontinence | h/o cauda equina surgery, now leg weakness
    h/o MVA 2010, left leg weakness | cauda equina ruled out, leg weakness | stress incontinence, foot drop
    leg weakness, no MSCC | paraparesis ruled out, foot drop | saddle pulmonary embolus 2020, leg weakness
    fluid retention, leg weakness | cord impingement excluded, leg weakness | h/o spondylodiscitis, leg weakness
    urinary retention resolved, leg weakness | quadriceps weakness, able to void
    h/o prostate cancer, now with left leg weakness | h/o prostate cancer now with left leg weakness
    h/o prostate cancer with left leg weakness | hx of rectal ca, current leg weakness
    history of lymphoma presenting with foot drop | h/o prostate ca p/w leg weakness
    2 week history of leg weakness | 3 month h/o foot drop | r/o mets with leg weakness
    no back pain now with leg weakness | no improvement in leg weakness | no relief with PT, foot drop
    no fever, new leg weakness or numbness | leg weakness, not improving | no pain and now leg weakness
    new leg weakness | current foot drop | foot drop not resolved | leg weakness never resolved
    leg weakness partially resolved | plexopathy not ruled out | plexopathy cannot be excluded
    leg weakness disc herniation unlikely | leg weakness, fracture ruled out | leg weakness, radiculopathy unlikely
    back pain resolved, leg weakness | EMG negative with leg weakness | never smoker with leg weakness
    foot drop resolved, now foot drop again | leg weakness with pain resolved | MVA 2010, left leg weakness
    old pelvic fracture, foot drop | leg weakness since 2019 | foot drop, s/p prostatectomy 2021
    gunshot 1988, foot drop | LE weakness | BLE weakness | dorsiflexion weakness | plantarflexion weakness
    hip flexor weakness | weakness of dorsiflexion | plantar flexion weakness | weak plantarflexors
    weak dorsiflexors | grip and leg weakness | weak stream, leg weakness | toe weakness | weakness (left leg)
    leg weakness (new) | foot drop (not resolved) | foot drop, resolved radiculopathy
    h/o prostate ca, leg weakness, ?recurrence, or radiation plexopathy | rule out plexopathy | r/o plexopathy
    no back pain with leg weakness | rule out new plexopathy | plexopathy to be ruled out | ?plexopathy
    eval for LS plexopathy | denies back pain, new leg weakness | LLE 3/5 | can't lift left foot
    L foot giving way, weak | RILP, LLE wkns | foot drop, old L1 compression fx
"""
COMPATIBLE = """
    leg pain | pain in the right leg | pain, left leg | left thigh pain | hip pain, right | buttock pain
    groin pain | pelvic pain | low back pain radiating to left leg | LBP with sciatica | sciatica
    right sided sciatica | lumbar radiculopathy | L5 radiculopathy | radicular pain | numbness in left foot
    paresthesias of the feet | tingling toes | sensory loss L4 | abnormal gait | difficulty walking | frequent falls
    weakness | generalized weakness | leg pain w/o weakness | leg pain, no weakness | sciatica, denies weakness
    arm pain and sciatica | cervical cancer, leg pain | weak stream, leg pain | weak stream and sciatica
    pelvic pain, weak stream | L5 radic | numb left foot
"""
NONE = """
    low back pain | LBP | chronic low back pain | back pain x 6 weeks | lumbar stenosis | disc herniation
    prostate cancer | metastatic prostate ca, eval mets | peripheral neuropathy | arthritis of the knee
    no leg weakness | no weakness in legs | low back pain, no leg weakness | low back pain, no leg pain or weakness
    low back pain, no numbness, tingling, or weakness | denies leg weakness | patient denies any foot drop
    without leg weakness | LBP w/o sciatica | low back pain without radiculopathy | negative for foot drop
    rule out radiculopathy | h/o leg weakness | history of foot drop | hx of sciatica | pathologic fracture of L2
    sacral insufficiency fracture | stress fracture of the sacrum | no trauma | h/o lumbar fracture
    denies urinary retention | no cauda equina symptoms | no bowel or bladder incontinence | no arm weakness
    cauda equina ruled out | cauda equina syndrome has been ruled out | no new incontinence | never incontinent
    urinary retention resolved | no new leg weakness | Denies new leg weakness | denies any current leg weakness
    no evidence of new foot drop | not associated with leg weakness | denies present leg weakness
    without new foot drop | no leg weakness now | no new numbness, tingling, or weakness
    denies leg weakness, foot drop, or incontinence | foot drop ruled out | leg weakness resolved
    plexopathy unlikely | never had leg weakness | negative for leg weakness | negative leg weakness
    weakness of the left leg has resolved | lumbosacral plexopathy is unlikely | plexopathy not suspected
    resolved foot drop | leg weakness and numbness resolved | foot drop denied | sciatica resolved
    radiculopathy excluded | old healed L1 fracture 2015 | MVA 2010 | traumatic amputation 1990 | remote trauma
    chronic fracture | healed fracture | old fracture | healed pelvic fx | L1 fracture healed | MVA 20 years ago
    prior hip fx | no fx | pathologic fx L2 | old GSW | fall from ladder 2012 | hx of motorcycle accident
    weak stream | weak urinary stream | weakly FDG-avid node | foot drop, resolved | leg weakness (resolved)
    foot drop, has resolved | no back pain, left leg weakness | no cauda equina symptoms, leg weakness
    r/o disc herniation, foot drop | no saddle hypoesthesia, foot drop | negative for cord compression, leg weakness
    no new incontinence, leg weakness | denies difficulty urinating, leg weakness | negative SLR, foot drop
    hand and foot numbness | arm pain, low back pain | ?leg weakness | leg weakness? | eval for foot drop
    concern for leg weakness | father had leg weakness | leg weakness as child | chronic L1 fracture | MVA 6/2010
    L1 fracture ruled out
"""
SILENT = {
    "emergency": """
        cauda equina syndrome | ?cauda equina | rule out cauda equina | r/o cauda equina | r/o CES
        exclude cord compression | r/o epidural abscess | concern for cauda equina
        suspected spinal cord compression | leg weakness, rule out cauda equina | cord compression, leg weakness
        prostate ca with myelopathy | saddle anesthesia | saddle numbness and leg weakness
        leg weakness and urinary retention | new urinary incontinence | bowel and bladder incontinence
        leg weakness, loss of bladder control | bowel/bladder dysfunction | discitis | vertebral osteomyelitis
        paraplegia | MVA, r/o cauda equina | leg weakness and urine retention | new incontinence, leg weakness
        saddle hypoesthesia | saddle paresthesia | numbness in saddle area | unable to void, leg weakness
        difficulty urinating, foot drop | ?MSCC leg weakness | MSCC | compression of spinal cord | cord impingement
        paraparesis | incontinent of urine | quadriplegia | spinal infection | spondylodiscitis
        cauda equina unlikely | cauda equina not ruled out | cauda equina cannot be excluded
        cauda equina needs to be ruled out | cauda equina to be ruled out | 3 day history of urinary retention
        r/o mets, infection, or cord compression | rule out fracture, discitis, or cauda equina
        no relief from PT, urinary retention | no improvement in urinary retention | urinary retention UTI ruled out
        h/o prostate ca with new incontinence | no back pain now with urinary retention
        cauda equina syndrome ruled out, new incontinence | fecal incontinence and leg weakness
        h/o cauda equina, now incontinent | leg weakness, incontinence not resolved | can't void, leg weakness
        incontinence and foot drop resolved leg pain | conus medullaris syndrome | cauda equina (not ruled out)
        h/o prostate ca, urinary retention or incontinence | cauda eqina | no back pain, left sided saddle numbness
        bilateral leg weakness since yesterday | new bilateral leg weakness | decreased rectal tone
        sensory level T10 | retention with back pain | epidural abscess?
    """,
    "acute_trauma": """
        s/p fall | s/p fall, low back pain | leg weakness after a fall | fall from ladder | s/p MVA
        MVC yesterday, leg weakness | motor vehicle accident | trauma | acute trauma, foot drop | lumbar fracture
        fracture of L1 | gunshot wound | arm pain after trauma | lumbar fx | pelvic fx | hip fx
        motorcycle accident | struck by car | pedestrian struck | GSW | s/p fall 11/20/2026, leg weakness
        s/p fall yesterday h/o surgery 2015 | acute on chronic L1 fracture | 72 year old s/p fall
        chronic back pain s/p fall | old lady, hip fx | chronic LBP, MVA yesterday | MVC 2 weeks ago | hit by truck
        leg weakness, rule out fracture | compression fracture L3 | rule out fracture | r/o fracture | r/o fx
        compression fx L3 | brachial plexus injury | fell 3 weeks ago
    """,
    "upper_limb_only": """
        right arm weakness | weakness of the left hand | weakness, right arm | numbness, left hand | RUE weakness
        UE weakness | brachial plexopathy | neck pain radiating to the arm | cervical radiculopathy | hand numbness
        shoulder pain, left | arm weakness, no leg weakness | weakness of grip | grip weakness | weak grip, left
        wrist dorsiflexion weakness | triceps weakness | brachial plexopathy vs cervical radic
    """,
}


def parted(text: str) -> list[str]:
    """Return the reasons of a list above."""
    return [text_part.strip() for line in text.strip().splitlines() for text_part in line.split("|")]


def read(words: str, service, caplog, reason: dict | None = None) -> str:
    """Return the presentation that the service reads in the words of a reason, or why it is silent."""
    body = call({"patient": "prostate cancer", "order": "lumbar MRI", "also drafted": ""}, TODAY)
    [entry] = body["context"]["draftOrders"]["entry"]
    entry["resource"]["reasonCode"] = [(reason or {}) | {"text": words}]
    caplog.clear()
    caplog.set_level("INFO", "plexus_cds")
    service.cards(body)
    [logged] = log_lines(caplog)[-1]["reasons"]
    return logged.rsplit(":", 1)[-1]


@pytest.mark.parametrize("words", parted(SPECIFIC))
def test_words_of_a_specific_sign(words, service, caplog):
    """These words name a specific sign of lumbosacral plexopathy."""
    assert read(words, service, caplog) == "specific"


@pytest.mark.parametrize("words", parted(COMPATIBLE))
def test_words_of_a_compatible_sign(words, service, caplog):
    """These words name a sign that is compatible with lumbosacral plexopathy."""
    assert read(words, service, caplog) == "compatible"


@pytest.mark.parametrize("words", parted(NONE))
def test_words_of_no_sign(words, service, caplog):
    """These words name no sign, or deny it, or only ask for it: the card asks."""
    assert read(words, service, caplog) == "none"


@pytest.mark.parametrize(
    ("reason", "words"), [(reason, words) for reason, text in SILENT.items() for words in parted(text)]
)
def test_words_that_silence(reason, words, service, caplog):
    """These words ask for another path: an emergency, even one that is to be ruled out; acute trauma; the arm."""
    assert read(words, service, caplog) == reason


@pytest.mark.parametrize("words", list(permutations(("leg", "weakness", "left"))), ids=" ".join)
def test_in_any_order(words, service, caplog):
    """Sign, limb and side are read in any order, in small letters and in capitals."""
    for text in (" ".join(words), " ".join(words).upper(), "-".join(words), "/".join(words)):
        assert read(text, service, caplog) == "specific", text


@pytest.mark.parametrize("words", ["", " ", "?", "see note", "12345", "x" * 5000, "leg " * 2000, "Beinschwäche"])
def test_words_that_say_nothing(words, service, caplog):
    """Words that say nothing of ours are no sign, and none are too odd to read."""
    assert read(words, service, caplog) == "none"


def mentioned(words, knowledge, today=TODAY) -> list[tuple[str, str]]:
    """Return what words speak of, and how certain they are of it; of injuries and signs alone."""
    mentions = knowledge.reason_words.read(words, today, knowledge.lookback_windows)
    return [(mention.topic, mention.certainty) for mention in mentions if mention.topic in ("presentation", "trauma")]


INJURIES = {
    "MVA 2026": "asserted",
    "MVA in Nov 2026": "asserted",
    "MVA": "asserted",
    "MVA ?": "asked",
    "MVA 6/2026": "past",
    "MVA 2025": "past",
    "MVA 6/2010": "past",
    "no MVA": "denied",
}


@pytest.mark.parametrize("words", INJURIES)
def test_an_injury_of_the_last_days(words, knowledge):
    """An injury that may lie in the last 90 days, or has no date, is asserted, and an older one is past."""
    assert mentioned(words, knowledge) == [("trauma", INJURIES[words])]


@pytest.mark.parametrize(
    ("words", "certainty"),
    [("MVA 2027", "asserted"), ("MVA 12/2026", "asserted"), ("MVA 2026", "asserted"), ("MVA 9/2026", "past")],
)
def test_an_injury_of_either_year(words, certainty, knowledge):
    """In January an injury of the year before may be as recent as one of the new year."""
    assert mentioned(words, knowledge, date(2027, 1, 15)) == [("trauma", certainty)]


def test_a_site_may_shorten_what_is_recent(knowledge):
    """The days in which an injury is recent are a limit, which a site may set."""
    read = knowledge.reason_words.read
    for days, certainty in ((90, "asserted"), (30, "past")):
        mentions = read("MVA 6 weeks ago", TODAY, {**knowledge.lookback_windows, "trauma": days})
        assert [mention.certainty for mention in mentions if mention.topic == "trauma"] == [certainty]


@pytest.mark.parametrize(
    "text",
    ["no " + "weak leg " * 200, "no weak leg, " * 150 + "or weak leg", "(" * 2000, "old " * 400 + "fracture"],
    ids=lambda text: text[:9],
)
def test_a_long_reason_is_read_to_its_end(text, knowledge):
    """The longest of odd reasons assert nothing, and end: a pattern that goes back and forth over them would not."""
    assert {certainty for _, certainty in mentioned(text, knowledge)} <= {"denied", "past"}


def test_words_are_read_beside_a_code_of_ours(service, caplog):
    """What the clinician typed is read beside a known code, too, and may take back the sign that the code names."""
    back_pain = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M54.50"}]}
    foot_drop = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M21.371"}]}
    assert read("leg weakness", service, caplog, back_pain) == "specific"
    assert read("right", service, caplog, foot_drop) == "specific"
    assert read("no foot drop", service, caplog, foot_drop) == "none"
    assert read("foot drop?", service, caplog, foot_drop) == "none"


def test_the_display_of_a_known_code_is_not_read(service, caplog):
    """A display of a system that we know is that system's wording of the code, and nobody's own words."""
    known = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M54.50", "display": "Foot drop"}
    assert read("", service, caplog, {"coding": [known]}) == "none"


def test_words_beside_a_code_that_is_not_ours(service, caplog):
    """Where a reason's code is none of ours its words are read."""
    local = {"coding": [{"system": "https://ehr.example.org/codes", "code": "RSN-12"}]}
    assert read("leg weakness", service, caplog, local) == "specific"


def test_the_display_of_a_code_that_is_not_ours(service, caplog):
    """The display of a reason's code is read as its words are."""
    local = {"coding": [{"system": "https://ehr.example.org/codes", "code": "RSN-12", "display": "Foot drop, left"}]}
    assert read("", service, caplog, local) == "specific"

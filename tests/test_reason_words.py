"""Reasons without a code, read by their words as clinicians type them; through HTTP, for a lumbar-spine MRI."""

import json
from itertools import permutations

import pytest
from conftest import TODAY
from notation import call

SPECIFIC = """
    right leg weakness | weakness of the left foot | weakness, left leg | Weakness right lower extremity
    WEAKNESS OF BOTH LEGS | LLE weakness | RLE weakness x 2 wks | LE weakness L>R
    bilateral lower extremity weakness | b/l leg weakness | left-sided leg weakness
    lower limb weakness, progressive | legs getting weaker | weak left leg | quadriceps weakness
    quad wasting on the right | hip flexor weakness | atrophy of the left thigh | right leg paresis
    paralysis right leg | foot drop | new left footdrop | drop foot, R | femoral neuropathy
    sciatic neuropathy after pelvic surgery | sciatic nerve palsy | peroneal nerve palsy
    lumbosacral plexopathy | LS plexopathy | radiation plexopathy? | eval for plexopathy
    concern for lumbosacral plexopathy | plexitis | brachial and lumbosacral plexopathy
    cervical cancer with leg weakness | s/p RT for cervical cancer, right leg weakness
    h/o prostate ca, leg weakness | h/o prostate ca with leg weakness | h/o prostate ca and new leg weakness
    hx of rectal cancer now left foot drop | non-Hodgkin lymphoma with leg weakness
    non small cell lung ca right leg weakness | arm and leg weakness | arm weakness and foot drop
    no back pain, left leg weakness | no back pain but left leg weakness | denies back pain; has leg weakness
    painless leg weakness | leg weakness without pain | leg weakness, no trauma | leg weakness no trauma or fall
    nontraumatic leg weakness | non-traumatic leg weakness | atraumatic leg weakness
    leg weakness, denies saddle anesthesia | leg weakness, no bowel/bladder incontinence
    no cauda equina symptoms, leg weakness | h/o cauda equina surgery, now leg weakness
    h/o MVA 2010, left leg weakness | leg weakness, rule out fracture | r/o disc herniation, foot drop
"""
COMPATIBLE = """
    leg pain | pain in the right leg | pain, left leg | left thigh pain | hip pain, right | buttock pain
    groin pain | pelvic pain | low back pain radiating to left leg | LBP with sciatica | sciatica
    right sided sciatica | lumbar radiculopathy | L5 radiculopathy | radicular pain | numbness in left foot
    hand and foot numbness | paresthesias of the feet | tingling toes | sensory loss L4 | abnormal gait
    difficulty walking | frequent falls | weakness | generalized weakness | leg pain w/o weakness
    leg pain, no weakness | sciatica, denies weakness | arm pain and sciatica | cervical cancer, leg pain
"""
NONE = """
    low back pain | LBP | chronic low back pain | back pain x 6 weeks | lumbar stenosis | disc herniation
    prostate cancer | metastatic prostate ca, eval mets | peripheral neuropathy | arthritis of the knee
    no leg weakness | no weakness in legs | low back pain, no leg weakness
    low back pain, no leg pain or weakness | low back pain, no numbness, tingling, or weakness
    denies leg weakness | patient denies any foot drop | without leg weakness | LBP w/o sciatica
    low back pain without radiculopathy | negative for foot drop | rule out plexopathy | r/o plexopathy
    rule out radiculopathy | h/o leg weakness | history of foot drop | hx of sciatica | compression fracture L3
    pathologic fracture of L2 | sacral insufficiency fracture | stress fracture of the sacrum
    rule out fracture | r/o fracture | no trauma | h/o lumbar fracture | denies urinary retention
    no cauda equina symptoms | no bowel or bladder incontinence | no arm weakness
"""
SILENT = {
    "emergency": """
        cauda equina syndrome | ?cauda equina | rule out cauda equina | r/o cauda equina | r/o CES
        exclude cord compression | r/o epidural abscess | concern for cauda equina
        suspected spinal cord compression | leg weakness, rule out cauda equina | cord compression, leg weakness
        prostate ca with myelopathy | saddle anesthesia | saddle numbness and leg weakness
        leg weakness and urinary retention | new urinary incontinence | bowel and bladder incontinence
        leg weakness, loss of bladder control | bowel/bladder dysfunction | discitis | vertebral osteomyelitis
        paraplegia | MVA, r/o cauda equina
    """,
    "acute_trauma": """
        s/p fall | s/p fall, low back pain | leg weakness after a fall | fall from ladder | s/p MVA
        MVC yesterday, leg weakness | motor vehicle accident | trauma | acute trauma, foot drop
        lumbar fracture | fracture of L1 | gunshot wound | arm pain after trauma
    """,
    "upper_limb_only": """
        right arm weakness | weakness of the left hand | weakness, right arm | numbness, left hand
        RUE weakness | UE weakness | brachial plexopathy | brachial plexus injury
        neck pain radiating to the arm | cervical radiculopathy | hand numbness | shoulder pain, left
        arm pain, low back pain | arm weakness, no leg weakness
    """,
}


def parted(text: str) -> list[str]:
    """Return the reasons of a list above."""
    return [one.strip() for line in text.strip().splitlines() for one in line.split("|")]


def read(words: str, service, caplog, reason: dict | None = None) -> str:
    """Return the presentation that the service reads in the words of a reason, or why it is silent."""
    body = call({"patient": "prostate cancer", "order": "lumbar MRI", "also drafted": ""}, TODAY)
    [entry] = body["context"]["draftOrders"]["entry"]
    entry["resource"]["reasonCode"] = [(reason or {}) | {"text": words}]
    caplog.clear()
    caplog.set_level("INFO", "plexus_cds")
    service.cards(body)
    [logged] = json.loads([one.message for one in caplog.records if one.name == "plexus_cds"][-1])["reasons"]
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


def test_a_code_of_ours_comes_before_the_words(service, caplog):
    """Where a reason carries a code of ours its words are not read."""
    back_pain = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M54.50"}]}
    assert read("leg weakness", service, caplog, back_pain) == "none"


def test_words_beside_a_code_that_is_not_ours(service, caplog):
    """Where a reason's code is none of ours its words are read."""
    local = {"coding": [{"system": "https://ehr.example.org/codes", "code": "RSN-12"}]}
    assert read("leg weakness", service, caplog, local) == "specific"


def test_the_display_of_a_code_that_is_not_ours(service, caplog):
    """The display of a reason's code is read as its words are."""
    local = {"coding": [{"system": "https://ehr.example.org/codes", "code": "RSN-12", "display": "Foot drop, left"}]}
    assert read("", service, caplog, local) == "specific"

"""Orders that carry no code of ours, read by their words as hospitals write them."""

from itertools import permutations

import pytest

from cds_service.decision.studies import study_of
from cds_service.knowledge import load
from cds_service.model import Site
from tests.support.notation import rows

ORDER_SETS = {name: value_set for name, value_set in load().value_sets.items() if name.startswith("order-")}
NAMES = [
    pytest.param(include["system"], concept["code"], concept["display"], id=f"{name}-{concept['code']}")
    for name, value_set in ORDER_SETS.items()
    for include in value_set["compose"]["include"]
    for concept in include.get("concept", [])
    if concept.get("display")
]
BY_CODE_ALONE = ("PT Whole body", "PT Skull base to mid-thigh")
"""Names that are not read, as PT is physical therapy too; all else is read from its display as from its code."""

LUMBAR = """
    MRI L-SPINE W/O CONTRAST
    MRI L-SPINE W/WO
    MR SPINE LUMBAR W WO
    LUMBAR SPINE MRI
    MRI LS SPINE
    MRI L-S SPINE WO
    MR L/S
    MR L/S W/O
    MRI LSPINE
    MRI LUMBAR
    MRI LUMB SPINE WO
    MRI L-SP W/O
    MRI LUMBER SPINE
    MRI LUMBO-SACRAL SPINE
    MRI LUMBOSACRAL SPINE W/O & W/
    MRI LUMBAR-SACRAL SPINE
    SPINE, LUMBAR, MR
    SPINE LUMBAR MRI NON-CON
    Magnetic resonance imaging, lumbar spine
    magnetic resonance lumbar spine without contrast
    NMR lumbar spine
    IMG MRI LUMBAR SPINE WO CONTRAST
    MRI SPINE LUMBAR WITHOUT CONTRAST [IMG268]
    HC MRI-LUMBAR SPINE
    3T MRI LUMBAR SPINE
    MRI LUMBAR SPINE LIMITED
    MRI LUMBAR SPINE W SEDATION
    MRI LUMBAR SPINE (STAT), LEFT LEG WEAKNESS
    MRI LUMBAR SPINE, PLEXOPATHY?
    MRI LUMBAR SPINE FOR LUMBOSACRAL PLEXOPATHY
    MRI LUMBAR SPINE S/P LAMINECTOMY
    MRI LUMBAR SPINE, CT CONTRAINDICATED
    MRI COMPLEX LSP
    MRI LMBR SPINE WO
    MRI L SPN W/O
    M.R.I. LUMBAR SPINE
"""
PLEXUS = """
    MRI LUMBAR PLEXUS
    MRI LUMBOSACRAL PLEXUS
    MRI SACRAL PLEXUS
    MRI LS PLEXUS
    MR L/S PLEXUS
    MRI LUMBOSACRAL PLEX
    PLEXUS LUMBOSACRAL MR
    LUMBOSACRAL PLEXUS, MRI OF
    MR NEUROGRAPHY LUMBOSACRAL PLEXUS
    MRN LUMBOSACRAL PLEXUS
    MRI LUMBOSACRAL PLEXOPATHY PROTOCOL
    MRI LUMBAR SPINE AND LUMBOSACRAL PLEXUS
    MRI PELVIS LUMBOSACRAL PLEXUS
    MRI LUMBOSACRAL PLEXUS, CT CONTRAINDICATED
"""
NOT_WATCHED = """
    MRI LUMBAR SPINE READ ONLY
    MRI LUMBAR SPINE SECOND OPINION
    CT L-SPINE
    CT LUMBAR SPINE W/O CONTRAST
    CT LUMBOSACRAL PLEXUS
    XR LUMBAR
    X-RAY LUMBAR SPINE AP AND LATERAL
    XRAY L-SPINE 2 VIEWS
    DEXA LUMBAR SPINE
    NM BONE SCAN LUMBAR SPINE
    US LUMBAR
    LUMBAR SPINE
    LUMBAR PUNCTURE
    PHYSICAL THERAPY LUMBAR SPINE
    MRI C-SPINE
    MRI CERVICAL SPINE WO
    MRI T SPINE
    MRI THORACIC SPINE
    MRI T-L SPINE
    MRI T/L SPINE
    MRI T AND L SPINE
    MRI C & L SPINE
    MRI THOR/LUMBAR SPINE
    MRI THORACO-LUMBAR SPINE
    MRI CERVICAL THORACIC LUMBAR SPINE
    MRI CTL SPINE
    MRI TOTAL SPINE
    MRI WHOLE SPINE
    MRI LUMBAR AND ENTIRE SPINE
    MRI FULL SPINE INCL LUMBAR
    MRI SPINE
    MRI LUMBAR SPINE AND SACROILIAC JOINTS
    MRI LUMBAR SPINE + SI JOINTS
    MRI LUMBAR, SI JTS
    MR MYELOGRAM LUMBAR
    CT MYELOGRAPHY LUMBAR
    MR LUMBAR SPINE W INTRATHECAL CONTRAST
    MRA LUMBAR SPINE
    MR ANGIOGRAPHY LUMBAR SPINE VESSELS
    MR GUIDED BIOPSY LUMBAR SPINE
    MR SPECTROSCOPY LUMBAR SPINE
    MRI SACRUM
    MRI SACRUM AND COCCYX
    MRI PELVIS
    MRI PELVIS W WO CONTRAST
    MRI HIP
    MRI HIP ARTHROGRAM
    MRI KNEE L S/P ACL REPAIR
    MRI BRAIN
    MRI BRACHIAL PLEXUS
    MRI BRACHIAL PLEXUS AND LUMBOSACRAL SPINE
    MR NEUROGRAPHY SCIATIC NERVE
    MR NEUROGRAPHY LUMBOSACRAL
    CELIAC PLEXUS BLOCK
    LUMBOSACRAL PLEXUS
    MRI PLEXUS
    MRI BRACHAIL PLEXUS
    MRI NECK PLEXUS WO CONTRAST
    MRI HYPOGASTRIC PLEXUS
    LUMBAR PLEXUS BLOCK LEFT WITHOUT CATHETER
    MR GUIDED LUMBOSACRAL PLEXUS INJECTION
    LUMBOSACRAL PLEXUS EMG
    MRI LUMBAR SPINE AND PELVIS W WO
    MRI LUMBAR SPINE WITH HIPS
"""
IN_OTHER_LANGUAGES = {
    "lumbar_spine_mri": """
        MRT LWS | MRT LWS mit KM | Kernspintomographie der Lendenwirbelsäule mit KM | MRT der lumbalen Wirbelsäule
        IRM rachis lombaire | IRM rachis lombaire avec injection | IRM du rachis lombaire sans injection
        RM columna lumbar | RM de columna lumbosacra | Resonancia magnética de columna lumbar
        RM rachide lombosacrale senza e con mdc | Risonanza magnetica colonna lombare
        MRI LWK | MRI lumbale wervelkolom | RM coluna lombar | Ressonância magnética da coluna lombar
        RNM coluna lombar | RM COLUMNA LUMBO-SACRA | RMN rachide lombo-sacrale | IRM du rachis lumbo-sacré
    """,
    "plexus_mri": "MRT Plexus lumbosacralis | IRM plexus lombo-sacré | RM plexo lombar | MRI lumbosacrale plexus",
    "plexus_mri_without_contrast": "RM plexo lumbar sin contraste | MRT Plexus lumbosacralis ohne KM",
    "plexus_mri_with_contrast": "MRT Plexus lumbosacralis mit KM | RM plesso lombosacrale senza e con mdc",
    "not_watched": """
        MRT HWS | MRT BWS und LWS | MRT Knie | MRT Plexus brachialis | IRM plexus brachial | IRM rachis entier
        IRM rachis cervical | RM columna cervical | RM plexo braquial | CT LWS | Röntgen LWS | LWS | Rückenschule
        RM rachide cervicale | MRI CWK | RM coluna cervical | IRM lombaire et infiltration
        MRT LWS und Becken | MRT LWS und ISG | MRT Kopf und LWS | MRT LWS und Hüfte | IRM rachis lombaire et bassin
        IRM dorso-lombaire | IRM encéphale et rachis lombaire | RM columna lumbar y cadera | RM cerebral y lumbar
        RM colonna lombare e bacino | RM coluna lombar e quadril | MRI LWK en bekken
    """,
}
WITH = (
    *("W/WO", "W WO", "WWO", "WO & W", "W & WO", "WO/W", "W/ & W/O", "W/O & W/", "W+WO"),
    *("WITHOUT AND WITH", "WITHOUT THEN WITH IV CONTRAST", "WITH AND WITHOUT", "WITHOUT/WITH CONTRAST"),
    *("W/OUT AND W CONTRAST", "WITH CONTRAST", "W CONTRAST", "W/ GAD", "PRE AND POST CONTRAST"),
)
WITHOUT = (
    *("W/O", "WO", "W/O CONTRAST", "WO CONTRAST", "W/OUT", "W/OUT CONTRAST", "WITHOUT", "without contrast"),
    *("WITHOUT IV CONTRAST", "NON-CON", "NONCON", "NON-CONTRAST", "NONCONTRAST", "NO CONTRAST", "UNENHANCED"),
)
NOT_STATED = ("", "CONTRAST PER RADIOLOGY", "3T", "WITHIN 7 DAYS")


def read(words: str, knowledge) -> str:
    """Return the study that an order with these words and without a code asks for."""
    return study_of({"code": {"text": words}}, knowledge, Site())[0]


def lines(names: str) -> list[str]:
    """Return the lines of a list above."""
    return [name.strip() for name in names.strip().splitlines()]


@pytest.mark.parametrize(("system", "code", "display"), NAMES)
def test_a_display_is_read_as_its_code(system, code, display, knowledge):
    """The display of each code of an order, alone, is read as the study that its code means."""
    meant, _ = study_of({"code": {"coding": [{"system": system, "code": code}]}}, knowledge, Site())
    by_code_alone = display in BY_CODE_ALONE or meant == "unrecognized"
    assert read(display, knowledge) == ("not_watched" if by_code_alone else meant)


@pytest.mark.parametrize(("system", "code", "display"), NAMES)
def test_our_own_wording_is_read_as_its_code(system, code, display, knowledge):
    """Our wording for each code, which the cards show, is read as the study that the code means."""
    meant, wording = study_of({"code": {"coding": [{"system": system, "code": code}]}}, knowledge, Site())
    if wording:
        assert read(wording, knowledge) == meant, display


def test_each_word_is_needed(knowledge):
    """Each row of words.csv has a name that is read as it must be, and would not be without that row."""
    found = {row["name"]: knowledge.words.study(row["name"]) for row in rows("order_names.csv")}
    assert found == {row["name"]: row["study"] for row in rows("order_names.csv")}


@pytest.mark.parametrize("name", lines(LUMBAR))
def test_names_of_a_lumbar_spine_mri(name, knowledge):
    """A lumbar-spine MRI is known by the names that hospitals give it."""
    assert read(name, knowledge) == "lumbar_spine_mri"


@pytest.mark.parametrize("name", lines(PLEXUS))
def test_names_of_a_plexus_mri(name, knowledge):
    """A lumbosacral plexus MRI is known by the names that hospitals give it."""
    assert read(name, knowledge) == "plexus_mri"


@pytest.mark.parametrize(
    ("study", "name"),
    [(study, name.strip()) for study, text in IN_OTHER_LANGUAGES.items() for name in text.replace("\n", "|").split("|")
     if name.strip()],
)  # fmt: skip
def test_names_in_other_languages(study, name, knowledge):
    """German, French, Spanish, Italian, Dutch and Portuguese names are read as English ones are."""
    assert read(name, knowledge) == study


@pytest.mark.parametrize("name", lines(NOT_WATCHED))
def test_names_of_other_orders(name, knowledge):
    """Everything else is not watched, however near its name is."""
    assert read(name, knowledge) == "not_watched"


@pytest.mark.parametrize("words", list(permutations(("MRI", "LUMBAR", "SPINE"))), ids=" ".join)
def test_modality_and_site_in_any_order(words, knowledge):
    """Modality and site are read in any order and between any marks."""
    for between in (" ", ", ", " - ", "/", "_", "  "):
        assert read(between.join(words), knowledge) == "lumbar_spine_mri", between


@pytest.mark.parametrize(
    ("phrases", "study"),
    [
        (WITH, "plexus_mri_with_contrast"),
        (WITHOUT, "plexus_mri_without_contrast"),
        (NOT_STATED, "plexus_mri"),
    ],
    ids=["with", "without", "not stated"],
)
def test_contrast_phrases(phrases, study, knowledge):
    """The phrases for contrast tell the plexus studies apart, after the site and before it."""
    for phrase in phrases:
        assert read(f"MRI LUMBOSACRAL PLEXUS {phrase}", knowledge) == study, phrase
        assert read(f"MRI {phrase} LUMBOSACRAL PLEXUS", knowledge) == study, phrase


@pytest.mark.parametrize("phrase", [*WITH, *WITHOUT, *NOT_STATED])
def test_contrast_does_not_change_a_lumbar_spine_mri(phrase, knowledge):
    """A lumbar-spine MRI is watched with any contrast."""
    assert read(f"MRI LUMBAR SPINE {phrase}", knowledge) == "lumbar_spine_mri"


@pytest.mark.parametrize(
    "words",
    ["LUMBAR", "W/O", "PT EVALUATION", "MRI BRAIN"],
    ids=["a site", "contrast", "no imaging", "another site"],
)
def test_words_that_name_no_study_of_ours(words, knowledge):
    """Words of anything else tell that the order is not watched."""
    assert read(words, knowledge) == "not_watched"


@pytest.mark.parametrize(
    "words",
    ["", " ", "| --- |", "MR", "MRI W WO CONTRAST", "MRI " * 5000],
    ids=["empty", "blank", "marks", "a modality", "a modality and contrast", "long"],
)
def test_words_that_name_nothing(words, knowledge):
    """Words that name nothing, or an MRI of nothing, explain no order, and none are too odd to read."""
    assert read(words, knowledge) == "unrecognized"

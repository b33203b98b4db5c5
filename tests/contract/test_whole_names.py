"""PET/CT and CT of the abdomen and pelvis without a code of ours: known by their whole name, and by nothing less."""

import shutil
from itertools import permutations
from pathlib import Path

import pytest

import cds_service.cards
from cds_service.errors import KnowledgeError
from cds_service.knowledge import CARD, load
from tests.contract.test_order_words import lines, read

PET_CT = """
    PET/CT SKULL BASE TO MID-THIGH
    PET CT SKULL BASE TO MIDTHIGH
    PET-CT EYES TO THIGHS
    PET/CT BASE OF SKULL TO MID THIGH (F-18 FDG)
    NM PET/CT SKULL TO THIGH
    PET/CT WHOLE BODY
    PET SCAN WHOLEBODY
    PETCT WHOLE BODY WITH IV CONTRAST
    FDG PET/CT
    18F-FDG PET-CT
    IMG NM PET/CT FDG SKULL BASE TO MID THIGH [IMG7021]
    PET/CT SKULL BASE TO MID-THIGH INITIAL TREATMENT STRATEGY
    PET CT WHOLE BODY RESTAGING
    Positron emission tomography, whole body
"""
CT_ABDOMEN_PELVIS = """
    CT ABDOMEN PELVIS W CONTRAST
    CT ABDOMEN AND PELVIS WITH IV CONTRAST
    CT ABDOMEN/PELVIS W/O CONTRAST
    CT ABD & PELVIS W/WO
    CT ABD/PELV W CON
    CT ABD PEL
    CT A/P W ORAL AND IV CONTRAST
    CT SCAN OF THE ABDOMEN AND PELVIS
    CAT SCAN ABDOMEN PELVIS
    ABDOMEN PELVIS CT
    PELVIS AND ABDOMEN, CT, WITHOUT THEN WITH CONTRAST
    IMG CT ABDOMEN PELVIS WITH CONTRAST [IMG794]
    Computed tomography, abdomen and pelvis
"""
ANOTHER_STUDY = """
    CT ABDOMEN
    CT ABDOMEN W CONTRAST
    CT PELVIS WO CONTRAST
    CT CHEST ABDOMEN PELVIS
    CT CHEST ABD PELVIS W CONTRAST
    CT C/A/P
    CT CAP
    CT NECK CHEST ABDOMEN PELVIS
    CT ABDOMEN ANGIOGRAM
    CT ANGIOGRAM ABDOMEN AND PELVIS
    CTA ABDOMEN PELVIS
    CT ABDOMEN PELVIS VENOGRAM
    CT ABDOMEN PELVIS ENTEROGRAPHY
    CT ABDOMEN PELVIS UROGRAM W/WO
    CT ABDOMEN PELVIS STONE PROTOCOL
    CT GUIDED BIOPSY ABDOMEN PELVIS
    CT ABDOMEN PELVIS AND LUMBAR SPINE
    CT ABDOMEN PELVIS WITH LOWER EXTREMITY RUNOFF
    CT ABDOMEN PELVIS TRAUMA
    CT PELVIS HIP
    CT AP
    US ABDOMEN PELVIS
    XR ABDOMEN AND PELVIS
    MRI ABDOMEN PELVIS
    MR ABDOMEN AND CT PELVIS
    ABDOMEN PELVIS
    PET
    PET/CT
    PET SCAN
    PET BRAIN
    PET/CT BRAIN FDG
    PET/CT CARDIAC VIABILITY
    PET MYOCARDIAL FDG
    PET/CT PSMA
    PET/CT PSMA WHOLE BODY
    PET/CT GA-68 DOTATATE SKULL BASE TO MID-THIGH
    PET/CT WHOLE BODY F-18 NAF
    PET/CT AMYLOID
    PET/CT FLUCICLOVINE SKULL BASE TO THIGH
    PET/MR WHOLE BODY
    PET/MRI SKULL BASE TO MID-THIGH FDG
    PET/CT SKULL BASE TO MID-THIGH AND LUMBAR SPINE
    NM BONE SCAN WHOLE BODY
    CT WHOLE BODY
    MRI WHOLE BODY
    WHOLE BODY
    PT WHOLE BODY
    PT THIGH
"""


@pytest.mark.parametrize("name", lines(PET_CT))
def test_names_of_a_pet_ct(name, knowledge):
    """An FDG-PET/CT is known by the names that hospitals give it."""
    assert read(name, knowledge) == "fdg_pet_ct"


@pytest.mark.parametrize("name", lines(CT_ABDOMEN_PELVIS))
def test_names_of_a_ct_of_abdomen_and_pelvis(name, knowledge):
    """A CT of the abdomen and pelvis is known by the names that hospitals give it."""
    assert read(name, knowledge) == "ct_abdomen_pelvis"


@pytest.mark.parametrize("name", lines(ANOTHER_STUDY))
def test_names_of_other_studies(name, knowledge):
    """A name with an organ, a tracer or a technique more, or with less, is that of a study which is not watched."""
    assert read(name, knowledge) == "not_watched"


@pytest.mark.parametrize("name", lines(PET_CT) + lines(CT_ABDOMEN_PELVIS))
@pytest.mark.parametrize("more", ["CHEST", "ANGIO", "BIOPSY", "MRI", "PSMA", "BRAIN", "LUMBAR SPINE", "SEE COMMENT"])
def test_one_word_more_is_another_study(name, more, knowledge):
    """One word that is not of the name makes it another study, wherever it stands."""
    for words in (f"{name} {more}", f"{more} {name}"):
        assert read(words, knowledge) not in ("fdg_pet_ct", "ct_abdomen_pelvis"), words


@pytest.mark.parametrize("words", list(permutations(("CT", "ABDOMEN", "PELVIS"))), ids=" ".join)
def test_in_any_order(words, knowledge):
    """Modality and sites are read in any order and between any marks."""
    for between in (" ", ", ", " - ", "/", "_", "  ", " | ", " & "):
        assert read(between.join(words), knowledge) == "ct_abdomen_pelvis", between


@pytest.mark.parametrize("meaning", ["pet", "fdg", "beside_pet", "ct", "abdomen", "pelvis", "beside"])
def test_every_list_must_be_there(meaning, tmp_path):
    """Knowledge without one of the lists of whole names is refused."""
    cards = shutil.copytree(Path(cds_service.cards.__file__).parent, tmp_path / "cards")
    words = cards / CARD / "words.csv"
    words.write_text(words.read_text(encoding="utf-8").replace(f"\n{meaning},", "\nother,"), encoding="utf-8")
    with pytest.raises(KnowledgeError, match=rf"words\.csv: no row for {meaning}\b"):
        load(cards)

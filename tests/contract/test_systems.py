"""Code systems in every public spelling, codes as charts write them, and sites of radiotherapy in words."""

import pytest

from cds_service.decision.fhir_fields import certainties, codings, own_study, status_codes
from cds_service.knowledge.terminology import CodeSystems, spelling_clashes, split_code
from cds_service.knowledge.text_matchers import SiteTextMatcher, duplicate_site_words
from tests.support.notation import SYSTEMS

SCT, CM, WHO, CPT = SYSTEMS["sct"], SYSTEMS["icd10cm"], SYSTEMS["icd10"], SYSTEMS["cpt"]
SPELLED = {
    "https://snomed.info/sct": SCT,
    "http://snomed.info/sct/": SCT,
    "http://snomed.info/": SCT,
    "SNOMED-CT": SCT,
    "2.16.840.1.113883.6.96": SCT,
    "urn:oid:2.16.840.1.113883.6.96": SCT,
    "urn: oid: 2.16.840.1.113883.6.96": SCT,
    "http://snomed.info/sct/731000124108": SCT,
    "http://snomed.info/sct/900000000000207008/version/20260101": SCT,
    "http://snomed.info/sct|http://snomed.info/sct/83821000000107": SCT,
    "https://hl7.org/fhir/sid/icd-10-cm": CM,
    "http://hl7.org/fhir/sid/icd-10-cm/": CM,
    "http://hl7.org/fhir/sid/icd-10-cm|2026": CM,
    "http://terminology.hl7.org/CodeSystem/icd10CM": CM,
    "http://hl7.org/fhir/sid/icd-10-us": CM,
    "http://terminology.hl7.org/CodeSystem/icd10": WHO,
    "http://jpfhir.jp/fhir/core/CodeSystem/JP_ConditionDisaseCodeICD10_CS": WHO,
    "http://terminology.hl7.org/CodeSystem/CPT": CPT,
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": SYSTEMS["gm"],
    "http://hl7.org/fhir/sid/icd-9": SYSTEMS["icd9cm"],
    "http://www.cms.gov/medicare/coding/ICD10": SYSTEMS["icd10pcs"],
}
UNKNOWN = [
    "http://hl7.org/fhir/sid/icd-10-sm",
    "http://snomed.info/sctm",
    "http://snomed.info/sctt",
    "http://hl7.org/fhir/sid/icd-10-uk",
    "2.16.840.1.113883.6.9",
    "",
    "|",
    "x" * 100_000,
]


@pytest.mark.parametrize("spelling", SPELLED)
def test_every_spelling_of_a_system(spelling, knowledge):
    """A system is known by each public spelling, and its codes with it."""
    assert knowledge.known_systems[spelling] == SPELLED[spelling]
    assert spelling in knowledge.known_systems


@pytest.mark.parametrize("name", UNKNOWN, ids=range(len(UNKNOWN)))
def test_what_is_no_spelling(name, knowledge):
    """A mutation of a name, a system of its own, and nothing at all stay unknown."""
    assert name not in knowledge.known_systems
    assert knowledge.known_systems.get(name, "none") == "none"
    with pytest.raises(KeyError):
        knowledge.known_systems[name]
    assert 7 not in knowledge.known_systems


def test_a_spelling_of_two_systems():
    """A spelling that two rows have is reported, however each writes it."""
    rows = [{"canonical": "http://a", "also_seen_as": "urn:oid:1.2"}, {"canonical": "http://b", "also_seen_as": "1.2"}]
    assert list(spelling_clashes(rows)) == ["1.2 is a spelling of http://a and of http://b"]
    assert list(spelling_clashes(rows[:1])) == []
    assert len(CodeSystems(rows[:1])) == len(list(CodeSystems(rows[:1]))) == 2


ABSENT = {"410516002"}
WRITTEN = {
    "399068003": ["399068003"],
    "C61.9": ["C61.9"],
    "=== 399068003 |Malignant tumor of prostate|": ["399068003"],
    "===399068003": ["399068003"],
    "399068003 |Prostate cancer|": ["399068003"],
    "363346000 |Cancer| : 363698007 |Finding site| = 41216001 |Prostate|": ["363346000"],
    "399068003 + 94222008": ["399068003", "94222008"],
    "399068003 |a: b|": ["399068003"],
    "399068003 : { 408729009 |Finding context| = 410516002 |ReferenceResolver absent| }": [],
    "399068003:408729009=410516002": [],
    "C79.5+ M49.5*": ["C79.5", "M49.5"],
    "C79.5+M49.5*": ["C79.5", "M49.5"],
    "C61!": ["C61"],
    "C61 G": ["C61"],
    "C61 L": ["C61"],
    "8140/3": ["8140/3"],
    "24968-1": ["24968-1"],
    "": [],
    "|": [],
    "x " * 1000: ["x " * 1000],
}


@pytest.mark.parametrize("code", WRITTEN, ids=range(len(WRITTEN)))
def test_codes_as_they_are_written(code):
    """Of an expression the focus counts, of a pair both codes, and marks and letters after a code are no part of it."""
    assert split_code(code, ABSENT) == WRITTEN[code]


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("399068003 |Prostate cancer|", True),
        ("399068003 : 408729009 = 410515003", True),
        ("399068003 : 408729009 = 410516002", False),
        ("399068003 : 408729009 = 415684004", False),
        ("399068003 : 408732007 = 303071001", False),
        ("243796009 : { 246090004 = 399068003, 408729009 = 410515003 }", False),
    ],
)
def test_an_expression_in_the_chart(code, counts, knowledge):
    """An expression counts by its focus, unless it says absent, suspected or of the family."""
    assert bool(knowledge.terminology.lookup([(SCT, code)])) is counts
    assert bool(knowledge.terminology.terms("malignancy", [(SCT, code)])) is counts


GERMAN = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
CERTAIN = {
    "none": ({"code": "C61"}, []),
    "extension": ({"code": "C61", "extension": [{"url": GERMAN, "valueCoding": {"code": "A"}}]}, ["a"]),
    "code": ({"code": "C61", "extension": [{"url": GERMAN, "valueCode": "V"}]}, ["v"]),
    "another extension": ({"code": "C61", "extension": [{"url": "x", "valueCoding": {"code": "A"}}]}, []),
    "damaged": ({"code": 7, "extension": [{"url": GERMAN, "valueCoding": "A"}, None]}, []),
    "letter": ({"code": "C61.9 V"}, ["v"]),
    "letter of another kind of code": ({"code": "BACK A"}, []),
}


@pytest.mark.parametrize(("coding", "mentioned"), CERTAIN.values(), ids=CERTAIN)
def test_certainty(coding, mentioned):
    """The certainty of a German diagnosis stands in an extension on the coding, or as a letter after the code."""
    assert certainties({"coding": [coding]}) == mentioned


def test_statuses_in_any_case():
    """A status is read without regard to case and to blanks around it."""
    assert status_codes(" NOT-DONE ") == ["not-done"]
    assert status_codes({"coding": [{"code": "Refuted"}]}) == ["refuted"]
    assert status_codes({"text": "Entered in Error"}) == ["entered-in-error"]


def test_a_system_of_the_sites_own():
    """A system that the site names is returned as the one that it is, and its study is found by any spelling."""
    concept = {"coding": [{"system": "urn:own", "code": "C61"}, {"system": "urn:x", "code": "1"}]}
    assert codings(concept, {"urn:own": WHO}) == [(WHO, "C61"), ("urn:x", "1")]
    assert codings(concept) == [("urn:own", "C61"), ("urn:x", "1")]
    assert own_study([("urn:x", "1")], {("urn:y", "1"): "mri"}, {"urn:x": "urn:y"}) == "mri"
    assert own_study([("urn:x", "1")], {("urn:x", "2"): "mri"}, {}) is None
    assert own_study([("urn:x", "1")], {}, {}) is None


SITES = {
    "EBRT prostate bed": ["pelvis"],
    "Left breast": ["remote"],
    "femoral head": ["uncertain"],
    "neck of femur": ["uncertain"],
    "head of pancreas": ["remote", "abdomen"],
    "clear cell": [],
    "C-spine": ["remote"],
    "L-spine": ["lumbosacral_spine"],
    "canal": [],
    "Becken": ["pelvis"],
    "sein gauche": ["remote"],
    "sein droit": ["remote"],
    "RT mama izquierda": ["remote"],
    "mamas": ["remote"],
    "mammella sinistra": ["remote"],
    "linker borst": ["remote"],
    "paroi thoracique": ["remote"],
    "pared torácica": ["remote"],
    "parete toracica": ["remote"],
    "borstwand": ["remote"],
    "parede torácica": ["remote"],
    "tórax": ["remote"],
    "torace": ["remote"],
    "poumon gauche": ["remote"],
    "poumons": ["remote"],
    "pulmón": ["remote"],
    "polmone": ["remote"],
    "polmoni": ["remote"],
    "longen": ["remote"],
    "pulmão": ["remote"],
    "encéphale": ["remote"],
    "cerebro": ["remote"],
    "cérebro": ["remote"],
    "encéfalo": ["remote"],
    "encefalo": ["remote"],
    "cervello": ["remote"],
    "hersenen": ["remote"],
    "œsophage": ["remote"],
    "oesophage": ["remote"],
    "esófago": ["remote"],
    "esofago": ["remote"],
    "esôfago": ["remote"],
    "slokdarm": ["remote"],
    "laringe": ["remote"],
    "próstata": ["pelvis"],
    "prostaat": ["pelvis"],
    "bacino": ["pelvis"],
    "bekken": ["pelvis"],
    "pelve": ["pelvis"],
    "pelvi": ["pelvis"],
    "bacia": ["pelvis"],
    "recto": ["pelvis"],
    "retto": ["pelvis"],
    "endeldarm": ["pelvis"],
    "vessie": ["pelvis"],
    "vejiga": ["pelvis"],
    "vescica": ["pelvis"],
    "bexiga": ["pelvis"],
    "blaas": ["pelvis"],
    "col utérin": ["pelvis"],
    "cuello uterino": ["pelvis"],
    "collo uterino": ["pelvis"],
    "baarmoederhals": ["pelvis"],
    "colo do útero": ["pelvis"],
    "utérus": ["pelvis"],
    "útero": ["pelvis"],
    "utero": ["pelvis"],
    "baarmoeder": ["pelvis"],
    "endomètre": ["pelvis"],
    "endometrio": ["pelvis"],
    "CT simulation": ["not_delivery"],
    "intestine": [],
    "": [],
}


@pytest.mark.parametrize("text", SITES)
def test_sites_in_words(text, knowledge):
    """A site is read by whole words, the longest first: no ear is found in clear, no testis in an intestine."""
    assert [term.means for term in knowledge.site_words.terms(text)] == SITES[text]


def test_a_word_for_two_sites():
    """A word that is in two rows is reported."""
    rows = [{"means": "pelvis", "words": "a;b", "wording": "x"}, {"means": "remote", "words": "B", "wording": "y"}]
    assert duplicate_site_words(rows) == ["b"]
    assert duplicate_site_words(rows[:1]) == []
    assert [term.means for term in SiteTextMatcher(rows[:1]).terms("A, then b")] == ["pelvis", "pelvis"]

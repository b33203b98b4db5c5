"""More of the record, where a site switches it on: what came, what did not, and how that is reported."""

import pytest

from cds_service.examples import searchset
from tests.support.notation import MORE, PATIENT
from tests.support.optional_keys import (  # noqa: F401
    CANCER,
    FAILED,
    HOSTILE,
    NEVER_412,
    ODD,
    SERVER,
    SIGN,
    asking,
    at,
    clients,
    entries,
    split,
)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"problems": CANCER}, "info"),
        ({"encounter_diagnoses": CANCER}, "info"),
        ({"problems": CANCER, "encounter_diagnoses": SIGN}, "warning"),
        ({"problems": SIGN, "encounter_diagnoses": CANCER}, "warning"),
        ({"problems": CANCER, "encounter_diagnoses": ...}, "info"),
        ({"problems": FAILED, "encounter_diagnoses": CANCER}, "info"),
        ({"problems": CANCER, "encounter_diagnoses": "cauda equina syndrome [active, -3d]"}, "emergency"),
        ({}, "no_history"),
        ({"problems": None, "encounter_diagnoses": None}, "no_history"),
        ({"problems": SIGN, "encounter_diagnoses": "hypertension"}, "no_history"),
        ({"encounter_diagnoses": ...}, NEVER_412),
        ({"problems": ...}, NEVER_412),
        ({"problems": None, "encounter_diagnoses": FAILED}, NEVER_412),
        ({"problems": "hypertension", "encounter_diagnoses": HOSTILE["a first page"]}, NEVER_412),
        ({"problems": ..., "encounter_diagnoses": ...}, "412"),
        ({"problems": FAILED, "encounter_diagnoses": ...}, "412"),
        ({"problems": 7, "encounter_diagnoses": "no"}, "412"),
        ({"procedures": ...}, "412"),
        ({"procedures": ..., "problems": CANCER}, "info"),
        ({"procedures": ..., "encounter_diagnoses": ...}, "412"),
    ],
)
def test_split_conditions(given, says, at):
    """Conditions under several keys are one record; 412 is answered where none of the keys, or no procedures, came."""
    assert at("split").says(split(**given)) == says


def test_each_absent_key_is_named(at):
    """412 names each key of Conditions that did not come, and those that came."""
    site = at("split")
    site.line(split(problems=..., encounter_diagnoses=...))
    [issue] = site.response.json()["issue"]
    for words in ("problems: it was not prefetched", "encounter_diagnoses: it was not prefetched", "procedures"):
        assert words in issue["diagnostics"]


@pytest.mark.parametrize(
    ("site", "given", "says"),
    [
        ("split", {"conditions": CANCER}, "info"),
        ("split", {"conditions": ""}, "no_history"),
        ("split", {"conditions": FAILED}, "412"),
        ("split", {"conditions": "", "encounter_diagnoses": CANCER}, "info"),
        ("split, with the main key", {"conditions": CANCER}, "info"),
        ("split, with the main key", {"conditions": "", "encounter_diagnoses": CANCER}, "info"),
        ("split, with the main key", {"conditions": ""}, NEVER_412),
        ("split, with the main key", {"conditions": "", "encounter_diagnoses": ""}, "no_history"),
        ("split, with the main key", {"encounter_diagnoses": ""}, "412"),
        ("split, with the main key", {"encounter_diagnoses": CANCER}, "info"),
        ("off", {"conditions": "", "encounter_diagnoses": CANCER}, "no_history"),
        ("off", {"problems": CANCER}, "412"),
    ],
)
def test_the_main_key(site, given, says, at):
    """The key `conditions`: where the site lists it, it is needed; where not, a client that sends it sends all."""
    keys = ("conditions", "problems", "encounter_diagnoses")
    assert at(site).says(asking(without=[key for key in keys if key not in given], **given)) == says


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"problems": CANCER}, "info"),
        ({"encounter_diagnoses": CANCER}, "info"),
        ({"problems": SIGN, "encounter_diagnoses": CANCER}, "warning"),
        ({"problems": CANCER, "encounter_diagnoses": ...}, "info"),
        ({"problems": ..., "encounter_diagnoses": CANCER}, "info"),
        ({"problems": FAILED, "encounter_diagnoses": CANCER}, "info"),
        ({}, "no_history"),
        ({"problems": None, "encounter_diagnoses": None}, "no_history"),
        ({"encounter_diagnoses": ...}, "412"),
        ({"problems": ...}, "412"),
        ({"problems": ..., "encounter_diagnoses": ...}, "412"),
        *(({"encounter_diagnoses": value}, "412") for value in HOSTILE.values()),
        ({"procedures": ...}, "412"),
        ({"encounter_diagnoses": ..., "problems": "cauda equina syndrome [active, -3d]"}, "emergency"),
    ],
)
def test_conditions_in_parts(given, says, at):
    """Conditions under several names of the site file are one record, and each name that does not come is missed."""
    assert at("parts").says(split(**given)) == says


@pytest.mark.parametrize(
    ("site", "given", "says"),
    [
        ("parts", {"conditions": CANCER}, "info"),
        ("parts", {"conditions": ""}, "no_history"),
        ("parts", {"conditions": FAILED}, "412"),
        ("parts", {"conditions": "", "encounter_diagnoses": CANCER}, "info"),
        ("parts", {"conditions": "", "problems": ""}, "412"),
        ("parts", {"conditions": "", "problems": "", "encounter_diagnoses": ""}, "no_history"),
        ("parts, with the main key", {"conditions": ""}, "412"),
        ("parts, with the main key", {"conditions": CANCER}, "info"),
        ("parts, with the main key", {"encounter_diagnoses": ""}, "412"),
        ("parts, with the main key", {"conditions": "", "encounter_diagnoses": CANCER}, "info"),
        ("parts, with the main key", {"conditions": "", "encounter_diagnoses": ""}, "no_history"),
    ],
)
def test_the_own_key_beside_parts(site, given, says, at):
    """Our own name alone, which the site does not list, is all of the key; beside a part, or listed, it is one part."""
    keys = ("conditions", "problems", "encounter_diagnoses")
    assert at(site).says(asking(without=[key for key in keys if key not in given], **given)) == says


def test_each_absent_part_is_named(at, knowledge):
    """412 names each name that did not come, the log has each, and a card says once that a part is missing."""
    site, texts = at("parts"), knowledge.card["incomplete"]
    line = site.line(split(problems=..., encounter_diagnoses=...))
    [issue] = site.response.json()["issue"]
    for words in ("problems: it was not prefetched", "encounter_diagnoses: it was not prefetched"):
        assert words in issue["diagnostics"]
    assert line["prefetch"] == {"problems": "absent", "encounter_diagnoses": "absent", "procedures": "bundle"}
    detail = site.detail(split(problems=CANCER, encounter_diagnoses=...))
    assert texts["conditions_partly"] in detail
    assert texts["conditions"] not in detail
    radiotherapy = asking(
        without=["conditions", "problems", "encounter_diagnoses"], procedures="external beam radiotherapy"
    )
    assert site.detail(radiotherapy).count(texts["conditions"]) == 1


def test_keys_that_no_setting_names_are_counted(at):
    """Keys that nobody asked for are not read; the log counts them, so that a cancer under one can be found."""
    body = asking(without=["procedures", *MORE], encounter_diagnoses=CANCER, problems="")
    body["prefetch"] |= {"procedures": None, "no name": {}, "k" * 41: {}}
    line = at("off").line(body)
    assert (line["reasons"], line["counts"]["ignored_keys"]) == (["no_history"], 2)
    line = at("split").line(split(problems=CANCER) | {"hookInstance": "1"})
    assert line["counts"]["ignored_keys"] == len(MORE)


def test_parts_are_not_fetched(at):
    """What comes in parts is not read from a FHIR server, where one search may be less than all of them."""
    body = asking(without=["conditions", "problems", "encounter_diagnoses"]) | {"fhirServer": SERVER}
    assert at("parts").says(body) == "412"
    assert at("parts").line(body)["fetch"] == {}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "no_history"),
        ({"treatments": "external beam radiotherapy"}, "info"),
        ({"surgeries": "external beam radiotherapy", "treatments": ...}, "info"),
        ({"treatments": ...}, "412"),
        ({"surgeries": ..., "treatments": ...}, "412"),
        ({"stays": "radiotherapy visit [finished]"}, "info"),
        ({"visits": ...}, NEVER_412),
        ({"visits": ..., "stays": "radiotherapy visit [finished]"}, "info"),
        ({"implants": ..., "pumps": ...}, "no_history"),
    ],
)
def test_other_keys_in_parts(given, says, at):
    """Procedures in parts are needed like one key; of what a site turned on, a part that is absent is never 412."""
    body = asking(without=["procedures", "encounters", "devices"])
    for name in ("surgeries", "treatments", "visits", "stays", "implants", "pumps"):
        if given.get(name) is not ...:
            body["prefetch"][name] = searchset(entries(given.get(name, "")))
    assert at("other parts").says(body) == says


def test_a_caution_in_parts(at):
    """A device under either name is a caution on the card, and a Procedure under two names counts once."""
    device = {"resourceType": "Device", "id": "d", "patient": {"reference": f"Patient/{PATIENT}"}, "status": "active"}
    device |= {"type": {"coding": [{"system": "http://snomed.info/sct", "code": "14106009"}]}}
    site, given = at("other parts"), entries("external beam radiotherapy")
    body = asking(without=["procedures", "encounters", "devices"], conditions=CANCER)
    body["prefetch"] |= dict.fromkeys(("surgeries", "treatments"), searchset(given))
    body["prefetch"] |= dict.fromkeys(("visits", "stays", "implants"), None) | {"pumps": searchset([device])}
    assert site.line(body)["counts"]["procedures"] == 1
    assert "device" in site.line(body)["against"]


def test_a_condition_under_two_keys_counts_once(at):
    """A Condition that comes under two keys, by its id, is one; without an id each is one."""
    twice = entries(CANCER)
    site = at("split")
    line = site.line(split(problems=searchset(twice), encounter_diagnoses=searchset([*twice, *entries(SIGN)])))
    assert line["counts"]["conditions"] == 2
    once = site.detail(split(problems=searchset(twice)))
    assert site.detail(split(problems=searchset(twice), encounter_diagnoses=searchset(twice))) == once
    unnamed = searchset([{name: resource for name, resource in twice[0].items() if name != "id"}])
    assert site.line(split(problems=unnamed, encounter_diagnoses=unnamed))["counts"]["conditions"] == 2


def test_another_patients_entries_are_left_out(at):
    """What another patient's entries say under the further keys does not count, and is counted as theirs."""
    site = at("all")
    others = {
        "encounter_diagnoses": f"{CANCER} [another patient]",
        "encounters": "radiotherapy visit [finished, another patient]",
        "imaging_orders": "plexus MRI [active, -5d, another patient]",
        "imaging_reports": "plexus MRI report [final, -5d, another patient]",
    }
    line = site.line(split(**others))
    assert line["reasons"] == ["no_history"]
    assert line["counts"]["other_patient"] == 4


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("key", ["encounter_diagnoses", *MORE])
def test_what_is_no_record_is_told(key, value, at, knowledge):
    """A further key that is no whole Bundle is never 412: a card says so, and a silence is no all-clear."""
    site, texts = at("all"), knowledge.card["incomplete"]
    assert site.says(split(problems=CANCER, **{key: value})) == "info"
    what = "encounter-diagnosis" if key == "encounter_diagnoses" else key
    detail = site.detail(split(problems=CANCER, **{key: value}))
    assert texts[what] in detail or texts[f"{what}_partly"] in detail
    assert site.says(split(**{key: value})) == ("no_history" if key.startswith("imaging") else NEVER_412)


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("key", ["encounter_diagnoses", *MORE])
def test_what_says_nothing(key, value, at):
    """A further key that holds nothing of use changes nothing, and is never 412."""
    site = at("all")
    assert site.says(split(problems=CANCER, **{key: value})) == "info"
    assert site.says(split(**{key: value})) == "no_history"


@pytest.mark.parametrize("key", MORE)
def test_an_absent_key_is_told(key, at, knowledge):
    """A key that is on and does not come is stated on a card; only one that can hold history renames the silence."""
    site = at("more")
    assert knowledge.card["incomplete"][key] in site.detail(asking(conditions=CANCER, without=[key]))
    assert site.says(asking(without=[key])) == (NEVER_412 if key == "encounters" else "no_history")
    assert site.says(asking(conditions="breast cancer", without=[key])) == "info"


def test_a_silence_that_stands_anyway_keeps_its_reason(at):
    """An emergency, and what cannot be read at all, are answered as before, whatever part did not come."""
    site, emergency = at("more"), "cauda equina syndrome [active, -3d]"
    assert site.says(asking(conditions=emergency, without=["encounters"])) == "emergency"
    assert site.says(asking(without=["encounters", "procedures"])) == "412"


def test_off_is_off(at):
    """Where the site has turned nothing on, no further key is read, missed or mentioned."""
    site = at("off")
    line = site.line(asking(encounters="radiotherapy visit [finished]", imaging_orders=7, imaging_reports=FAILED))
    assert line["reasons"] == ["no_history"]
    assert set(line["prefetch"]) == {"conditions", "procedures"}
    assert not set(MORE) & set(line["counts"])
    assert "incomplete" not in site.detail(asking(conditions=CANCER, without=list(MORE)))


def test_nothing_of_it_is_fetched(at):
    """The further keys are not read from a FHIR server that may be read; what is needed, as before, is."""
    site = at("all")
    for without, fetched in (([], {}), (["procedures"], {"procedures": "unreachable"})):
        body = asking(without=["conditions", "encounter_diagnoses", *MORE, *without], problems=CANCER)
        assert site.line(body | {"fhirServer": SERVER})["fetch"] == fetched
    page = asking(without=["conditions"], problems=CANCER, encounters=HOSTILE["a first page"])
    assert site.line(page | {"fhirServer": SERVER})["fetch"] == {}


def test_what_the_log_has(at):
    """The log has for each key what it held, and how many entries were read."""
    line = at("all").line(split(encounters="radiotherapy visit [finished]", imaging_orders=..., imaging_reports=None))
    assert line["reasons"] == ["info:in_reach:none"]
    assert line["prefetch"] == {
        **dict.fromkeys(("problems", "encounter_diagnoses", "procedures", "encounters"), "bundle"),
        "imaging_orders": "absent",
        "imaging_reports": "null",
    }
    assert [line["counts"][key] for key in MORE] == [1, 0, 0]

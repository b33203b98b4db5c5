"""The value sets as files: valid FHIR R4 of ours, codes that exist, words of ours, and no code in two minds.

Each check is a function that returns its faults, a line each; BROKEN has a damaged value set for each kind of fault.
"""

import copy
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate, combinations, product
from pathlib import Path

import pytest

import cds_service.cards
from cds_service.fhir.validation import faults as fhir_faults
from cds_service.knowledge.terminology import plain
from tests.support.notation import SYSTEMS, rows

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it reads its data by a function that Python 3.11 and 3.12 call deprecated
    import simple_icd_10_cm as icd

CARDS = Path(cds_service.cards.__file__).parent
CARD = CARDS / "lumbosacral_plexus_mri"
SETS = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted((CARD / "valuesets").glob("*.json"))}
SCT, LOINC, RADLEX = SYSTEMS["sct"], SYSTEMS["loinc"], SYSTEMS["radlex"]
CPT, ICD, PCS = SYSTEMS["cpt"], SYSTEMS["icd10cm"], SYSTEMS["icd10pcs"]
OWED = {SCT: "SNOMED International", LOINC: "Regenstrief", RADLEX: "RSNA", CPT: "American Medical Association"}
HEAD = ("url", "version", "status", "title", "purpose", "publisher", "compose")
TAGS = (
    "disorder|finding|procedure|situation|regime/therapy|body structure|cell structure|substance|product|medicinal "
    "product|physical object|person|morphologic abnormality|observable entity|qualifier value|event|organism|attribute"
)
LONGEST_WORDING = 60
KINDS = {("concept", "is-a"): "category", ("code", "regex"): "pattern"}
PCS_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CANONICAL = {row["canonical"] for row in rows(CARDS / "systems.csv")}
FAMILIES = {row["value_set"]: row["family"] for row in rows(CARD / "valuesets.csv")}
APART = ("order", "malignancy", "radiotherapy", "body_site")
PAIRS = [
    pair
    for family in APART
    for pair in combinations([value_set for value_set in FAMILIES if FAMILIES[value_set] == family], 2)
]
BLOCKS = [code for code in icd.get_all_codes() if icd.is_block(code) or icd.is_chapter(code)]
TITLES = {re.sub(r" \(.*\)$", "", icd.get_description(code)).casefold() for code in BLOCKS}
TITLES |= {title.removeprefix("malignant neoplasms of ") for title in TITLES}


def members(value_set: dict) -> Iterator[tuple[str, str, str]]:
    """Yield kind (exact, category, pattern), system and code of each member."""
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", []):
            yield "exact", include["system"], concept["code"]
        for code_filter in include.get("filter", []):
            yield KINDS[code_filter["property"], code_filter["op"]], include["system"], code_filter["value"]


def texts(include: dict, name: str) -> list[str]:
    """Return the texts in the extensions of ours with this name."""
    url = f"urn:plexus-cds:{name}"
    return [extension.get("valueString", "").strip() for extension in include["extension"] if extension["url"] == url]


def head_faults(value_set: dict) -> Iterator[str]:
    """Yield what a value set lacks as a published resource."""
    yield from (f"FHIR {fault}" for fault in fhir_faults(value_set))
    yield from (f"no {name}" for name in HEAD if not value_set.get(name))
    systems = {include["system"] for include in value_set["compose"]["include"]}
    yield from (f"{system} is not canonical" for system in systems - CANONICAL)
    owed = [owner for system, owner in OWED.items() if system in systems]
    yield from (f"copyright of {owner}" for owner in owed if owner not in value_set.get("copyright", ""))
    for include in value_set["compose"]["include"]:
        yield from (
            f"no {name}" for name in ("wording", "provenance") if len(list(filter(None, texts(include, name)))) != 1
        )


def wording_faults(value_set: dict) -> Iterator[str]:
    """Yield the words that are too long for a card, or not ours."""
    for include in value_set["compose"]["include"]:
        for wording in texts(include, "wording"):
            if len(wording) > LONGEST_WORDING:
                yield f"{wording}: {len(wording)} characters"
            if re.search(rf"\(({TAGS})\)$", wording, re.IGNORECASE):
                yield f"{wording}: fully specified name"
            if wording.casefold() in TITLES:
                yield f"{wording}: block title"


def verhoeff(digits: str) -> int:
    """Return 0 for digits whose last is right, by the dihedral group of order ten (no table of its products)."""

    def times(left: int, right: int) -> int:
        turned = (left + right if left < 5 else left - right) % 5
        return turned + 5 * ((left < 5) != (right < 5))

    turn, check = list(range(10)), 0
    for digit in reversed(digits):
        check = times(check, turn[int(digit)])
        turn = [(1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[place] for place in turn]
    return check


def luhn(digits: str) -> int:
    """Return 0 for digits whose last is right by modulus 10, every second one doubled."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(sum(map(int, str(number))) for number in doubled) % 10


def code_faults(value_set: dict) -> Iterator[str]:
    """Yield the codes that cannot be, by their check digit or the published list."""
    for _, system, code in members(value_set):
        concept_id = re.fullmatch(r"[1-9]\d{2,14}[01]0\d", code)
        if system == SCT and (not concept_id or verhoeff(code)):
            yield f"{code}: no SNOMED CT concept id"
        if system == LOINC and (not re.fullmatch(r"\d{1,7}-\d", code) or luhn(code.replace("-", ""))):
            yield f"{code}: no LOINC number"
        if system == ICD and not icd.is_valid_item(re.match(r"\^?([A-Z0-9.]+)", code)[1]):
            yield f"{code}: not in ICD-10-CM"


def samples(value_set: dict) -> Iterator[tuple[str, str]]:
    """Yield (system, code) of every code, of every category with what the list has below it, of every pattern."""
    for kind, system, code in members(value_set):
        if kind == "pattern":
            yield from ((system, sample) for sample in spelled_out(code))
        else:
            yield system, plain(code)
        if kind == "category":
            below = icd.get_descendants(code) if system == ICD and icd.is_valid_item(code) else []
            yield from (
                (system, plain(listed_code)) for listed_code in below or [f"{code}{digit}" for digit in range(10)]
            )


@cache
def spelled_out(pattern: str) -> tuple[str, ...]:
    """Return the codes that a pattern of characters and their classes begins with."""
    classes = re.findall(r"\[[^]]+\]|.", pattern.removeprefix("^").split("(?")[0])
    spelled = product(*([letter for letter in PCS_CHARACTERS if re.fullmatch(letters, letter)] for letters in classes))
    return tuple("".join(characters) for characters in spelled)


def lengths(value_set: dict):
    """Return a function: how many characters of a code a set knows, or 0."""
    known = {kind: set() for kind in ("exact", "category", "pattern")}
    for kind, system, code in members(value_set):
        known[kind].add((system, code if kind == "pattern" else plain(code)))

    def length(system: str, code: str) -> int:
        if (system, code) in known["exact"]:
            return len(code)
        beginnings = [len(start) for start in accumulate(code) if (system, start) in known["category"]]
        ends = [match.end() for other, p in known["pattern"] if other == system and (match := re.match(p, code))]
        return max(beginnings + ends, default=0)

    return length


def overlap_faults(one: dict, other: dict) -> Iterable[str]:
    """Return the codes that two sets know equally well, so that neither wins as the longer match."""
    in_one, in_other = lengths(one), lengths(other)
    found = {*samples(one), *samples(other)}
    return sorted(f"{code}: in both" for system, code in found if 0 < in_one(system, code) == in_other(system, code))


CHECKS = {"head": head_faults, "wording": wording_faults, "codes": code_faults}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", SETS)
def test_each_value_set(name, check):
    """A value set is valid R4 with all that we owe its reader, its words are ours, and its codes exist."""
    assert (SETS[name]["id"], SETS[name]["url"]) == (name, f"urn:plexus-cds:ValueSet:{name}")
    assert list(CHECKS[check](SETS[name])) == []


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_pairs_that_must_not_overlap(one, other):
    """No code is as well in one watched order, malignancy, radiotherapy or body-site field as in another."""
    assert overlap_faults(SETS[one], SETS[other]) == []


def adding(system: str, kind: str, code: str):
    """Return a damage: a member more."""
    filters = {named: {"property": name, "op": op, "value": code} for (name, op), named in KINDS.items()}
    member = {"filter": [filters[kind]]} if kind in filters else {"concept": [{"code": code, "display": "x"}]}

    def damage(value_set: dict) -> None:
        extension = value_set["compose"]["include"][0]["extension"]
        value_set["compose"]["include"].append({"extension": extension, "system": system, **member})

    return damage


def saying(wording: str):
    """Return a damage: other words for the first codes."""
    return lambda v: v["compose"]["include"][0]["extension"][0].update(valueString=wording)


BROKEN = [
    *(("head", lambda v, name=name: v.pop(name), f"no {name}") for name in HEAD if name != "compose"),
    ("head", lambda v: v.update(status="perhaps", date="soon"), "FHIR date"),
    ("head", lambda v: v.pop("copyright"), "copyright of SNOMED International"),
    ("head", adding(CPT, "exact", "72148"), "copyright of American Medical Association"),
    ("head", adding("http://www.radlex.org", "exact", "RPID1"), "not canonical"),
    ("head", lambda v: v["compose"]["include"][0]["extension"].pop(0), "no wording"),
    ("head", lambda v: v["compose"]["include"][0]["extension"][1].update(valueString=" "), "no provenance"),
    ("wording", saying("x" * 61), "61 characters"),
    ("wording", saying("Malignant tumor of prostate (disorder)"), "fully specified name"),
    ("wording", saying("Malignant neoplasms of digestive organs"), "block title"),
    ("wording", saying("Digestive organs"), "block title"),
    ("codes", adding(SCT, "exact", "399068004"), "no SNOMED CT concept id"),
    ("codes", adding(SCT, "exact", "399086003"), "no SNOMED CT concept id"),
    ("codes", adding(SCT, "exact", "37931000119114"), "no SNOMED CT concept id"),
    ("codes", adding(LOINC, "exact", "24968-1"), "no LOINC number"),
    ("codes", adding(ICD, "category", "C42"), "not in ICD-10-CM"),
    ("codes", adding(ICD, "exact", "C61.7"), "not in ICD-10-CM"),
    ("codes", adding(ICD, "pattern", "^S39A(?!...[^ABC])"), "not in ICD-10-CM"),
]


@pytest.mark.parametrize(("check", "damage", "says"), BROKEN)
def test_a_damaged_value_set_is_found(check, damage, says):
    """Each kind of fault is found in a value set that has it."""
    value_set = copy.deepcopy(SETS["malignancy-plexus-adjacent"])
    damage(value_set)
    assert any(says in fault for fault in CHECKS[check](value_set))


@pytest.mark.parametrize(
    ("one", "other", "damage", "says"),
    [
        ("body-site-pelvis", "body-site-remote", adding(SCT, "exact", "41216001"), "41216001"),
        ("malignancy-plexus-adjacent", "malignancy-excluded", adding(ICD, "exact", "C61"), "C61"),
        ("malignancy-plexus-adjacent", "malignancy-excluded", adding(ICD, "category", "c61"), "C61"),
        ("malignancy-plexus-adjacent", "malignancy-excluded", adding(ICD, "pattern", "^C6[01]"), "C61"),
        ("radiotherapy-pelvis", "radiotherapy-not-delivery", adding(PCS, "pattern", "^DV[Y]0"), "DVY0"),
        ("radiotherapy-pelvis", "radiotherapy-not-delivery", adding(PCS, "exact", "DV00"), "DV00"),
    ],
)
def test_a_damaged_pair_is_found(one, other, damage, says):
    """An overlap is found by membership: of a code, of a category and of a pattern, however each is written."""
    damaged = copy.deepcopy(SETS[other])
    damage(damaged)
    assert f"{says}: in both" in overlap_faults(SETS[one], damaged)

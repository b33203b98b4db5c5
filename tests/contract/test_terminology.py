"""What a code means in each family, held to the value sets' files, in every spelling of its system."""

from collections.abc import Iterator
from functools import cache
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.errors import KnowledgeError
from cds_service.knowledge.terminology import UNREAD, Terminology, members
from tests.contract.test_value_sets import CARD, CARDS, SETS, lengths
from tests.contract.test_value_sets import members as listed_members
from tests.support.notation import SYSTEMS, rows
from tests.support.profiles import examples

CM, SCT, PCS = SYSTEMS["icd10cm"], SYSTEMS["sct"], SYSTEMS["icd10pcs"]
SPELLINGS = {
    row["canonical"]: [row["canonical"], *filter(None, row["also_seen_as"].replace("*", "/X").split(";"))]
    for row in rows(CARDS / "systems.csv")
}
FAMILY_ROWS = rows(CARD / "valuesets.csv")
LENGTHS = {name: lengths(value_set) for name, value_set in SETS.items()}
SYSTEMS_OF = {name: {system for _, system, _ in listed_members(value_set)} for name, value_set in SETS.items()}
LISTED = sorted({(system, code) for value_set in SETS.values() for kind, system, code in listed_members(value_set)})
UNKNOWN = ["", "http://x", "urn:oid:2.16.840.1.113883.6", "http://snomed.info/sctm", "http://snomed.info/sctt", " "]
MORE = ["", "0", "A", "1A", "XXXA", "XXXD", ".1", "9" * 300]
SAMPLE = 400


@cache
def expected(system: str, code: str) -> dict[str, str]:
    """Return what a plain code means by family: in the value set that knows the most characters of it."""
    longest: dict[str, tuple[int, str]] = {}
    for row in FAMILY_ROWS:
        if system in SYSTEMS_OF[row["value_set"]] and (length := LENGTHS[row["value_set"]](system, code)):
            longest[row["family"]] = max(longest.get(row["family"], (0, "")), (length, row["means"]))
    return {family: means for family, (_, means) in longest.items()}


def meant(knowledge, codings) -> dict[str, list[str]]:
    """Return what codings mean by family, as the service looks them up."""
    return {family: [term.means for term in terms] for family, terms in knowledge.terminology.lookup(codings).items()}


def normal(code: str) -> str:
    """Return a code in capitals without dots and without blanks around it."""
    return code.strip().replace(".", "").upper()


def variants(code: str) -> Iterator[str]:
    """Yield a code longer, shorter, with dots where they may be and where not, and in other letters."""
    short = code.replace(".", "")
    yield from (code, short, code.lower(), f" {code}\t", f"{code}\n", f".{short}.", ".".join(short))
    yield from (short[:end] for end in range(1, len(short)))
    yield from (short + more for more in MORE)
    yield from (f"{short[:3]}.{short[3:]}", f"0{short}", short[1:], f"{short[:-1]}x")


def single(code: str) -> bool:
    """Tell whether a code is one code, and neither an expression nor a pair."""
    return normal(code).isalnum()


def test_codes_shorter_longer_and_written_otherwise(knowledge):
    """A code and what is made of it by cutting, lengthening, dots and case mean what the longest match means."""
    chosen = Random(3).sample(LISTED, SAMPLE)
    made = [(system, variant) for system, code in chosen for variant in variants(code) if single(variant)]
    wrong = [
        (system, code)
        for system, code in made
        if meant(knowledge, [(system, code)]) != {f: [m] for f, m in expected(system, normal(code)).items()}
    ]
    assert min(wrong, key=lambda pair: len(pair[1]), default=None) is None
    assert {bool(expected(system, normal(code))) for system, code in made} == {True, False}


def test_every_code_in_every_spelling_of_its_system(knowledge):
    """A code means the same by every spelling of its system, and nothing by a name that is like it."""
    chosen = Random(1).sample([pair for pair in LISTED if single(pair[1])], SAMPLE)
    for system, code in chosen:
        means = meant(knowledge, [(system, code)])
        assert means, (system, code)
        for name in SPELLINGS[system]:
            assert meant(knowledge, [(name, code)]) == means, (name, code)
        assert all(knowledge.terminology.lookup([(name, code)]) is UNREAD for name in UNKNOWN), code


def test_codes_around_every_pattern(knowledge):
    """Codes that match a pattern of the value sets, or nearly, mean what the longest match means."""
    patterns = [
        (system, code)
        for value_set in SETS.values()
        for kind, system, code in listed_members(value_set)
        if kind == "pattern"
    ]
    random, outcomes = Random(2), set()
    for number in range(2000):
        system, pattern = random.choice(patterns)
        start = pattern[1:4].replace("[", "").replace(".", "0")
        code = start + "".join(random.choices("0012345678ABCDTVWXYZ", k=number % 6))
        means = expected(system, code)
        assert meant(knowledge, [(system, code)]) == {f: [m] for f, m in means.items()}, (system, code)
        outcomes.add(bool(means))
    assert {system for system, _ in patterns} >= {CM, PCS}
    assert outcomes == {True, False}


@given(codings=st.lists(st.tuples(st.sampled_from([CM, SCT, PCS, *UNKNOWN]), st.text(max_size=8))))
@examples(150)
def test_any_text_as_a_code(codings, knowledge):
    """Several codings mean all that each of them means, in their order, whatever text stands for a code."""
    together: dict[str, list[str]] = {}
    for coding in codings:
        for family, means in meant(knowledge, [coding]).items():
            together.setdefault(family, []).extend(means)
        system, code = coding
        if single(code):
            assert meant(knowledge, [coding]) == {f: [m] for f, m in expected(system, normal(code)).items()}
    assert meant(knowledge, codings) == together


@pytest.mark.parametrize(
    ("coding", "malignancy"),
    [
        ((SCT, "399068003 |Prostate cancer|"), ["plexus_adjacent"]),
        ((SCT, "399068003 + 254837009"), ["plexus_adjacent", "remote"]),
        ((SCT, "399068003 : 408729009 = 410516002"), []),
        ((SYSTEMS["icd10"], "C61+ C50.9*"), ["plexus_adjacent", "remote"]),
        ((SYSTEMS["icd10"], "C61 G"), ["plexus_adjacent"]),
    ],
)
def test_expressions_and_pairs(coding, malignancy, knowledge):
    """Each code of an expression's focus or of a pair is looked up, and none of an expression that takes it back."""
    assert meant(knowledge, [coding]).get("malignancy", []) == malignancy


def of(*codes: str, categories=(), patterns=()) -> dict:
    """Return a value set of made-up members."""
    filters = [{"property": "concept", "op": "is-a", "value": code} for code in categories]
    filters += [{"property": "code", "op": "regex", "value": text} for text in patterns]
    include = {"system": "http://a", "concept": [{"code": code} for code in codes], "filter": filters}
    return {"id": "made-up", "compose": {"include": [include]}}


def family(means: str, *codes: str, **filters) -> list:
    """Return the members of a family of made-up codes."""
    return list(members(of(*codes, **filters), means, {}, metastatic=False))


def test_the_longest_match_wins_in_each_family():
    """A code wins over a category, a longer category over a shorter, a longer pattern over a shorter, by family."""
    families = {
        "first": family("code", "AB1") + family("short", categories=["A"]) + family("long", categories=["AB"]),
        "second": family("one", patterns=["^AB"]) + family("two", patterns=["^AB1"]) + family("far", categories=["B"]),
    }
    terminology = Terminology(families, {"also": "http://a"})
    for code, first, second in (
        ("AB1", "code", "two"),
        ("ab.1", "code", "two"),
        ("AB2", "long", "one"),
        ("AC", "short", None),
        ("B9", None, "far"),
        ("C", None, None),
    ):
        for system in ("http://a", "also"):
            means = {name: terms[0].means for name, terms in terminology.lookup([(system, code)]).items()}
            assert (means.get("first"), means.get("second")) == (first, second), code
            assert [term.means for term in terminology.terms("first", [(system, code)])] == [first] * bool(first)


def test_a_code_of_two_terms_is_refused():
    """A code, a category or a pattern that a family has twice with different terms is refused by its name."""
    for twice in ({"categories": ["A"]}, {"patterns": ["^A"]}):
        with pytest.raises(KnowledgeError, match="A stands in made-up and again in made-up"):
            Terminology({"first": family("one", **twice) + family("two", **twice)}, {})
    with pytest.raises(KnowledgeError, match="A1 stands in made-up and again in made-up"):
        Terminology({"first": family("one", "A1") + family("two", "A1")}, {})

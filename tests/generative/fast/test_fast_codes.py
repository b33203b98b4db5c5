"""A code means in all families at once what it means in each: nothing that matters is passed over, or made up."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.knowledge.terminology import CodeIndex, Meanings
from tests.support.profiles import examples

UNKNOWN = ["", "http://x", "urn:oid:2.16.840.1.113883.6", "http://snomed.info/sctm", "http://snomed.info/sctt", " "]
MORE = ["", "0", "A", "1A", "XXXA", "XXXD", ".1", "9" * 300]


def asked_of_each(codes, codings):
    """Return slowly, by family, the terms of some codings."""
    return {family: terms for family, index in codes.items() if (terms := index.terms(codings))}


def spellings(knowledge) -> dict[str, list[str]]:
    """Return each system that the value sets name, with all its spellings."""
    families = knowledge.codes.values()
    systems = {system for index in families for system, *_ in (*index.exact, *index.prefixes, *index.patterns)}
    known = next(iter(families)).spellings
    return {one: [other for other, canonical in known.items() if canonical == one] for one in sorted(systems)}


def listed(knowledge) -> list[tuple[str, str]]:
    """Return (system, code) of every code and category, as the value sets write them."""
    return [
        (include["system"], code)
        for value_set in knowledge.value_sets.values()
        for include in value_set["compose"]["include"]
        for code in (
            *(one["code"] for one in include.get("concept", [])),
            *(one["value"] for one in include.get("filter", []) if one["op"] == "is-a"),
        )
    ]


def variants(code):
    """Return a code longer, shorter, with dots and blanks where they may be and where not, and in other letters."""
    plain = code.replace(".", "")
    yield from (code, plain, code.lower(), f" {code}\t", f"{code}\n", f"\u00a0{code}", f".{plain}.", ".".join(plain))
    yield from (plain[:at] for at in range(len(plain)))
    yield from (plain + more for more in MORE)
    yield from (f"{plain[:3]}.{plain[3:]}", f"{plain[:2]} {plain[2:]}", f"0{plain}", f"{plain[1:]}", f"{plain[:-1]}x")


@pytest.fixture(scope="module")
def verdicts(knowledge):
    """Return a function: whether codings mean anything, one by one, each held against all families."""

    def told(codings) -> set[bool]:
        said = {}
        for system, code in codings:
            said[system, code] = knowledge.meanings.of([(system, code)])
        wrong = [one for one, terms in said.items() if terms != asked_of_each(knowledge.codes, [one])]
        assert min(wrong, key=lambda one: len(one[1]), default=None) is None
        return {bool(terms) for terms in said.values()}

    return told


def test_every_code_in_every_spelling_of_its_system(knowledge, verdicts):
    """Each code and category of the value sets is known by every spelling of its system, and by no other name of it."""
    named = spellings(knowledge)
    assert verdicts((name, code) for system, code in listed(knowledge) for name in named.get(system, [system])) == {
        True
    }
    assert verdicts((name, code) for _, code in listed(knowledge) for name in UNKNOWN) == {False}


@pytest.mark.parametrize("part", range(4))
def test_every_code_shorter_longer_and_written_otherwise(part, knowledge, verdicts):
    """What is made of a code, by cutting, lengthening, dots, blanks and letters, is known where a family knows it."""
    made = ((system, one) for system, code in listed(knowledge)[part::4] for one in variants(code))
    assert verdicts(made) == {True, False}


def test_every_code_of_another_system(knowledge, verdicts):
    """A code under the name of another code system is known only where that one has it."""
    named, random = spellings(knowledge), Random(1)
    other = ((random.choice(random.choice([*named.values()])), code) for _, code in listed(knowledge))
    assert verdicts(other) == {True, False}


PATTERNED = ["http://www.cms.gov/Medicare/Coding/ICD10", "http://hl7.org/fhir/sid/icd-10-cm"]


@pytest.mark.parametrize("system", PATTERNED)
def test_codes_around_every_pattern(system, knowledge, verdicts):
    """Codes that match a pattern of the value sets, or nearly, are known where a family knows them."""
    found = [pattern for index in knowledge.codes.values() for own, pattern, _ in index.patterns if own == system]
    starts = sorted({pattern.pattern[1:4].replace("[", "").replace(".", "0") for pattern in found})
    random = Random(2)
    letters = "0012345678ABCDTVWXYZ."
    made = (
        random.choice(starts)[: random.choice([1, 2, 3, 3])] + "".join(random.choices(letters, k=n % 6))
        for n in range(6000)
    )
    assert found
    assert verdicts((system, code) for code in made) == {True, False}


@given(
    codings=st.lists(st.tuples(st.sampled_from([*PATTERNED, "http://snomed.info/sct", *UNKNOWN]), st.text(max_size=8)))
)
@examples(500)
def test_any_text_as_a_code(codings, knowledge, verdicts):
    """Any text as a code is known where a family knows it, and no code at all is known."""
    verdicts(codings)
    assert knowledge.meanings.of(codings) == asked_of_each(knowledge.codes, codings)


def test_several_codings(knowledge, verdicts):
    """Several codings mean all that each of them means, in their order; no coding means nothing."""
    codes, random = listed(knowledge), Random(5)
    for n in range(2000):
        some = [*random.choices(codes, k=n % 4), ("http://hl7.org/fhir/sid/icd-10-cm", "I10"), ("x", "C61")]
        random.shuffle(some)
        assert knowledge.meanings.of(some) == asked_of_each(knowledge.codes, some), some
    assert knowledge.meanings.of([]) == {}
    assert verdicts([("http://hl7.org/fhir/sid/icd-10-cm", "I10"), ("x", "C61")]) == {False}


def test_each_family_alone(knowledge):
    """Of one family alone the codes of that family alone are known: none hides behind another."""
    codes = listed(knowledge)
    for family, index in knowledge.codes.items():
        alone = {family: index}
        meanings = Meanings(alone, index.spellings)
        assert [one for one in codes if meanings.of([one]) != asked_of_each(alone, [one])] == []


def made_up(random) -> CodeIndex:
    """Return a family of a few made-up codes, categories and patterns, which overlap with those of any other."""
    index = CodeIndex({"also": "one"})
    codes = ["".join(random.choices("AB1", k=random.choice([1, 2, 3]))) for _ in range(12)]
    patterns = [f"^{random.choice('AB')}.{random.choice('AB1')}" for _ in range(2)]
    filters = [{"property": "concept", "op": "is-a", "value": code} for code in codes[:4]]
    filters += [{"property": "code", "op": "regex", "value": text} for text in patterns]
    for system in ("one", "two"):
        concepts = [{"code": code} for code in random.sample(codes[4:], 4)]
        include = {"system": system, "concept": concepts, "filter": random.sample(filters, 3)}
        index.add({"id": "made-up", "compose": {"include": [include]}}, "x", metastatic=False)
    return index


def test_families_that_overlap():
    """Families that have a code by itself, by a category or by a pattern each give it the meaning that it has there."""
    random = Random(6)
    codes = [first + second + third for first in "AB1" for second in ("", *"AB1") for third in ("", *"AB1x")]
    for _ in range(100):
        families = {name: made_up(random) for name in ("a", "b", "c")}
        meanings = Meanings(families, {"also": "one"})
        for coding in ((system, code) for system in ("one", "also", "two", "three") for code in codes):
            assert meanings.of([coding]) == asked_of_each(families, [coding]), coding

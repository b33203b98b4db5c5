"""Grids of emergencies, trauma and the arm: what silences, in many words, and what only resembles it."""

from collections.abc import Iterator
from itertools import chain, product

from tests.generative.grid import LANGUAGES, TERMS, Sentence, all_as, filled, phrasings, plain, terms, typed_wrong

PRESENT = "{}, left leg weakness"


def emergencies() -> list[Sentence]:
    """Assert, doubt or ask for emergencies, in seven languages and with one typing error: silent."""
    diagnoses, signs = terms("emergency diagnosis"), terms("emergency sign")
    clauses, at_once = terms("emergency clause"), terms("emergency at once")
    of_late = [sign for sign in signs if not sign.startswith("acute")]
    mistyped = [wrong for term in diagnoses + signs for wrong in typed_wrong(term)]
    mentions = [
        *filled(phrasings("emergency beside others", "emergency in doubt"), diagnoses),
        *filled(phrasings("emergency beside others", "emergency sign of late"), of_late),
        *filled(phrasings("emergency sign in doubt"), signs),
        *filled(phrasings("emergency clause"), clauses),
        *filled(phrasings("emergency at once"), at_once),
        *map(str.upper, [*diagnoses, *signs, *clauses, *at_once]),
        *filled(("{}", "leg weakness, r/o {}"), mistyped),
    ]
    return all_as("emergency", [*mentions, *_foreign("emergency"), *_foreign_in_doubt("emergency")])


def _foreign(group: str) -> Iterator[str]:
    """Give the terms of the other languages, each as it is, without accents, and in capitals."""
    for language in LANGUAGES:
        for term in terms(group, language=language):
            yield from (term, plain(term, language), term.upper())


def _foreign_in_doubt(group: str) -> Iterator[str]:
    return chain.from_iterable(
        filled(TERMS["doubt", language], terms(group, language=language)) for language in LANGUAGES
    )


def no_emergencies() -> list[Sentence]:
    """Tell of emergencies that are past, chronic or denied, and of what resembles them: a card."""
    diagnoses, signs = terms("emergency diagnosis"), [term for term in terms("emergency sign") if "acute" not in term]
    sphincter = [
        sign for sign in signs if "incontinence" in sign or sign in ("urinary retention", "neurogenic bladder")
    ]
    past = [
        *filled(phrasings("emergency that is past"), diagnoses),
        *filled(phrasings("emergency sign that is past"), sphincter),
    ]
    resembling = phrasings("no emergency")
    return [
        *all_as("card", [*past, *resembling, *phrasings("chronic bilateral weakness")]),
        *all_as("none", filled(phrasings("emergency denied"), diagnoses + signs)),
        *all_as("specific", filled((PRESENT, "{}. Now left foot drop"), [*past[::3], *resembling])),
    ]


def traumas() -> list[Sentence]:
    """Tell of injuries of the last 90 days, or without a date, in seven languages and with one typing error: silent."""
    nouns, verbs, fractures = terms("trauma noun"), terms("trauma verb"), terms("trauma fracture")
    named = [*nouns, *verbs, *fractures]
    mistyped = [wrong for term in named for wrong in typed_wrong(term)]
    mentions = [
        *filled(phrasings("trauma"), nouns),
        *filled(phrasings("trauma by its verb"), verbs),
        *filled(phrasings("fracture"), fractures),
        *(f"{what} {when}" for what, when in product(nouns + verbs, phrasings("recent time"))),
        *map(str.upper, named),
        *filled(("{}", "{}, leg weakness"), mistyped),
    ]
    return all_as("acute_trauma", [*mentions, *_foreign("trauma")])


def no_traumas() -> list[Sentence]:
    """Tell of injuries that are old, healed, denied, pathological or a symptom: a card."""
    nouns, verbs, fractures = terms("trauma noun"), terms("trauma verb"), terms("trauma fracture")
    old = [
        *(f"{what} {when}" for what, when in product((nouns + verbs)[::2], phrasings("old time"))),
        *filled(phrasings("old trauma"), nouns),
        *filled(terms("old fracture"), [fracture for fracture in fractures if "burst" not in fracture]),
    ]
    none = terms("no acute fracture", "no injury")
    return [
        *all_as("card", [*old, *none]),
        *all_as("none", filled(phrasings("no trauma"), nouns + fractures)),
        *all_as("specific", filled((PRESENT,), [*old[::3], *none])),
    ]


def arms() -> list[Sentence]:
    """Name the arm alone: silent, in seven languages; or the leg or low back beside it, or only the neck: a card."""
    names, clauses = terms("arm"), terms("arm clause")
    not_weak = [name for name in names if not {"weakness", "wkns", "weak", "drop"} & set(name.split())]
    """Weakness of an arm and a leg may be that of one half of the body, which is no plexopathy."""
    asked = ("brachial plexopathy", "cervical radiculopathy", "carpal tunnel syndrome")
    alone = [
        *filled(phrasings("arm"), names),
        *filled(phrasings("arm clause"), clauses),
        *filled(phrasings("arm in doubt"), asked),
        *map(str.upper, [*names, *clauses]),
    ]
    return [
        *all_as("upper_limb_only", [*alone, *_foreign("arm")]),
        *all_as("specific", filled(phrasings("arm and a specific sign"), not_weak)),
        *all_as("compatible", filled(phrasings("arm and a compatible sign"), names)),
        *all_as("card", filled(phrasings("arm and the low back"), names)),
        *all_as("none", [*terms("neck"), *phrasings("no arm")]),
    ]

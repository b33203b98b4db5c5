"""Grids of what is the patient's now, in many spellings, and of what is past, another's, or only resembles it."""

from itertools import product

from tests.generative.grid import Sentence, all_as, filled, phrasings, terms

WEAK = ("weakness", "wkns")


def pasts() -> list[Sentence]:
    """Tell of signs that are past or a relative's, which are none, and of what stands beside them now."""
    return [
        *all_as("none", filled(phrasings("another's", "past"), phrasings("past sign"))),
        *all_as("specific", filled(phrasings("now"), phrasings("before now"))),
    ]


def signs() -> list[Sentence]:
    """Assert signs in many spellings, and write words that only resemble them."""
    sides, limbs = phrasings("side"), phrasings("limb")
    weak = [
        words.format(side=side, limb=limb, weak=weak)
        for words, side, limb, weak in product(phrasings("weakness of a limb"), sides, limbs, WEAK)
    ]
    without_brackets = [side for side in sides if side.isalpha()]
    is_weak = [
        words.format(side=side, limb=limb)
        for words, side, limb in product(phrasings("limb that is weak"), without_brackets, limbs)
    ]
    specific, clauses, compatible = terms("specific"), terms("specific clause"), terms("compatible")
    mentions = [
        *filled(phrasings("sign in context"), specific),
        *filled(phrasings("sign clause in context"), clauses),
        *map(str.upper, [*specific, *clauses]),
    ]
    return [
        *all_as("specific", [*weak[::2], *is_weak, *mentions]),
        *all_as("compatible", [*filled(phrasings("sign in context"), compatible), *map(str.upper, compatible)]),
        *all_as("none", terms("no sign")),
    ]

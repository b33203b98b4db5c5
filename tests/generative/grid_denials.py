"""Grids of what is denied or doubted, what ends a denial, and what in its list is unclear."""

from collections.abc import Iterator
from itertools import product
from random import Random
from string import capwords

from tests.generative.grid import Sentence, all_as, filled, phrasings, terms

LONGEST = 4
PER_LENGTH = 16
BRAKES_AT = ((), (-1,), (), (0,), (), (0, -1))
"""Where in a list, in turn, an emergency, an injury or an arm stands among the signs."""
CASES = (str, str, str.upper, capwords, str.lower)
ASKED_WITH = ("r/o {}", "eval for {}", "concern for {}", "LBP, rule out {}", "possible {}")


def denials() -> list[Sentence]:
    """Deny lists of one to four things in many ways: nothing is found, and nothing silences."""
    return all_as("none", [*_lists(), *_one_by_one()])


def _lists() -> Iterator[str]:
    chance = Random(20261122)
    for denial, length in product(phrasings("denial"), range(1, LONGEST + 1)):
        for number in range(PER_LENGTH):
            brakes = BRAKES_AT[number % len(BRAKES_AT)]
            items = chance.sample(terms("denied sign"), length)
            for place in brakes:
                items[place] = chance.choice(terms("denied emergency", "denied trauma", "denied arm"))
            listed = chance.choice(
                [phrasing for phrasing in phrasings(f"list of {length}") if _reads_well(phrasing, items)]
            )
            end = chance.choice(_ends(listed, has_brake_later=bool(brakes) and length > 1))
            text = chance.choice(phrasings("before a denial")).format(denial.format(listed.format(*items)))
            yield chance.choice(CASES)(end.format(text))


def _reads_well(listed: str, items: list[str]) -> bool:
    """Tell whether a list is one that people write: no slash beside a thing that has one, or an "or", of its own."""
    return "/" not in listed or not any("/" in item or " or " in item for item in items)


def _ends(listed: str, *, has_brake_later: bool) -> list[str]:
    """Return how a list may end: a time, or ", and ... on exam", could make its last item one of its own."""
    if listed == "{0}, and {1}":
        return ["{}", "{}."]
    return phrasings("end of a list", *([] if has_brake_later else ["end of a list, with a time"]))


def _one_by_one() -> Iterator[str]:
    named = terms("denied sign", "denied emergency", "denied trauma", "denied arm")
    yield from filled(phrasings("denied afterwards"), named)
    chance = Random(11)
    for words in phrasings("denied one by one"):
        yield from (words.format(*chance.sample(named, words.count("{}"))) for _ in range(12))


def doubts() -> list[Sentence]:
    """Ask for signs, which are then none, and for plexopathy by name, which is the indication itself."""
    doubted = phrasings("doubted sign")
    return [
        *all_as("none", filled(phrasings("doubt"), doubted)),
        *all_as("none", filled(ASKED_WITH, phrasings("doubted list"))),
        *all_as("compatible", filled(phrasings("doubt beside a sign"), doubted)),
        *all_as("specific", filled(phrasings("indication"), terms("plexopathy"))),
        *all_as("none", filled(phrasings("no indication"), terms("plexopathy"))),
    ]


def unclear() -> list[Sentence]:
    """Put into a denied list a side, a grade, a time or a verb: a sign is then none, but a brake holds."""
    first = phrasings("denial of another")
    arms = filled(phrasings("denial of another, not of the back"), phrasings("unclear arm"))
    return [
        *all_as("none", filled(first, phrasings("unclear sign"))),
        *all_as("emergency", filled(first, phrasings("unclear emergency"))),
        *all_as("acute_trauma", filled(first, phrasings("unclear trauma"))),
        *all_as("upper_limb_only", arms),
    ]


def ended() -> list[Sentence]:
    """End a denial by its sentence, or by but, now, new, has or presents with; and deny after what is asserted."""
    denied, ends, asserted = phrasings("denial that ends"), phrasings("end of a denial"), phrasings("asserted sign")
    brakes = ("urinary retention", "saddle anesthesia", "urinary incontinence")
    short = ("no back pain", "denies fever")
    signs = [denial + end.format(sign) for denial, end, sign in product(denied, ends, asserted)]
    silenced = [denial + end.format(brake) for denial, end, brake in product(short, ends, brakes)]
    after = filled(phrasings("denial after a sign"), [*asserted, "foot drop", "leg weakness", "R LE weakness"])
    return [*all_as("specific", [*signs, *after]), *all_as("emergency", silenced)]

"""Codes as charts write them: with marks, in pairs, with their name, or as an expression."""

import re
from collections.abc import Collection

_NAMES = re.compile(r"\|[^|]*(\||$)")
_CONCEPT = re.compile(r"\b\d{6,18}\b")
_EXPRESSION = re.compile(r"[^\w]*\d{6,18}\b(?=.*[|:+=]|\s*\Z)", re.DOTALL)
_BETWEEN = re.compile("[\\s+*!\u2020\u2021#]+")
"""What stands between and after the codes of ICD-10: blanks, dagger, asterisk and exclamation mark."""

_LONGEST = 1000
"""Characters of a code that are read in this way."""

_SHORTEST = 2
"""Characters of a code; a letter alone tells the side or the certainty of the code before it."""


def plain(code: str) -> str:
    """Return a code without its dots and in capitals, as codes come with and without them."""
    return code.strip().replace(".", "").upper()


def written(code: str, taken_back: Collection[str]) -> list[str]:
    """Return each code in what was written as one: an expression's focus concepts, or the codes of a pair.

    An expression whose refinement has one of the codes that take it back names nothing of the patient's.
    """
    if plain(code).isalnum() or len(code) > _LONGEST:
        return [code]
    if _EXPRESSION.match(code):
        focus, _, refinement = _NAMES.sub(" ", code).partition(":")
        said = _CONCEPT.findall(refinement)
        return [] if any(one in taken_back for one in said) else _CONCEPT.findall(focus)
    return [part for part in _BETWEEN.split(code) if len(part) >= _SHORTEST]

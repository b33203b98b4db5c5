"""Where radiotherapy was given, in words: whole words of site_words.csv, the longest first."""

import re
from collections.abc import Iterable, Mapping
from itertools import chain

from cds_service.model import Term

_BETWEEN = re.compile(r"[\W_]+")
_LONGEST = 2000
"""Characters of a text that are read: none is longer."""


def _even(text: str) -> str:
    """Return a text in one case, a blank between its words."""
    return _BETWEEN.sub(" ", text[:_LONGEST].casefold()).strip()


class SiteTextMatcher:
    """The words for sites, each with what it means and how we word it."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        spelled = ((_even(one), row) for row in rows for one in row["words"].split(";"))
        self._terms = {words: Term("site_words", row["means"], row["wording"]) for words, row in spelled}
        longest_first = sorted(self._terms, key=lambda words: (-len(words), words))
        self._pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")

    def terms(self, text: str) -> list[Term]:
        """Return what the sites that a text names mean, in its order."""
        return [self._terms[found] for found in self._pattern.findall(_even(text))]


def doubled(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the words that stand in more than one row."""
    words = list(chain.from_iterable({_even(one) for one in row["words"].split(";")} for row in rows))
    return sorted({one for one in words if words.count(one) > 1})

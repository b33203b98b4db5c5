"""Orders and radiotherapy sites without a code of ours, recognized by the words of words.csv and site_words.csv."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, groupby

from cds_service.knowledge.typed_text import folded
from cds_service.model import Term

_WORDS = re.compile(r"[A-Z0-9]+")


def normalized(text: str) -> str:
    """Return a text in capitals without accents, every run of other characters than letters and digits as one space."""
    return " ".join(_WORDS.findall(folded(text).upper()))


def pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    """Match whole words; a phrase that ends in * matches every word that begins so."""
    alternatives = (re.escape(normalized(phrase)) + (r"\w*" if phrase.endswith("*") else r"\b") for phrase in phrases)
    return re.compile(r"\b(?:" + "|".join(alternatives) + ")")


_BY_WHOLE_NAME = {
    "fdg_pet_ct": (("pet", "fdg"), ("beside_pet",)),
    "ct_abdomen_pelvis": (("ct", "abdomen", "pelvis"), ()),
}
"""Studies known by their whole name: the lists that each have a word in it, and those that may have."""

_BESIDE = ("without_contrast", "with_contrast", "beside")
"""The lists that may have a word in the name of any of them; one word more makes it the name of another study."""


@dataclass(frozen=True, slots=True)
class OrderTextMatcher:
    """The lists of words.csv, and what an order's text means by them."""

    lists: Mapping[str, re.Pattern[str]]
    any_needed: re.Pattern[str]
    """Of each study one list whose words it cannot do without: an order that has none of them is of another one.

    Most orders are of other studies; without this look their calls take 6 % longer.
    """

    @classmethod
    def compiled(cls, phrases: Mapping[str, Iterable[str]]) -> "OrderTextMatcher":
        """Compile the phrases of each meaning."""
        needed = ["plexus", "lumbar_spine", *(lists[-1] for lists, _ in _BY_WHOLE_NAME.values())]
        return cls(
            {meaning: pattern(words) for meaning, words in phrases.items()},
            pattern(word for meaning in needed for word in phrases[meaning]),
        )

    def names_plexus(self, text: str) -> bool:
        """Tell whether the words name the lumbosacral plexus: lumbar, sacral or the like beside the word plexus."""
        return self._names("plexus", normalized(text))

    def is_generic_mr(self, text: str) -> bool:
        """Tell whether the words name an MRI and nothing that it is of."""
        is_mr, remaining = self._cut("mr", normalized(text))
        for meaning in _BESIDE:
            _, remaining = self._cut(meaning, remaining)
        return is_mr and not remaining

    def is_silent(self, text: str) -> bool:
        """Tell whether nothing is named, or an MRI of nothing."""
        return not normalized(text) or self.is_generic_mr(text)

    def study(self, text: str, *, is_mr: bool = False) -> str | None:
        """Return the study that the words name, `not_watched` for another one, None where they name none.

        `is_mr` where a code says already that it is an MRI. Contract section 2 has the order of the tests.
        """
        text = normalized(text)
        if not self.any_needed.search(text):
            return "not_watched" if text else None
        is_mr = is_mr or self._names("mr", text)
        if self._names("other_plexus", text):
            return "not_watched"
        if self._names("plexus", text):
            return self._plexus(text) if is_mr and not self._is_procedure(text) else "not_watched"
        return self._by_whole_name(text) or self._spine(text, is_mr=is_mr)

    def _spine(self, text: str, *, is_mr: bool) -> str | None:
        if self._is_procedure(text):
            return "not_watched"
        if any(self._names(meaning, text) for meaning in ("special_technique", "other_spine_level")):
            return "not_watched"
        if not is_mr:
            return "not_watched" if self._names("other_modality", text) else None
        return "lumbar_spine_mri" if self._names("lumbar_spine", text) else None

    def _by_whole_name(self, text: str) -> str | None:
        for study, (needed, allowed) in _BY_WHOLE_NAME.items():
            if all(self._names(meaning, text) for meaning in needed):
                remaining = text
                for meaning in (*needed, *allowed, *_BESIDE):
                    _, remaining = self._cut(meaning, remaining)
                if not remaining:
                    return study
        return None

    def _is_procedure(self, text: str) -> bool:
        """Tell whether the words name a procedure; "avec injection" is one of contrast."""
        for meaning in ("with_contrast", "without_contrast"):
            _, text = self._cut(meaning, text)
        return self._names("procedure", text)

    def _plexus(self, text: str) -> str:
        without, remaining = self._cut("without_contrast", text)
        if self._names("with_contrast", remaining):
            return "plexus_mri_with_contrast"
        return "plexus_mri_without_contrast" if without else "plexus_mri"

    def _cut(self, meaning: str, text: str) -> tuple[bool, str]:
        remaining, count = self.lists[meaning].subn(" ", text)
        return count > 0, " ".join(remaining.split())

    def _names(self, meaning: str, text: str) -> bool:
        return bool(self.lists[meaning].search(text))


_NON_WORD = re.compile(r"[\W_]+")
_MAX_SITE_LENGTH = 2000
"""Characters of a text that are read: none is longer."""


class SiteTextMatcher:
    """The words for sites, each with what it means and how we word it."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        spelled = ((_normalized_site(spelling), row) for row in rows for spelling in row["words"].split(";"))
        self._terms = {words: Term("site_words", row["means"], row["wording"]) for words, row in spelled}
        # By first letter, which a search passes over at once, and the longest first.
        listed = sorted(self._terms, key=lambda words: (words[:1], -len(words), words))
        by_letter = groupby(listed, key=lambda words: words[:1])
        alternatives = (f"{letter}(?:{'|'.join(re.escape(word[1:]) for word in group)})" for letter, group in by_letter)
        self._pattern = re.compile(rf"\b(?:{'|'.join(alternatives)})\b")

    def terms(self, text: str) -> list[Term]:
        """Return what the sites that a text names mean, in its order."""
        return [self._terms[words] for words in self._pattern.findall(_normalized_site(text))]


def duplicate_site_words(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the words that are in more than one row."""
    spellings = ({_normalized_site(spelling) for spelling in row["words"].split(";")} for row in rows)
    counts = Counter(chain.from_iterable(spellings))
    return sorted(words for words, count in counts.items() if count > 1)


def _normalized_site(text: str) -> str:
    """Return a text in one case, a blank between its words."""
    return _NON_WORD.sub(" ", text[:_MAX_SITE_LENGTH].casefold()).strip()

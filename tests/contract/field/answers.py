"""What an answer of the service amounts to, and whether it is the expected one.

`expected` is one of:
    412, 422 and the like   the status
    silent                  no card
    card                    a card
    info, warning           a card of this indicator
    warning-none            a warning that recommends none of its suggestions
    replace                 a card that recommends to replace the order
    not-replace             a card that does not, or none
    silent-or-info          no card, or one of this indicator
    silent-or-card          either
    card-text:WORDS         a card whose detail has these words
    ct-text:WORDS           a card that offers no CT, or whose detail has these words
    no-summary:WORDS        a card whose summary lacks these words, or none
"""

from typing import Any, NamedTuple


class Answer(NamedTuple):
    """The status of an answer and its cards; the first card is the one that counts."""

    status: int
    cards: list[dict[str, Any]]

    @property
    def indicator(self) -> str:
        """Return how strongly the card speaks, or that there is none."""
        return self.cards[0]["indicator"] if self.cards else "silent"

    @property
    def suggestions(self) -> list[dict[str, Any]]:
        """Return the suggestions of the card."""
        return self.cards[0].get("suggestions", []) if self.cards else []

    @property
    def recommended(self) -> list[dict[str, Any]]:
        """Return the suggestions that the card recommends."""
        return [suggestion for suggestion in self.suggestions if suggestion.get("isRecommended")]

    @property
    def replaces(self) -> bool:
        """Tell whether the card recommends to replace the order."""
        kinds = {action["type"] for suggestion in self.recommended for action in suggestion["actions"]}
        return bool(kinds & {"update", "delete"})

    def has(self, words: str, member: str) -> bool:
        """Tell whether a text of the card has these words."""
        return words.lower() in (self.cards[0].get(member, "").lower() if self.cards else "")

    def __str__(self) -> str:
        """Return the answer in short, for a failing test."""
        if self.status != 200:
            return str(self.status)
        labels = [suggestion["label"] for suggestion in self.recommended]
        return " ".join([self.indicator, *labels])


_SIMPLE = {
    "silent": lambda answer: not answer.cards,
    "card": lambda answer: bool(answer.cards),
    "info": lambda answer: answer.indicator == "info",
    "warning": lambda answer: answer.indicator == "warning",
    "warning-none": lambda answer: answer.indicator == "warning" and not answer.recommended,
    "replace": lambda answer: answer.replaces,
    "not-replace": lambda answer: not answer.replaces,
    "silent-or-info": lambda answer: answer.indicator in ("silent", "info"),
    "silent-or-card": lambda _: True,
}
_WITH_WORDS = {
    "card-text": lambda answer, words: answer.has(words, "detail"),
    "ct-text": lambda answer, words: answer.has(words, "detail") or not _offers_ct(answer),
    "no-summary": lambda answer, words: not answer.has(words, "summary"),
}


def fits(expected: str, answer: Answer) -> bool:
    """Tell whether an answer is the expected one."""
    if expected.isdigit() or answer.status != 200:
        return str(answer.status) == expected
    kind, _, words = expected.partition(":")
    return _WITH_WORDS[kind](answer, words) if words else _SIMPLE[kind](answer)


def _offers_ct(answer: Answer) -> bool:
    return any("CT" in suggestion["label"] for suggestion in answer.suggestions)

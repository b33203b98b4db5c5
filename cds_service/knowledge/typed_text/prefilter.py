"""Step 0: what a text cannot say, by its set of words alone: most texts of a record need no more reading.

Without this look a call without a card takes twice as long.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain

from cds_service.knowledge.typed_text.context import OPENING_CUES
from cds_service.knowledge.typed_text.findings import ACUTE
from cds_service.knowledge.typed_text.sentences import MAY_MAKE_WORDS
from cds_service.knowledge.typed_text.vocabulary import NUMBERED, WORD, Begun, Vocabulary, folded

_Needed = tuple[frozenset[str], ...]
"""Sets of words: where a text has no word of one of them, a phrase does not hold in it."""


class Prefilter:
    """The words without which no row of reason_words.csv holds; it may say yes in vain, and never no."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Gather, for each word that begins a phrase, the topics and what else each phrase needs."""
        self._vocabulary = vocabulary
        self.every_topic = frozenset(
            begun.phrase.topic for begun in chain.from_iterable(vocabulary.findings.values())
        ) - {"list"}
        self._findings = _needed_by_first_word(vocabulary.findings.items(), _words_by_list(vocabulary))
        self._first_words = frozenset(vocabulary.findings)
        self._cues = _needed_by_first_word(vocabulary.cues.items(), {})

    def topics(self, text: str) -> AbstractSet[str]:
        """Return the topics of which a text may have a finding."""
        text = folded(text)
        words = set(WORD.findall(text))
        corrections = self._vocabulary.corrections_of(words)
        if not words.isdisjoint(NUMBERED):
            return self.every_topic
        words |= corrections
        begins = words & self._first_words
        if not begins and not corrections:
            return frozenset()
        if MAY_MAKE_WORDS.search(text):
            return self.every_topic
        return {topic for word in begins for topic, needed in self._findings.get(word, ()) if _has_all(words, needed)}

    def may_open_in_doubt(self, text: str) -> bool:
        """Tell whether a text may open with anything but an assertion: it asks, or has a cue that opens so."""
        text = folded(text)
        if "?" in text or MAY_MAKE_WORDS.search(text):
            return True
        words = set(WORD.findall(text))
        return any(
            means in OPENING_CUES and _has_all(words, needed)
            for word in words
            for means, needed in self._cues.get(word, ())
        )


def _has_all(words: set[str], needed: _Needed) -> bool:
    return not any(words.isdisjoint(choices) for choices in needed)


def _needed_by_first_word(
    table: Iterable[tuple[str, Iterable[Begun]]], words_by_list: Mapping[str, frozenset[str]]
) -> dict[str, list[tuple[str, _Needed]]]:
    """Return by first word what each phrase is of, a topic or the meaning of a cue, and what else it needs."""
    return {
        word: list(dict.fromkeys(needs))
        for word, begins in table
        if (needs := [_needs(begun, words_by_list) for begun in begins if begun.phrase.topic != "list"])
    }


def _needs(begun: Begun, words_by_list: Mapping[str, frozenset[str]]) -> tuple[str, _Needed]:
    """Return what a phrase is of, and the words of its second place, its further places and the lists that it wants.

    A time may stand for the list of what is acute.
    """
    phrase = begun.phrase
    places = (begun.next_words, *(frozenset(element) for element in phrase.elements[2:]))
    lists = (words_by_list[name] for name in phrase.wanted if name != ACUTE)
    needed = tuple(words for words in (*places, *lists) if words)
    return phrase.means if phrase.topic == "cue" else phrase.topic, needed


def _words_by_list(vocabulary: Vocabulary) -> Mapping[str, frozenset[str]]:
    """Return the words that begin a phrase of each list."""
    words_by_list: dict[str, set[str]] = defaultdict(set)
    for word, begins in vocabulary.findings.items():
        for begun in begins:
            if begun.phrase.topic == "list":
                words_by_list[begun.phrase.means].add(word)
    return {name: frozenset(words) for name, words in words_by_list.items()}

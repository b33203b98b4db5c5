"""Step 2: the words of reason_words.csv, and where they stand in a sentence."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain, combinations
from typing import NamedTuple

from rapidfuzz.distance import OSA

Rows = Sequence[Mapping[str, str]]
Words = tuple[str, ...]
Element = Mapping[str, Sequence[Words]]
"""The choices of words at one place of a phrase, by their first word."""

SIGNS = frozenset({"presentation", "plexopathy", "history"})
"""The topics that ask for a card: in their words no typing error is forgiven."""

PARTS = ("leg", "seat", "back", "arm", "other_part")
"""The lists of parts of the body: a sign is of the part that stands nearest."""

DURATION = "duration"
"""What may stand in `beside` and is no list: a time since when ("x 3 mo")."""

CUES = frozenset(
    {
        *("abbreviation", "idiom", "filler", "real_word", "break"),
        *("denial", "denied_before", "denied_after", "question", "question_after", "doubt", "doubted_after"),
        *("termination", "mild_termination", "own_verb", "side", "family", "reporter"),
        *("past", "past_item", "aftercare", "recent", "chronic", "chronic_sphincter", "worse", "after"),
    }
)
"""What a row of the topic `cue` can mean; each must stand in the table."""

NUMBERED = frozenset({"egfr", "gfr"})
"""What a finding is of by its number alone."""

WORD = re.compile(r"[a-z0-9]+")

_SHORTEST_FORGIVEN = 6

_COMPARED = 7
"""First letters of a word by which words that may be alike are found: few words begin alike, so more letters only cost.
"""


def folded(text: str) -> str:
    """Return a text in small letters and without accents."""
    if text.isascii():
        return text.lower()
    parted = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


@dataclass(frozen=True, slots=True, eq=False)
class Phrase:
    """One spelling of one row: its elements, each a choice of words, and what must or must not stand beside it."""

    row: int
    topic: str
    means: str
    elements: tuple[Element, ...]
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    wording: str
    is_lenient: bool
    """Whether a typing error is forgiven."""


class Begun(NamedTuple):
    """A phrase with the choice of its first element by which it begins, and the words that may stand second."""

    phrase: Phrase
    first: Words
    next_words: frozenset[str]


class Beginnings(NamedTuple):
    """The phrases that begin with a word, by what may stand second: few of them go on in a given text."""

    every: tuple[Begun, ...]
    whole: tuple[Begun, ...]
    """Those of one word."""
    by_next_word: Mapping[str, tuple[Begun, ...]]
    """Those of one word, and those that go on with this one."""
    forgives: bool
    """Some of those that go on forgive a typing error in the next word."""


class Span(NamedTuple):
    """Where a phrase stands in a sentence; `is_exact` where no typing error had to be forgiven."""

    start: int
    end: int
    phrase: Phrase
    is_exact: bool


class Vocabulary:
    """The phrases of the table by their first word: `cues`, and `findings` with the lists that stand beside them."""

    def __init__(self, rows: Rows) -> None:
        """Compile the rows, in which `reason_word_faults` found nothing missing."""
        self.fillers = frozenset(words[0] for words in self.spellings_of(rows, "filler") if len(words) == 1)
        self.abbreviations = tuple(words[0] for words in self.spellings_of(rows, "abbreviation"))
        self.breaks = tuple(" ".join(words) for words in self.spellings_of(rows, "break"))
        phrases = list(_phrases(rows))
        self.cues = _by_first_word(phrase for phrase in phrases if phrase.topic == "cue")
        self.findings = _by_first_word(phrase for phrase in phrases if phrase.topic != "cue")
        self._cues, self._findings = _beginnings(self.cues), _beginnings(self.findings)
        self._known_words = frozenset(chain.from_iterable(map(_words_of, phrases)))
        unwanted = {name for phrase in phrases for name in phrase.unwanted} - {*PARTS}
        plain = (phrase for phrase in phrases if phrase.topic != "list" or phrase.means not in unwanted)
        self._plain = frozenset(chain.from_iterable(map(_words_of, plain)))
        lenient = chain.from_iterable(_words_of(phrase) for phrase in phrases if phrase.is_lenient)
        forgiven = sorted({word for word in lenient if len(word) >= _SHORTEST_FORGIVEN})
        self._forgiven: dict[str, list[str]] = defaultdict(list)
        """By its beginning, and by that without each of its letters, the words of which a typing error is forgiven."""
        for word in forgiven:
            for beginning in _without_one_letter(word[:_COMPARED]):
                self._forgiven[beginning].append(word)
        self._beginnings_alike = frozenset(self._forgiven)
        self._longest_alike = max(map(len, forgiven), default=0) + 1

    @staticmethod
    def spellings_of(rows: Rows, cue: str) -> Iterator[Words]:
        """Yield the spellings of a cue."""
        for row in rows:
            if (row["topic"], row["means"]) == ("cue", cue):
                yield from _spellings(row["words"])

    def is_plain(self, word: str) -> bool:
        """Tell whether a word stands in the table, other than in what must not stand beside a finding ("UTI")."""
        return word in self._plain

    def cue_starts(self, *means: str) -> frozenset[str]:
        """Return the words that begin a cue of some meanings."""
        return frozenset(
            word for word, begins in self.cues.items() if any(begun.phrase.means in means for begun in begins)
        )

    def cues_at(self, words: Sequence[str], index: int) -> list[Span]:
        """Return the cues that begin at a word; a typing error is never forgiven in them."""
        beginnings = self._cues.get(words[index])
        return self._exact(beginnings, words, index) if beginnings is not None else []

    def findings_at(self, words: Sequence[str], index: int) -> list[Span]:
        """Return the findings and lists that begin at a word, or at what it is a typing error of."""
        word = words[index]
        beginnings = self._findings.get(word)
        spans = self._exact(beginnings, words, index) if beginnings is not None else []
        for correction in self.corrections(word):
            for begun in self.findings.get(correction, ()):
                if begun.phrase.is_lenient and (span := self._match(begun, words, index, is_exact=False)):
                    spans.append(span)
        return spans

    def _exact(self, beginnings: Beginnings, words: Sequence[str], index: int) -> list[Span]:
        """Return where phrases stand that begin with a word as it is spelled."""
        return [
            span
            for begun in self._going_on(beginnings, words, index)
            if (span := self._match(begun, words, index, is_exact=True))
        ]

    def _going_on(self, beginnings: Beginnings, words: Sequence[str], index: int) -> Sequence[Begun]:
        """Return the phrases that the word after the first lets go on: most end there, at little cost."""
        if index + 1 >= len(words):
            return beginnings.whole
        word = words[index + 1]
        if word in self.fillers:
            return beginnings.every
        going_on = beginnings.by_next_word.get(word, beginnings.whole)
        if not beginnings.forgives or not self.corrections(word):
            return going_on
        return [begun for begun in beginnings.every if begun.phrase.is_lenient or begun in going_on]

    def _match(self, begun: Begun, words: Sequence[str], index: int, *, is_exact: bool) -> Span | None:
        """Return where a phrase stands that begins at a word, fillers between its elements, or None."""
        phrase, first, next_words = begun
        if is_exact and not next_words:
            return Span(index, index + 1, phrase, is_exact)
        fits = True if is_exact and len(first) == 1 else self._fits(first, words, index, phrase)
        end = index + len(first)
        for element in phrase.elements[1:]:
            if fits is None:
                return None
            is_exact = is_exact and fits
            longest = self._longest_choice(element, words, end, phrase)
            if longest is None and phrase.topic not in ("cue", "list"):
                while longest is None and end < len(words) and words[end] in self.fillers:
                    end += 1
                    longest = self._longest_choice(element, words, end, phrase)
            end, fits = longest or (end, None)
        return None if fits is None else Span(index, end, phrase, is_exact and fits)

    def _longest_choice(
        self, element: Element, words: Sequence[str], start: int, phrase: Phrase
    ) -> tuple[int, bool] | None:
        """Return where the longest choice of an element ends that stands at a word, and whether it is spelled right."""
        if start >= len(words):
            return None
        word, longest = words[start], None
        corrections = self.corrections(word) if phrase.is_lenient else ()
        for spelled in (word, *corrections) if corrections else (word,):
            for choice in element.get(spelled, ()):
                fits = self._fits(choice, words, start, phrase)
                if fits is not None and (longest is None or (start + len(choice), fits) > longest):
                    longest = start + len(choice), fits
        return longest

    def _fits(self, choice: Words, words: Sequence[str], start: int, phrase: Phrase) -> bool | None:
        """Tell whether words stand at a place: True as they are spelled, False with typing errors, None if not."""
        if len(choice) == 1 and choice[0] == words[start]:
            return True
        typed = tuple(words[start : start + len(choice)])
        if typed == choice:
            return True
        if len(typed) < len(choice) or not phrase.is_lenient:
            return None
        same = (
            expected == word or expected in self.corrections(word) for expected, word in zip(choice, typed, strict=True)
        )
        return False if all(same) else None

    def corrections(self, word: str) -> Sequence[str]:
        """Return the words that a word is a typing error of, which is none of ours itself.

        Words that differ by one error begin alike, without one letter of each beginning, so few are compared.
        """
        if word in self._known_words or not _SHORTEST_FORGIVEN - 1 <= len(word) <= self._longest_alike:
            return ()
        beginnings = _without_one_letter(word[:_COMPARED])
        if self._beginnings_alike.isdisjoint(beginnings) or not word.isalpha():
            return ()
        alike = {correction for beginning in beginnings for correction in self._forgiven.get(beginning, ())}
        return sorted(correction for correction in alike if OSA.distance(word, correction, score_cutoff=1) == 1)

    def corrections_of(self, words: AbstractSet[str]) -> set[str]:
        """Return the words that any of some words are typing errors of."""
        unknown = words - self._known_words
        return {correction for word in unknown for correction in self.corrections(word)}


def _without_one_letter(word: str) -> list[str]:
    """Return a word, and what is left of it without each of its letters."""
    return [word, *map("".join, combinations(word, len(word) - 1))]


def reason_word_faults(rows: Rows) -> Iterator[str]:
    """Yield what the rows lack: a cue or a list that the code or another row asks for."""
    cues = {row["means"] for row in rows if row["topic"] == "cue"}
    yield from (f"no cue {name}" for name in sorted(CUES - cues))
    yield from (f"{name} is no cue that is read" for name in sorted(cues - CUES))
    lists = {row["means"] for row in rows if row["topic"] == "list"}
    named = {name for row in rows for name in row["beside"].split() if name not in ("not", DURATION)}
    named |= {name for row in rows for name in re.findall(r"<(\w+)>", row["words"])}
    yield from (f"no list {name}" for name in sorted({*PARTS, *named} - lists))


def _phrases(rows: Rows) -> Iterator[Phrase]:
    lists = _lists(rows)
    for number, row in enumerate(rows):
        wanted, unwanted = _beside(row["beside"])
        is_lenient = row["topic"] not in {*SIGNS, "cue"}
        for spelling in _spellings(row["words"]):
            elements = tuple(lists[word[1:-1]] if word[0] == "<" else {word: ((word,),)} for word in spelling)
            yield Phrase(number, row["topic"], row["means"], elements, wanted, unwanted, row["wording"], is_lenient)


def _by_first_word(phrases: Iterable[Phrase]) -> dict[str, list[Begun]]:
    table: dict[str, list[Begun]] = defaultdict(list)
    for phrase in phrases:
        after_first = frozenset(phrase.elements[1]) if len(phrase.elements) > 1 else frozenset()
        for word, choices in phrase.elements[0].items():
            table[word] += [Begun(phrase, choice, frozenset(choice[1:2]) or after_first) for choice in choices]
    return dict(table)


def _beginnings(table: Mapping[str, Sequence[Begun]]) -> dict[str, Beginnings]:
    return {word: _beginnings_of(begins) for word, begins in table.items()}


def _beginnings_of(begins: Sequence[Begun]) -> Beginnings:
    next_words = frozenset(chain.from_iterable(begun.next_words for begun in begins))
    return Beginnings(
        tuple(begins),
        tuple(begun for begun in begins if not begun.next_words),
        {
            word: tuple(begun for begun in begins if not begun.next_words or word in begun.next_words)
            for word in next_words
        },
        any(begun.next_words and begun.phrase.is_lenient for begun in begins),
    )


def _words_of(phrase: Phrase) -> Iterator[str]:
    return (word for element in phrase.elements for choices in element.values() for words in choices for word in words)


def _spellings(cell: str) -> Iterator[Words]:
    """Yield the spellings of a cell, which semicolons part: each its words, or lists as `<name>`."""
    for spelling in cell.split(";"):
        if words := tuple(re.findall(r"<\w+>|[a-z0-9]+", folded(spelling))):
            yield words


def _lists(rows: Rows) -> dict[str, Element]:
    lists: dict[str, dict[str, list[Words]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for words in _spellings(row["words"]) if row["topic"] == "list" else ():
            lists[row["means"]][words[0]].append(words)
    return {name: dict(words) for name, words in lists.items()}


def _beside(cell: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lists that must stand beside a row, and after `not` each of those that must not."""
    unwanted = tuple(re.findall(r"\bnot (\w+)", cell))
    return tuple(name for name in cell.split() if name != "not" and name not in unwanted), unwanted

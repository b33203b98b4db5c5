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

IDIOM = "idiom"
"""The cue that stands for words that are not read."""

CUES = frozenset(
    {
        *("abbreviation", IDIOM, "filler", "real_word", "break"),
        *("denial", "denied_before", "denied_after", "question", "question_after", "doubt", "doubted_after"),
        *("termination", "mild_termination", "own_verb", "side", "family", "reporter"),
        *("past", "past_item", "aftercare", "recent", "chronic", "chronic_sphincter", "worse", "after", "before"),
    }
)
"""What a row of the topic `cue` can mean; each must stand in the table."""

NUMBERED = frozenset({"egfr", "gfr"})
"""What a finding is of by its number alone."""

WORD = re.compile(r"[a-z0-9]+")

_WITHOUT_FILLERS = frozenset({"cue", "list"})
"""The topics of the phrases between whose words no filler may stand."""

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


class _Node:
    """A node of a trie: the phrases that end with some words, and what may stand next in the longer ones.

    The list that a phrase begins with is parted into its choices: a word in a text finds its node by one look-up.
    """

    __slots__ = ("after_fillers", "lists", "next_words", "phrases", "starts")

    def __init__(self) -> None:
        self.phrases: list[Phrase] = []
        self.next_words: dict[str, _Node] = {}
        """By the word right after."""
        self.after_fillers: dict[str, _Node] = {}
        """By a word before which fillers may stand."""
        self.lists: dict[tuple[int, bool], tuple[Element, bool, _Node]] = {}
        """By a list, whose longest choice counts, and whether its phrases are lenient; fillers may stand before."""
        self.starts: set[str] = set()
        """The words that may stand next, but for fillers."""

    def add(self, phrase: Phrase) -> None:
        """Add a phrase below: its first element by each choice of words."""
        nodes = [self]
        for number, element in enumerate(phrase.elements):
            if number == 0 or phrase.topic in _WITHOUT_FILLERS:
                choices = list(chain.from_iterable(element.values()))
                nodes = [node._at(choice) for node in nodes for choice in choices]  # noqa: SLF001 - of this class
                continue
            for node in nodes:
                node.starts.update(element)
            if len(element) == 1:
                [word] = element
                nodes = [node.after_fillers.setdefault(word, _Node()) for node in nodes]
            else:
                key, edge = (id(element), phrase.is_lenient), (element, phrase.is_lenient)
                nodes = [node.lists.setdefault(key, (*edge, _Node()))[2] for node in nodes]
        for node in nodes:
            node.phrases.append(phrase)

    def _at(self, words: Words) -> "_Node":
        node = self
        for word in words:
            node.starts.add(word)
            node = node.next_words.setdefault(word, _Node())
        return node


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
        self._cue_nodes = _nodes_by_first_word(phrase for phrase in phrases if phrase.topic == "cue")
        self._idiom_nodes = _nodes_by_first_word(phrase for phrase in phrases if phrase.means == IDIOM)
        self.finding_nodes = _nodes_by_first_word(phrase for phrase in phrases if phrase.topic != "cue")
        self._known_words = frozenset(chain.from_iterable(map(_words_of, phrases)))
        unwanted = {name for phrase in phrases for name in phrase.unwanted} - {*PARTS}
        plain = (phrase for phrase in phrases if phrase.topic != "list" or phrase.means not in unwanted)
        self.plain_words = frozenset(chain.from_iterable(map(_words_of, plain)))
        """Those of the table, other than of what must not stand beside a finding ("UTI")."""
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

    def cue_starts(self, *means: str) -> frozenset[str]:
        """Return the words that begin a cue of some meanings."""
        return frozenset(
            word for word, begins in self.cues.items() if any(begun.phrase.means in means for begun in begins)
        )

    def cues_at(self, words: Sequence[str], index: int) -> list[Span]:
        """Return the cues that begin at a word, the longest last; a typing error is never forgiven in them."""
        return _exact_spans(self._cue_nodes, words, index)

    def idiom_end(self, words: Sequence[str], index: int) -> int | None:
        """Return where the longest idiom ends that begins at a word, or None."""
        spans = _exact_spans(self._idiom_nodes, words, index)
        return spans[-1].end if spans else None

    def cues_in(self, words: Sequence[str]) -> list[Span]:
        """Return the cues that begin at each word, in order."""
        spans: list[Span] = []
        for index, word in enumerate(words):
            if word in self._cue_nodes:
                spans += self.cues_at(words, index)
        return spans

    def findings_in(self, words: Sequence[str]) -> list[Span]:
        """Return the findings and lists that begin at each word, or at what it is a typing error of."""
        return _Search(self, words).spans()

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


def _exact_spans(nodes: Mapping[str, _Node], words: Sequence[str], index: int) -> list[Span]:
    """Return the phrases of a trie that begin at a word, the longest last; no typing error and no filler is passed."""
    spans: list[Span] = []
    node, end = nodes.get(words[index]), index + 1
    while node is not None:
        spans += [Span(index, end, phrase, is_exact=True) for phrase in node.phrases]
        node = node.next_words.get(words[end]) if end < len(words) else None
        end += 1
    return spans


class _Search:
    """What stands in the words of one sentence; a word is looked up for typing errors once."""

    def __init__(self, vocabulary: Vocabulary, words: Sequence[str]) -> None:
        self._words, self._roots, self._fillers = words, vocabulary.finding_nodes, vocabulary.fillers
        others = set(words).difference(self._roots)
        self._corrections = {word: corrected for word in others if (corrected := vocabulary.corrections(word))}
        self._spans: list[Span] = []

    def spans(self) -> list[Span]:
        """Return the findings and lists, in the order in which they begin."""
        for index, word in enumerate(self._words):
            node = self._roots.get(word)
            if node is not None:
                self._follow(node, index, index + 1, is_exact=True)
            for correction in self._corrections.get(word, ()):
                if correction in self._roots:
                    self._follow(self._roots[correction], index, index + 1, is_exact=False)
        return self._spans

    def _follow(self, node: _Node, start: int, end: int, *, is_exact: bool) -> None:
        """Add the phrases of a node whose words stand from `start` to `end`, and those that go on from there."""
        for phrase in node.phrases:
            if is_exact or phrase.is_lenient:
                self._spans.append(Span(start, end, phrase, is_exact))
        if end == len(self._words):
            return
        word = self._words[end]
        if word not in node.starts and word not in self._fillers and word not in self._corrections:
            return
        if node.next_words:
            self._follow_word(node.next_words, start, end, is_exact=is_exact)
        if node.after_fillers:
            self._follow_after_fillers(node.after_fillers, start, end, is_exact=is_exact)
        for element, is_lenient, child in node.lists.values():
            if choice := self._first_choice(element, end, is_lenient=is_lenient):
                self._follow(child, start, choice[0], is_exact=is_exact and choice[1])

    def _follow_word(self, children: Mapping[str, _Node], start: int, end: int, *, is_exact: bool) -> None:
        word = self._words[end]
        if word in children:
            self._follow(children[word], start, end + 1, is_exact=is_exact)
        for correction in self._corrections.get(word, ()):
            if correction in children:
                self._follow(children[correction], start, end + 1, is_exact=False)

    def _follow_after_fillers(self, children: Mapping[str, _Node], start: int, end: int, *, is_exact: bool) -> None:
        """Go on with each word where it stands first, be it right here or behind fillers."""
        self._follow_word(children, start, end, is_exact=is_exact)
        while self._words[end] in self._fillers and end + 1 < len(self._words):
            if self._words[end] in children:
                children = {word: child for word, child in children.items() if word != self._words[end]}
            end += 1
            self._follow_word(children, start, end, is_exact=is_exact)

    def _first_choice(self, element: Element, start: int, *, is_lenient: bool) -> tuple[int, bool] | None:
        """Return where the longest choice of a list ends at a place or behind fillers, and whether it is exact."""
        longest = self._longest_choice(element, start, is_lenient=is_lenient)
        while longest is None and start < len(self._words) and self._words[start] in self._fillers:
            start += 1
            longest = self._longest_choice(element, start, is_lenient=is_lenient)
        return longest

    def _longest_choice(self, element: Element, start: int, *, is_lenient: bool) -> tuple[int, bool] | None:
        if start == len(self._words):
            return None
        word = self._words[start]
        choices = [*element.get(word, ())]
        if is_lenient:
            choices += chain.from_iterable(element.get(spelled, ()) for spelled in self._corrections.get(word, ()))
        ends = (
            (start + len(choice), fits)
            for choice in choices
            if (fits := self._fits(choice, start, is_lenient=is_lenient)) is not None
        )
        return max(ends, default=None)

    def _fits(self, choice: Words, start: int, *, is_lenient: bool) -> bool | None:
        """Tell whether words stand at a place: True as they are spelled, False with typing errors, None if not."""
        typed = tuple(self._words[start : start + len(choice)])
        if typed == choice:
            return True
        if len(typed) < len(choice) or not is_lenient:
            return None
        same = (
            expected == word or expected in self._corrections.get(word, ())
            for expected, word in zip(choice, typed, strict=True)
        )
        return False if all(same) else None


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


def _nodes_by_first_word(phrases: Iterable[Phrase]) -> Mapping[str, _Node]:
    """Return the trie of some phrases: its nodes below the first word."""
    root = _Node()
    for phrase in phrases:
        root.add(phrase)
    return root.next_words


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

"""Step 1: a typed text -> its sentences, each parted into comma items and segments."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from cds_service.knowledge.typed_text.times import TypedTime, cut_times
from cds_service.knowledge.typed_text.vocabulary import IDIOM, Span, Vocabulary, folded

ASKED_BEFORE, ASKED_AFTER = "?>", "<?"
"""A question mark before what it is of, and after it."""

GRADE = "below5"
"""The word for a muscle strength below 5/5: none that is typed, for a tumor has a grade, too."""

_MOST_WORDS = 400
"""Of a sentence: none is longer, and each word costs time."""

_MAY_REPEAT = 60
"""Words of a sentence from which on it is looked at for what it repeats."""

_MOST_REPEATS = 3
_REPEATED = re.compile(rf"([^ ]{{1,12}}?)\1{{{_MOST_REPEATS},}}")
"""The same few words in a row, and once more; each word is a character, and a blank if it is not there so often."""

_LOOKS_BACK = frozenset(
    {"denial", "denied_after", "question_after", "doubted_after", "past", "past_item", "aftercare", "chronic", "worse"}
)
"""The cues of which a comma item may consist that belongs to the one before it ("foot drop, resolved")."""

_SPELLED_ALIKE = (
    ("'\u2019`", re.compile(r"n['\u2019`]t\b"), "nt"),
    ("/&", re.compile(r"\b([a-z])(?:/| ?& ?)([a-z])\b"), r"\1\2"),  # r/o, h/o, s/p, b/l, B&B
    ("/", re.compile(r"w/(?<!\w..)(?!o\b)"), "with "),
    ("-\u2013", re.compile(r"\(\s*[-\u2013]\s*\)|-ve\b(?:(?<=\s...)|(?<=^...))"), " neg "),
    ("+", re.compile(r"\(\s*\+\s*\)|\+ve\b|(?<=\s)\+(?=\s?[a-z])"), " positive "),
    (
        "o",
        re.compile(
            r"\d(?<!\w.)\d*[\s-]*(?:y|yr|yrs|year|years|mo|month|months|wk|week|weeks|day|days)?[\s/-]*(?:old|o)\b"
        ),
        " ",
    ),  # an age
    ("/", re.compile(r"[0-4](?<!\w.)[+-]?\s*/\s*5\b"), f" {GRADE} "),
    ("/", re.compile(r"5(?<!\w.)\s*/\s*5\b"), " normal "),
    (",", re.compile(r",\s*(?=stage\b)"), " "),
    ("/", re.compile(r"2/2(?<!\w...)(?=\s+[a-z])"), " due to "),
    ("?", re.compile(r"\s*\?\s*(no|yes)(?=\s*(?:[.,;\n]|$))\.?"), r", \1;"),  # answered: "trauma? no."
    (".", re.compile(r"(?<=[:\u2013-])\s*no\.(?=\s|$)"), " no;"),
    ("@", re.compile(r"@(?=\d)"), " "),  # typed ("pain @8/10"), it is none of the times that `cut_times` marks so
)
"""Characters of which a text must have one, what is looked for, and what stands for it.

A pattern begins with what is rare, and looks back from there whether a word begins (`\\b`): it is found much faster so.
"""
_MARKS = re.compile(r"['\u2019`/&(+\d@-]|,\s*stage\b|\?\s*(?:no|yes)\b|:\s*no\.")
"""Where a text has none of these, nothing in it is spelled alike: most texts."""

MAY_MAKE_WORDS = re.compile(
    r"['\u2019`+/&(\d-](?:"
    r"(?<=['\u2019`+])|(?<=[/&])(?<![a-z\d]{2}.)|(?<=-)ve\b|(?<=\()\s*[-\u2013]|(?<=[a-z]\d)|(?<=\d)[a-z])"
)
"""Where a text (in lower case) has none of these, each word of its sentences is a word of the text, or of an eGFR.

The others may have words that it has not: "r/o" is ro, "4/5" a grade, "x2wks" a time, and "can't" cant.
"""

_FILTRATION = re.compile(
    r"\be?gfr\b[^\d<]{0,12}?(?P<below><|under\s|below\s)?=?\s*(?P<rate>\d{1,3})(?![\d.]*\s*/\s*\d)"
)
_LOW_FILTRATION, _FAIR_FILTRATION = " lowegfr ", " egfr "
_TITLE = re.compile(r"\bMs\.?\s+(?=[A-Z][a-z])")
"""Before a name, as in "Ms. Smith"; where all letters are capitals it may be the disease."""
_LIKE_A_COMMA = re.compile(r"[:,]\s*\n|\n\s{0,80}[-*\u2022]\s*|\s[-\u2013\u2014]+>?\s|--+>?|[()\[\]]|\u2022")
_QUESTION_BEFORE = re.compile(r"(?<!\?)\?+\s*(?=[a-z@])")
_QUESTION = re.compile(r"(?<!<)\?(?!>)")
_SENTENCE_END = re.compile(r";|\n|!|\||\.(?=\s|$|(?<!\d\.)[a-z])")
_DECIMALS = re.compile(r"\.(?<=\d.)\d+")
"""They are no words: the zero of "creatinine 5.0" denies nothing."""
_TOKEN = re.compile(r"@\d+|[a-z0-9]+|<\?|\?>|[,/&+]")
_OR = frozenset({"or", "nor", "/", "ou", "oder"})
_SEPARATORS = frozenset({",", "&", "+", "and", "und", "et", "y", "e"}) | _OR


@dataclass(slots=True)
class Sentence:
    """The words of a sentence with the number of the comma item and of the segment that each stands in.

    "no pain or numbness, left leg weakness" has two items, and three segments.
    """

    words: list[str]
    items: list[int]
    segments: list[int]
    after_or: set[int]
    """The segments that "or", "nor" or "/" parts from the one before."""
    after_comma: set[int]
    times: Sequence[TypedTime]
    """Those of its text."""
    time_places: Sequence[int]
    """The places of the words that stand for a time."""
    cues: Sequence[Span]
    """The cues that begin at each word, in order; they may overlap."""

    def time(self, place: int) -> TypedTime:
        """Return the time that stands at one of the `time_places`."""
        return self.times[int(self.words[place][1:])]

    def within(self, segment: int) -> range:
        """Return the places of the words of a segment."""
        return range(bisect_left(self.segments, segment), bisect_right(self.segments, segment))

    def in_item(self, item: int) -> range:
        """Return the places of the words of a comma item."""
        return range(bisect_left(self.items, item), bisect_right(self.items, item))

    def ends_item(self, start: int, end: int) -> bool:
        """Tell whether words end a comma item in which others stand before them."""
        has_before = start > 0 and self.items[start - 1] == self.items[start]
        return has_before and (end >= len(self.words) or self.items[end] != self.items[start])


class SentenceReader:
    """Parts texts into sentences."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._idiom_starts = vocabulary.cue_starts(IDIOM)
        short_forms = "|".join(rf"(?<=\b{form}\.)" for form in vocabulary.abbreviations)
        self._stops_of_short_forms = re.compile(rf"\.(?:{short_forms})(?=\s*\S)")
        self._breaks = re.compile(rf"\b(?:{'|'.join(vocabulary.breaks)})\b")

    def read(self, text: str, today: date, *, low_filtration: int) -> Iterator[Sentence]:
        """Yield the sentences of a text, equal ones once; an eGFR below `low_filtration` is one word for a low one."""
        plain, times = cut_times(self._spelled_alike(folded(_TITLE.sub("", text)), low_filtration), today)
        plain = _LIKE_A_COMMA.sub(" , ", plain)
        if "?" in plain:
            plain = _QUESTION_BEFORE.sub(_with_its_side, plain).replace("? ", f" {ASKED_AFTER} ")
            plain = _QUESTION.sub(f" {ASKED_AFTER} ", plain)
        plain = _DECIMALS.sub("", self._breaks.sub(" ; ", plain))
        for part in dict.fromkeys(_SENTENCE_END.split(plain)):
            if words := self._without_idioms(_without_repeats(_TOKEN.findall(part)[:_MOST_WORDS])):
                yield self._sentence(words, times)

    def _spelled_alike(self, text: str, low_filtration: int) -> str:
        if _MARKS.search(text):
            characters = set(text)
            for needed, pattern, replacement in _SPELLED_ALIKE:
                if not characters.isdisjoint(needed):
                    text = pattern.sub(replacement, text)
        if "." in text:
            text = self._stops_of_short_forms.sub(" ", text)
        if "gfr" in text:
            text = _FILTRATION.sub(lambda match: _filtration(match, low_filtration), text)
        return text

    def _without_idioms(self, words: list[str]) -> list[str]:
        """Return the words but for idioms that are neither a sign nor a denial ("weak stream", "no relief")."""
        if self._idiom_starts.isdisjoint(words):
            return words
        remaining: list[str] = []
        index = 0
        while index < len(words):
            end = self._vocabulary.idiom_end(words, index) if words[index] in self._idiom_starts else None
            if end is None:
                remaining.append(words[index])
            index = end or index + 1
        return remaining

    def _sentence(self, words: list[str], times: Sequence[TypedTime]) -> Sentence:
        kept: list[str] = []
        items: list[int] = []
        segments: list[int] = []
        after_or, after_comma = set[int](), set[int]()
        item = segment = 0
        separators: list[str] = []
        for index, word in enumerate(words):
            if word in _SEPARATORS:
                if word != "," or not self._looks_back(words, index + 1):
                    separators.append(word)
                continue
            if separators and kept:
                segment += 1
                if "," in separators:
                    item += 1
                    after_comma.add(segment)
                if not _OR.isdisjoint(separators):
                    after_or.add(segment)
            if separators:
                separators = []
            kept.append(word)
            items.append(item)
            segments.append(segment)
        time_places = [place for place, word in enumerate(kept) if word[0] == "@"]
        cues = self._vocabulary.cues_in(kept)
        return Sentence(kept, items, segments, after_or, after_comma, times, time_places, cues)

    def _looks_back(self, words: Sequence[str], start: int) -> bool:
        """Tell whether the next comma item is nothing but a time, or what is said of the item before ("resolved")."""
        end = words.index(",", start) if "," in words[start:] else len(words)
        reached, has_cue = {start}, False
        for index in range(start, end):
            if index not in reached:
                continue
            word = words[index]
            ends = {span.end for span in self._vocabulary.cues_at(words, index) if span.phrase.means in _LOOKS_BACK}
            if word[0] == "@" or word == ASKED_AFTER:
                ends.add(index + 1)
            has_cue = has_cue or bool(ends)
            reached |= ends
            if word in self._vocabulary.fillers:
                reached.add(index + 1)
        return has_cue and end in reached


def _without_repeats(words: list[str]) -> list[str]:
    """Return words with at most three of what a long sentence repeats without end, which no clinician does."""
    if len(words) < _MAY_REPEAT:
        return words
    frequent = [word for word, count in Counter(words).items() if count > _MOST_REPEATS]
    characters = {word: chr(ord(" ") + number) for number, word in enumerate(frequent, 1)}
    kept: list[str] = []
    start = 0
    for match in _REPEATED.finditer("".join(characters.get(word, " ") for word in words)):
        kept += words[start : match.start() + _MOST_REPEATS * len(match[1])]
        start = match.end()
    return kept + words[start:]


def _filtration(match: re.Match[str], low: int) -> str:
    """Return one word for a filtration rate: "eGFR < 30" is below 30."""
    rate = int(match["rate"]) - (match["below"] is not None)
    return _LOW_FILTRATION if rate < low else _FAIR_FILTRATION


def _with_its_side(match: re.Match[str]) -> str:
    """Return a question mark that stands before a word as of what follows, unless it clings to the word before it."""
    before = match.string[match.start() - 1 : match.start()]
    clings = before.strip() and before not in ",(;:/-"
    return f" {ASKED_AFTER} " if clings and match[0].endswith((" ", "\n")) else f" {ASKED_BEFORE} "

"""What a clinician typed, read by the words of reason_words.csv: what is asserted, asked, unclear, past or denied.

The model is the ConText algorithm (Harkema 2009, J Biomed Inform 42:839): a cue ("denies", "r/o", "hx of") governs what
follows, to the end of its sentence or until a termination word. A text is read in five steps:

1. Abbreviations, times, ages and grades are spelled alike, and the text is parted into sentences (`_sentences`).
2. A sentence is parted into comma items, and these at "and", "or" and "/" into segments (`_Sentence`).
3. The words of the table are looked up in it: findings, lists of words, and cues (`_spans`).
4. A finding holds where the lists that its row wants stand beside it (`_holds`).
5. The cues say how certain it is (`_certainty`).

A brake (all topics but the presentation and plexopathy by name) forgives one typing error in a word of six letters.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from cds_service.knowledge.typed_times import TypedTime, cut_times
from cds_service.vocabulary import Certainty

TRIGGERS = frozenset({"presentation", "plexopathy"})
"""The topics that ask for a card: their words are read strictly, and those of all other topics leniently."""

CUES = (
    "abbreviation",
    "idiom",
    "denial",
    "denied_after",
    "denied_before",
    "break",
    "question",
    "question_after",
    "doubt",
    "doubted_after",
    "termination",
    "mild_termination",
    "past",
    "past_item",
    "recent",
    "chronic",
    "chronic_sphincter",
    "family",
    "reporter",
    "after",
    "filler",
    "own_verb",
    "side",
    "real_word",
)
"""What a row of the topic `cue` can mean; each must stand in the table."""

_PARTS = ("leg", "seat", "back", "arm", "other_part")
"""The lists of parts of the body: a sign is of the part that stands nearest."""

_DURATION = "duration"
"""What may stand in `beside` and is no list: a time since when ("x 3 mo")."""

_NO_EVENT = frozenset({"lower_body", "upper_limb", "spine", "other_question", "stat"})
"""The topics that no typed time is of."""

_SHORTEST_FORGIVEN = 6
_MOST_WORDS = 400
"""Of a text: none is longer, and each word costs time."""

_OVER_SLASH = re.compile(r"\b([a-z])/([a-z])\b")
_WITH_SLASH = re.compile(r"\bw/(?!o\b)")
_NOT_SHORT = re.compile(r"n['’`]t\b")
_AGE = re.compile(r"\b\d+[\s-]*(?:y|yr|yrs|year|years|mo|month|months|wk|week|weeks|day|days)?[\s/-]*(?:old|o)\b")
_GRADE = re.compile(r"\b[0-4][+-]?\s*/\s*5\b")
_FULL_GRADE = re.compile(r"\b5\s*/\s*5\b")
_FILTRATION = re.compile(r"\be?gfr\b\D{0,12}?(\d{1,3})(?![\d.]*\s*/\s*\d)")
_MINUS = re.compile(r"\(\s*[-\u2013]\s*\)|(?<=\s)-ve\b|^-ve\b")
_PLUS = re.compile(r"\(\s*\+\s*\)|\+ve\b|(?<=\s)\+(?=\s?[a-z])")
_BULLET = re.compile(r"[:,]\s*\n|\n\s*[-*\u2022]\s*")
_DASH = re.compile(r"\s[-\u2013\u2014]+>?\s|--+>?|[()\[\]]|\u2022")
_QUESTION_BEFORE = re.compile(r"\?+\s*(?=[a-z@])")
_SENTENCE_END = re.compile(r"[;\n!|]|(?<!\d)\.(?=\s|$|[a-z])|(?<=\d)\.(?=\s|$)")
_TOKEN = re.compile(r"@\d+|[a-z0-9]+|<\?|\?>|[,/&+]")
_ASKED_BEFORE, _ASKED_AFTER, _SEPARATORS = "?>", "<?", frozenset({",", "/", "&", "+"})
_OR, _AND = frozenset({"or", "nor", "/", "ou", "oder"}), frozenset({"and", "&", "+", "und", "et", "y", "e", "en"})


def folded(text: str) -> str:
    """Return a text in small letters and without accents."""
    parted = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


class Mention(NamedTuple):
    """One thing that a text speaks of: a row of the table, and how certain the text is of it."""

    topic: str
    means: str
    wording: str
    certainty: Certainty


Words = tuple[str, ...]
Element = Mapping[str, Sequence[Words]]
"""The choices of words at one place of a phrase, by their first word."""


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


class _Span(NamedTuple):
    """Where a phrase stands in a sentence; `is_exact` where no typing error had to be forgiven."""

    start: int
    end: int
    phrase: Phrase
    is_exact: bool


class _Scope(NamedTuple):
    """What governs the words after a cue."""

    certainty: Certainty
    segment: int


@dataclass(slots=True)
class _Sentence:
    """The words of a sentence with the number of the comma item and of the segment that each stands in."""

    words: list[str] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    after_or: set[int] = field(default_factory=set)
    """The segments that "or", "nor" or "/" parts from the one before."""
    after_comma: set[int] = field(default_factory=set)
    times: Sequence[TypedTime] = ()

    def time(self, index: int) -> TypedTime | None:
        """Return the time that a word stands for."""
        word = self.words[index]
        return self.times[int(word[1:])] if word[0] == "@" else None


class ReasonWords:
    """The rows of reason_words.csv, ready to read texts."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Compile the rows, in which `word_faults` found nothing missing."""
        rows = list(rows)
        self._lists = _lists(rows)
        self._filler = frozenset(word for words in _cue_words(rows, "filler") for word in words if len(words) == 1)
        self._part_words = frozenset(word for part in _PARTS for word in self._lists[part])
        self._abbreviations = _abbreviations(rows)
        self._breaks = _any_of(_cue_words(rows, "break"))
        self._cue_phrases: dict[str, list[tuple[Phrase, Words]]] = defaultdict(list)
        self._phrases: dict[str, list[tuple[Phrase, Words]]] = defaultdict(list)
        lenient: set[str] = set()
        self._known: set[str] = set()
        for phrase in self._compiled(rows):
            table = self._cue_phrases if phrase.topic == "cue" else self._phrases
            for word, choices in phrase.elements[0].items():
                table[word] += [(phrase, choice) for choice in choices]
            choices = chain.from_iterable(chain.from_iterable(one.values()) for one in phrase.elements)
            spelled = set(chain.from_iterable(choices))
            self._known |= spelled
            if phrase.is_lenient:
                lenient |= {word for word in spelled if len(word) >= _SHORTEST_FORGIVEN}
        self._forgiven = sorted(lenient)
        self._corrected = lru_cache(maxsize=20_000)(self._corrections)
        self._said = lru_cache(maxsize=4_000)(self._has_words)

    def read(self, text: str, today: date, limits: Mapping[str, int]) -> list[Mention]:
        """Return what a text says, each once; `limits` are days by topic, and `egfr_below`."""
        if not text or not self._said(text):
            return []
        found: dict[Mention, None] = {}
        for sentence in self._sentences(text, today, limits["egfr_below"]):
            for mention in self._mentions(sentence, today, limits):
                found.setdefault(mention)
        return list(found)

    def opens_with(self, text: str, today: date) -> Certainty:
        """Return how certain a text is of the first thing that it names, whatever that is.

        So the text of a Condition tells whether it denies, suspects, or names a relative (contract section 4).
        """
        for sentence in self._sentences(text, today, 0):
            cues = self._cues(sentence, [])
            governed = {index for cue in cues for index in range(cue.start, cue.end)}
            plain = (i for i, word in enumerate(sentence.words) if i not in governed and word not in self._filler)
            first = next((i for i in plain if sentence.words[i][0] not in "@<?"), None)
            if first is not None:
                last = max(i for i, item in enumerate(sentence.items) if item == sentence.items[first])
                scopes = self._scopes(sentence, cues)
                return self._of_span(sentence, first, last + 1, cues, scopes, is_whole_item=True)
        return Certainty.ASSERTED

    def _has_words(self, text: str) -> bool:
        """Tell whether a text has any word of the table: most texts of a record have none."""
        words = set(re.findall(r"[a-z0-9]+", folded(text)))
        return not words.isdisjoint(self._phrases) or any(self._corrected(word) for word in words)

    def _compiled(self, rows: Iterable[Mapping[str, str]]) -> Iterator[Phrase]:
        for number, row in enumerate(rows):
            wanted, unwanted = _beside(row["beside"])
            for spelling in _spellings(row["words"]):
                elements = tuple(map(self._element, spelling))
                is_lenient = row["topic"] not in {*TRIGGERS, "cue"}
                yield Phrase(number, row["topic"], row["means"], elements, wanted, unwanted, row["wording"], is_lenient)

    def _element(self, word: str) -> Element:
        if word.startswith("<"):
            return self._lists[word[1:-1]]
        return {word: ((word,),)}

    # Step 1: a text -> its sentences

    def _sentences(self, text: str, today: date, low_filtration: int) -> Iterator[_Sentence]:
        plain = _NOT_SHORT.sub("nt", folded(text))
        plain = self._abbreviations.sub(r"\1 ", _WITH_SLASH.sub("with ", _OVER_SLASH.sub(r"\1\2", plain)))
        plain = _AGE.sub(" ", _MINUS.sub(" neg ", _PLUS.sub(" positive ", plain)))
        plain = _FULL_GRADE.sub(" normal ", _GRADE.sub(" grade ", plain))
        plain = _FILTRATION.sub(lambda match: " lowegfr " if int(match[1]) < low_filtration else " egfr ", plain)
        plain, times = cut_times(plain, today)
        plain = _DASH.sub(" , ", _BULLET.sub(" , ", plain))
        plain = _QUESTION_BEFORE.sub(_asked, plain).replace("?", f" {_ASKED_AFTER} ")
        plain = plain.replace("<< ", "<? ").replace(">> ", "?> ")
        for part in _SENTENCE_END.split(self._breaks.sub(" ; ", plain)):
            words = _TOKEN.findall(part)[:_MOST_WORDS]
            if words:
                yield self._sentence(self._without_idioms(words), times)

    def _without_idioms(self, words: list[str]) -> list[str]:
        kept, index = [], 0
        while index < len(words):
            ends = [span.end for span in self._cues_at(words, index) if span.phrase.means == "idiom"]
            if ends:
                index = max(ends)
            else:
                kept.append(words[index])
                index += 1
        return kept

    # Step 2: a sentence -> items and segments

    def _sentence(self, words: list[str], times: Sequence[TypedTime]) -> _Sentence:
        sentence = _Sentence(times=times)
        item = segment = 0
        pending = ""
        for index, word in enumerate(words):
            if word in _SEPARATORS or word in _AND or word in _OR:
                if word == "," and not self._stands_alone(words[index + 1 :]):
                    pending = ","
                elif word != "," and pending != ",":
                    pending = word
                elif word in _OR:
                    pending = ",or"
                continue
            if pending and sentence.words:
                segment += 1
                item += pending.startswith(",")
                if pending.endswith("or") or pending in _OR:
                    sentence.after_or.add(segment)
                if pending.startswith(","):
                    sentence.after_comma.add(segment)
            pending = ""
            sentence.words.append(word)
            sentence.items.append(item)
            sentence.segments.append(segment)
        return sentence

    def _stands_alone(self, rest: list[str]) -> bool:
        """Tell whether the next comma item is nothing but a time, or what is said of the item before ("resolved")."""
        item = rest[: rest.index(",")] if "," in rest else rest
        ends = {0}
        said = False
        for index, word in enumerate(item):
            if index not in ends:
                continue
            if word[0] == "@" or word == _ASKED_AFTER:
                ends.add(index + 1)
                said = True
            if word in self._filler:
                ends.add(index + 1)
            for span in self._cues_at(item, index):
                if span.phrase.means in ("denied_after", "question_after", "doubted_after", "past_item", "chronic"):
                    ends.add(span.end)
                    said = True
        return said and len(item) in ends

    # Step 3: what stands in a sentence

    def _cues_at(self, words: Sequence[str], index: int) -> Iterator[_Span]:
        """Yield the cues that begin at a word; a typing error is never forgiven in them."""
        for phrase, first in self._cue_phrases.get(words[index], ()):
            yield from self._matched(phrase, first, words, index, is_exact=True)

    def _findings_at(self, words: Sequence[str], index: int) -> Iterator[_Span]:
        """Yield the findings and lists that begin at a word, or at what it is a typing error of."""
        word = words[index]
        for phrase, first in self._phrases.get(word, ()):
            yield from self._matched(phrase, first, words, index, is_exact=True)
        for right in self._corrected(word):
            for phrase, first in self._phrases.get(right, ()):
                if phrase.is_lenient:
                    yield from self._matched(phrase, first, words, index, is_exact=False)

    def _matched(
        self, phrase: Phrase, first: Words, words: Sequence[str], index: int, *, is_exact: bool
    ) -> Iterator[_Span]:
        """Yield where a phrase stands whose first element begins at a word: `first` is the choice that begins so."""
        fits = self._fits(first, words, index, phrase)
        end = index + len(first)
        for element in phrase.elements[1:]:
            if fits is None:
                return
            is_exact = is_exact and fits
            best = max(self._choices(element, words, end, phrase), default=None)
            if best is None and phrase.topic not in ("cue", "list"):
                best = max(self._choices(element, words, self._skipped(words, end), phrase), default=None)
            end, fits = best or (end, None)
        if fits is not None:
            yield _Span(index, end, phrase, is_exact and fits)

    def _choices(
        self, element: Element, words: Sequence[str], start: int, phrase: Phrase
    ) -> Iterator[tuple[int, bool]]:
        """Yield where each choice of an element ends that stands at a word, and whether it is spelled right."""
        if start >= len(words):
            return
        word = words[start]
        for right in (word, *(self._corrected(word) if phrase.is_lenient else ())):
            for choice in element.get(right, ()):
                fits = self._fits(choice, words, start, phrase)
                if fits is not None:
                    yield start + len(choice), fits

    def _fits(self, choice: Words, words: Sequence[str], start: int, phrase: Phrase) -> bool | None:
        """Tell whether words stand at a place: True as they are spelled, False with typing errors, None if not."""
        there = tuple(words[start : start + len(choice)])
        if there == choice:
            return True
        if len(there) < len(choice) or not phrase.is_lenient:
            return None
        same = (a == b or a in self._corrected(b) for a, b in zip(choice, there, strict=True))
        return False if all(same) else None

    def _skipped(self, words: Sequence[str], index: int) -> int:
        """Return the next word that is no filler."""
        while index < len(words) and words[index] in self._filler:
            index += 1
        return index

    def _corrections(self, word: str) -> tuple[str, ...]:
        """Return the words of brakes that a word is a typing error of."""
        if len(word) < _SHORTEST_FORGIVEN - 1 or word in self._known or not word.isalpha():
            return ()
        found = process.extract(word, self._forgiven, scorer=OSA.distance, score_cutoff=1, limit=None)
        return tuple(right for right, _, _ in found)

    def _spans(self, sentence: _Sentence) -> list[_Span]:
        """Return all findings and lists in a sentence, in the order of the table."""
        everything = (
            span
            for index in range(len(sentence.words))
            for span in self._findings_at(sentence.words, index)
            if self._stays_within(span, sentence)
        )
        return sorted(dict.fromkeys(everything), key=lambda span: (span.phrase.row, span.start, -span.end))

    def _stays_within(self, span: _Span, sentence: _Sentence) -> bool:
        """Tell whether a phrase crosses no comma, and "and" or "or" only between two choices of one list."""
        if sentence.items[span.start] != sentence.items[span.end - 1]:
            return False
        is_in_one = sentence.segments[span.start] == sentence.segments[span.end - 1]
        elements = span.phrase.elements
        return is_in_one or any(one is other for one, other in pairwise(elements)) or span.phrase.topic == "list"

    def _cues(self, sentence: _Sentence, findings: Iterable[_Span]) -> list[_Span]:
        """Return the cues of a sentence, of several at one place the longest; none within a longer finding."""
        found: list[_Span] = []
        longer = [(one.start, one.end) for one in findings if one.end - one.start > 1]
        index = 0
        while index < len(sentence.words):
            spans = [span for span in self._cues_at(sentence.words, index) if not _is_within(span, longer)]
            end = max((span.end for span in spans), default=index + 1)
            found += [span for span in spans if span.end == end]
            index = end if end - index > 1 else index + 1
        return found

    # Step 4: which findings hold

    def _mentions(self, sentence: _Sentence, today: date, limits: Mapping[str, int]) -> Iterator[Mention]:
        spans = self._spans(sentence)
        findings = [span for span in spans if span.phrase.topic != "list"]
        lists = [span for span in spans if span.phrase.topic == "list"]
        if not findings:
            return
        held = self._held(findings, sentence, lists)
        cues = self._cues(sentence, held)
        scopes = self._scopes(sentence, cues)
        for span in held:
            certainty = self._certainty(span, sentence, cues, scopes, held, today, limits)
            yield Mention(span.phrase.topic, span.phrase.means, span.phrase.wording, certainty)

    def _held(self, findings: Iterable[_Span], sentence: _Sentence, lists: Sequence[_Span]) -> list[_Span]:
        """Return the findings that hold; of one topic none within a longer one, and of the same words the first."""
        held: dict[str, list[_Span]] = defaultdict(list)
        for span in findings:
            if self._holds(span, sentence, lists):
                held[span.phrase.topic].append(span)
        return [
            span
            for same in held.values()
            for number, span in enumerate(same)
            if not any(_covers(one, span, earlier=other < number) for other, one in enumerate(same) if other != number)
        ]

    def _holds(self, span: _Span, sentence: _Sentence, lists: Sequence[_Span]) -> bool:
        """Tell whether the lists that a row wants stand beside it, and none that it does not want."""
        phrase = span.phrase
        item = sentence.items[span.start]
        for name in phrase.unwanted:
            if name in _PARTS:
                if name in self._parts(span, sentence, lists, exact=False):
                    return False
            elif name == _DURATION:
                if any(t and t.is_duration for t in map(sentence.time, range(len(sentence.words)))):
                    return False
            elif any(one.phrase.means == name and sentence.items[one.start] == item for one in lists):
                return False
        return all(self._stands_beside(name, span, sentence, lists) for name in phrase.wanted)

    def _stands_beside(self, name: str, span: _Span, sentence: _Sentence, lists: Sequence[_Span]) -> bool:
        if name in _PARTS and not span.phrase.is_lenient:
            return name in self._parts(span, sentence, lists, exact=True)
        if any(one.phrase.means == name for one in lists):
            return True
        times = map(sentence.time, range(len(sentence.words)))
        return name == "acute" and any(time and time.is_days for time in times)

    def _parts(self, span: _Span, sentence: _Sentence, lists: Sequence[_Span], *, exact: bool) -> set[str]:
        """Return the parts of the body that a sign is of.

        Those of its segment with the bare parts listed just before it; else of the nearest segment after it in its
        comma item, or of a next item that is nothing but a part; else of the nearest segment before it.
        """
        by_segment: dict[int, set[str]] = defaultdict(set)
        for one in lists:
            if one.phrase.means in _PARTS and (one.is_exact or not exact):
                by_segment[sentence.segments[one.start]].add(one.phrase.means)
        own = sentence.segments[span.start]
        if own in by_segment:
            found, before = set(by_segment[own]), own - 1
            while before in by_segment and before + 1 not in sentence.after_comma and self._is_bare(before, sentence):
                found |= by_segment[before]
                before -= 1
            return found
        last = sentence.segments[-1]
        for after in range(own + 1, last + 1):
            if after in sentence.after_comma and not self._is_bare(after, sentence):
                break
            if after in by_segment:
                return by_segment[after]
        return next((by_segment[before] for before in range(own - 1, -1, -1) if before in by_segment), set())

    def _is_bare(self, segment: int, sentence: _Sentence) -> bool:
        """Tell whether a segment names a part of the body and says nothing of it."""
        words = [word for word, number in zip(sentence.words, sentence.segments, strict=True) if number == segment]
        return not any(
            span.phrase.topic not in ("list", "lower_body", "upper_limb")
            for index in range(len(words))
            for span in self._findings_at(words, index)
        )

    # Step 5: how certain they are

    def _scopes(self, sentence: _Sentence, cues: Sequence[_Span]) -> list[_Scope | None]:
        """Return what governs each word: the last denial, question or doubt before it that no word has ended."""
        by_start: dict[int, list[_Span]] = defaultdict(list)
        for cue in cues:
            by_start[cue.start].append(cue)
        scopes: list[_Scope | None] = []
        scope: _Scope | None = None
        fresh = -1
        for index, word in enumerate(sentence.words):
            scopes.append(scope)
            here = {cue.phrase.means: cue for cue in by_start.get(index, ())}
            opened = self._opened(here, index, sentence, word)
            if opened:
                certainty, end = opened
                scope, fresh = _Scope(certainty, sentence.segments[index]), end
            elif "termination" in here and not (
                "mild_termination" in here and (fresh == index or sentence.segments[index] in sentence.after_or)
                and self._is_first_of_segment_or(fresh, index, sentence)
            ):  # fmt: skip
                scope = None
            elif fresh == index and (word in self._filler or "mild_termination" in here):
                fresh = index + 1
        return scopes

    def _is_first_of_segment_or(self, fresh: int, index: int, sentence: _Sentence) -> bool:
        """Tell whether a word stands right after its cue, or opens a segment ("no pain or new weakness")."""
        return fresh == index or index == 0 or sentence.segments[index - 1] != sentence.segments[index]

    def _opened(
        self, here: Mapping[str, _Span], index: int, sentence: _Sentence, word: str
    ) -> tuple[Certainty, int] | None:
        """Return what a cue at a word opens: a cue with nothing after it in its comma item looks back instead."""
        if word == _ASKED_BEFORE:
            return Certainty.ASKED, index + 1
        for name, certainty in (
            ("denial", Certainty.DENIED),
            ("doubt", Certainty.UNCLEAR),
            ("question", Certainty.ASKED),
        ):
            if name in here:
                end = here[name].end
                if not self._ends_item(index, end, sentence):
                    return certainty, end
        return None

    def _ends_item(self, start: int, end: int, sentence: _Sentence) -> bool:
        item = sentence.items[start]
        has_before = start > 0 and sentence.items[start - 1] == item
        return has_before and (end >= len(sentence.words) or sentence.items[end] != item)

    def _certainty(
        self,
        span: _Span,
        sentence: _Sentence,
        cues: Sequence[_Span],
        scopes: Sequence[_Scope | None],
        findings: Sequence[_Span],
        today: date,
        limits: Mapping[str, int],
    ) -> Certainty:
        certainty = self._of_span(sentence, span.start, span.end, cues, scopes, findings=findings, topic=span.phrase)
        if certainty is Certainty.ASSERTED and self._is_past(span, sentence, cues, findings, today, limits):
            return Certainty.PAST
        return certainty

    def _of_span(
        self,
        sentence: _Sentence,
        start: int,
        end: int,
        cues: Sequence[_Span],
        scopes: Sequence[_Scope | None],
        *,
        findings: Sequence[_Span] = (),
        topic: Phrase | None = None,
        is_whole_item: bool = False,
    ) -> Certainty:
        """Return what the cues around a span say of it, but for its time."""
        item = sentence.items[start]
        if self._is_of_relative(item, sentence, cues):
            return Certainty.DENIED
        if self._is_denied_before(sentence, start, cues):
            return Certainty.DENIED
        looked_back = self._looked_back(sentence, start, end, cues, findings, topic, is_whole_item=is_whole_item)
        if looked_back is Certainty.DENIED:
            return looked_back
        scope = scopes[start]
        if scope is not None:
            if scope.certainty is Certainty.DENIED and self._brings_its_own(scope, sentence.segments[start], sentence):
                return Certainty.UNCLEAR
            return scope.certainty
        return looked_back or Certainty.ASSERTED

    def _is_of_relative(self, item: int, sentence: _Sentence, cues: Sequence[_Span]) -> bool:
        names = {cue.phrase.means for cue in cues if sentence.items[cue.start] == item}
        return "family" in names and "reporter" not in names

    def _is_denied_before(self, sentence: _Sentence, start: int, cues: Sequence[_Span]) -> bool:
        """Tell whether a word right before a span takes it back ("resolved foot drop")."""
        return any(
            cue.phrase.means == "denied_before"
            and cue.end <= start
            and sentence.segments[cue.start] == sentence.segments[start]
            and all(self._is_filler(word) for word in sentence.words[cue.end : start])
            for cue in cues
        )

    def _brings_its_own(self, scope: _Scope, segment: int, sentence: _Sentence) -> bool:
        """Tell whether a later item of a denied list has a side, a grade, a time or a verb of its own."""
        if segment == scope.segment or segment in sentence.after_or:
            return False
        within = [i for i, number in enumerate(sentence.segments) if number == segment]
        if any(sentence.words[i][0] == "@" or sentence.words[i] == "grade" for i in within):
            return True
        marks = ("side", "own_verb")
        return any(cue.phrase.means in marks for i in within for cue in self._cues_at(sentence.words, i))

    def _looked_back(
        self,
        sentence: _Sentence,
        start: int,
        end: int,
        cues: Sequence[_Span],
        findings: Sequence[_Span],
        topic: Phrase | None,
        *,
        is_whole_item: bool,
    ) -> Certainty | None:
        """Return what is said after a span of it in its comma item: that it was ruled out, is in question, is unlikely."""
        item, end = sentence.items[start], _end_of_cluster(start, end, findings)
        for cue in cues:
            certainty = self._said_after(cue, sentence)
            if certainty is None or sentence.items[cue.start] != item or cue.start < (start if is_whole_item else end):
                continue
            if is_whole_item:
                return certainty
            nearer = any(
                end <= one.start and one.end <= cue.start
                for one in findings
                if one.phrase.topic not in ("lower_body", "upper_limb")
            )
            clean = all(self._is_filler(word) for word in sentence.words[end : cue.start])
            if clean and not nearer:
                return certainty
            if topic is not None and not topic.is_lenient and not nearer:
                return Certainty.UNCLEAR
            if nearer and self._is_chained(sentence, start, cue) and not (topic and topic.is_lenient):
                return Certainty.UNCLEAR
        if _ASKED_AFTER in sentence.words[end:]:
            index = sentence.words.index(_ASKED_AFTER, end)
            if sentence.items[index] == item:
                return Certainty.ASKED
        return None

    def _is_chained(self, sentence: _Sentence, start: int, cue: _Span) -> bool:
        """Tell whether "and" or "or" joins a finding to the one of which something is said ("A and B ruled out")."""
        return sentence.segments[start] != sentence.segments[cue.start]

    def _said_after(self, cue: _Span, sentence: _Sentence) -> Certainty | None:
        name = cue.phrase.means
        after = {
            "denied_after": Certainty.DENIED,
            "question_after": Certainty.ASKED,
            "doubted_after": Certainty.UNCLEAR,
        }
        if name in after:
            return after[name]
        if self._ends_item(cue.start, cue.end, sentence):
            return {"denial": Certainty.DENIED, "question": Certainty.ASKED, "doubt": Certainty.UNCLEAR}.get(name)
        return None

    def _is_filler(self, word: str) -> bool:
        return word in self._filler or word[0] == "@" or word in self._known

    def _is_past(
        self,
        span: _Span,
        sentence: _Sentence,
        cues: Sequence[_Span],
        findings: Sequence[_Span],
        today: date,
        limits: Mapping[str, int],
    ) -> bool:
        """Tell whether a finding is of the past: by a word before it, a word of its item, or an old date."""
        topic = span.phrase.topic
        item = sentence.items[span.start]
        names = {cue.phrase.means for cue in cues if sentence.items[cue.start] == item}
        days = limits.get(topic, limits["presentation"])
        times = list(self._times_of(span, sentence, cues, findings))
        recent = [time for time in times if time.last >= today - timedelta(days=days)]
        if recent or ("recent" in names and not times):
            return False
        if topic == "emergency":
            chronic = "chronic" in names or ("chronic_sphincter" in names and span.phrase.means == "sphincter")
            if chronic or times:
                return True
        elif topic == "trauma":
            if times or "chronic" in names:
                return True
        elif any(not time.is_duration for time in times):
            return True
        return "past_item" in names or self._follows_past(span, sentence, cues)

    def _follows_past(self, span: _Span, sentence: _Sentence, cues: Sequence[_Span]) -> bool:
        """Tell whether "hx of" or the like governs a finding in its comma item."""
        item = sentence.items[span.start]
        past = False
        for cue in cues:
            if sentence.items[cue.start] != item or cue.start > span.start:
                continue
            if cue.phrase.means == "past" and cue.end <= span.start:
                past = True
            elif cue.phrase.means == "termination" and cue.start < span.start:
                past = False
        return past

    def _times_of(
        self, span: _Span, sentence: _Sentence, cues: Sequence[_Span], findings: Sequence[_Span]
    ) -> Iterator[TypedTime]:
        """Yield the times of a finding: each belongs to the nearest finding before it in its item, else after it.

        After "s/p", "after" and the like a time is of the operation or accident that is named there.
        """
        item = sentence.items[span.start]
        times = [i for i in range(len(sentence.words)) if sentence.time(i) and sentence.items[i] == item]
        events = [one for one in findings if one.phrase.topic not in _NO_EVENT and sentence.items[one.start] == item]
        after = [cue.end for cue in cues if cue.phrase.means == "after"]
        for index in times:
            time = sentence.time(index)
            assert time is not None
            if index >= span.end:
                between = [one for one in events if span.end <= one.start and one.end <= index]
                own = all(
                    one.phrase.topic == span.phrase.topic and not _any_in(times, span.end, one.start) for one in between
                )
                named = any(span.end <= end <= index for end in after) and not time.is_duration
                belongs = own and not named
            else:
                belongs = not any(
                    one.start < index or one.start < span.start for one in events if one.end <= span.start
                )
            if belongs:
                yield time


def _end_of_cluster(start: int, end: int, findings: Iterable[_Span]) -> int:
    """Return where the findings end that overlap a span, or one another from there on."""
    for one in sorted(findings, key=lambda one: one.start):
        if start <= one.start < end < one.end:
            end = one.end
    return end


def _covers(one: _Span, span: _Span, *, earlier: bool) -> bool:
    """Tell whether a span lies within another one, or has the same words and a later row."""
    if one.start <= span.start and span.end <= one.end:
        return earlier or one.end - one.start > span.end - span.start
    return False


def _is_within(span: _Span, longer: Iterable[tuple[int, int]]) -> bool:
    size = span.end - span.start
    return any(start <= span.start and span.end <= end and size < end - start for start, end in longer)


def word_faults(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield what the rows lack: a cue or a list that the code or another row asks for."""
    rows = list(rows)
    cues = {row["means"] for row in rows if row["topic"] == "cue"}
    lists = {row["means"] for row in rows if row["topic"] == "list"}
    yield from (f"no cue {name}" for name in CUES if name not in cues)
    named = {name for row in rows for name in row["beside"].split() if name not in ("not", _DURATION)}
    named |= {name for row in rows for name in re.findall(r"<(\w+)>", row["words"])}
    yield from (f"no list {name}" for name in sorted({*_PARTS, *named} - lists))


def _any_in(numbers: Iterable[int], first: int, last: int) -> bool:
    return any(first <= number < last for number in numbers)


def _asked(match: re.Match[str]) -> str:
    """Part a question mark before a word from one after a word, which is parted from the next by a space."""
    before = match.string[match.start() - 1 : match.start()]
    if before.strip() and before not in ",(;:/-" and match[0].endswith((" ", "\n")):
        return f" {'<<'} "
    return f" {'>>'} "


def _spellings(cell: str) -> Iterator[Words]:
    """Yield the spellings of a cell: each its words."""
    for spelling in cell.split(";"):
        if words := tuple(re.findall(r"<\w+>|[a-z0-9]+", folded(spelling))):
            yield words


def _lists(rows: Iterable[Mapping[str, str]]) -> dict[str, dict[str, list[Words]]]:
    lists: dict[str, dict[str, list[Words]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for words in _spellings(row["words"]) if row["topic"] == "list" else ():
            lists[row["means"]][words[0]].append(words)
    return {name: dict(words) for name, words in lists.items()}


def _cue_words(rows: Iterable[Mapping[str, str]], means: str) -> Iterator[Words]:
    for row in rows:
        if (row["topic"], row["means"]) == ("cue", means):
            yield from _spellings(row["words"])


def _any_of(spellings: Iterable[Words]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(' '.join(words) for words in spellings)})\b")


def _abbreviations(rows: Iterable[Mapping[str, str]]) -> re.Pattern[str]:
    """Match the point after an abbreviation, which ends no sentence."""
    words = "|".join(sorted(re.escape(words[0]) for words in _cue_words(rows, "abbreviation")))
    return re.compile(rf"\b({words})\.(?=\s*\S)")


def _beside(cell: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lists that must stand beside a row, and after `not` each of those that must not."""
    unwanted = tuple(re.findall(r"\bnot (\w+)", cell))
    return tuple(name for name in cell.split() if name != "not" and name not in unwanted), unwanted

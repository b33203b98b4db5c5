"""Step 3: which of the words in a sentence are findings: those beside which stands what their rows want."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import pairwise

from cds_service.knowledge.typed_text.sentences import Sentence
from cds_service.knowledge.typed_text.vocabulary import DURATION, PARTS, Span, Vocabulary

ACUTE = "acute"
"""The list for which a time of hours or days stands, too."""

_NAMES_A_PART = frozenset({"list", "lower_body", "upper_limb"})
"""The topics that say nothing of the part of the body that they name."""
_PART_OF_THE_BODY = "part_of_the_body"
_NO_PARTS: AbstractSet[str] = frozenset()


def held(sentence: Sentence, vocabulary: Vocabulary) -> list[Span]:
    """Return the findings of a sentence; of one topic none within a longer one, and of the same words the first row."""
    spans = [span for span in vocabulary.findings_in(sentence.words) if _stays_within(span, sentence)]
    findings = sorted([span for span in spans if span.phrase.topic != "list"], key=_row)
    if not findings:
        return []
    beside = _Beside(sentence, spans, vocabulary)
    by_topic: dict[str, list[Span]] = {}
    for span in findings:
        if beside.fits(span):
            topic = span.phrase.topic
            by_topic.setdefault(_PART_OF_THE_BODY if topic in _NAMES_A_PART else topic, []).append(span)
    return [span for spans_of_topic in by_topic.values() for span in _not_covered(spans_of_topic)]


def _row(span: Span) -> int:
    return span.phrase.row


def _stays_within(span: Span, sentence: Sentence) -> bool:
    """Tell whether a phrase crosses no comma, and "and" or "or" only between two choices of one list."""
    first, last = span.start, span.end - 1
    if first == last:
        return True
    if sentence.items[first] != sentence.items[last]:
        return False
    if sentence.segments[first] == sentence.segments[last] or span.phrase.topic == "list":
        return True
    return any(element is following for element, following in pairwise(span.phrase.elements))


def _not_covered(spans: Sequence[Span]) -> list[Span]:
    """Return the spans that lie within no longer one; of those of the same words the first."""
    longest: dict[int, Span] = {}
    for span in spans:
        if span.start not in longest or span.end > longest[span.start].end:
            longest[span.start] = span
    uncovered: list[Span] = []
    for _, span in sorted(longest.items()):
        if not uncovered or span.end > uncovered[-1].end:
            uncovered.append(span)
    return sorted(uncovered, key=_row)


def _not_within_longer(spans: Sequence[Span]) -> list[Span]:
    """Return the spans that lie within no longer one; those of the same words are all kept."""
    uncovered = {(span.start, span.end) for span in _not_covered(spans)}
    return [span for span in spans if (span.start, span.end) in uncovered]


class _Beside:
    """What stands in a sentence beside its findings."""

    def __init__(self, sentence: Sentence, spans: Sequence[Span], vocabulary: Vocabulary) -> None:
        self._sentence, self._vocabulary, self._spans = sentence, vocabulary, spans
        self._lists: dict[str, dict[int, list[Span]]] = {}
        """By name and comma item."""
        for span in spans:
            if span.phrase.topic == "list":
                of_name = self._lists.setdefault(span.phrase.means, {})
                of_name.setdefault(sentence.items[span.start], []).append(span)
        times = [sentence.time(place) for place in sentence.time_places]
        self._has_duration = any(time.is_duration for time in times)
        self._has_days = any(time.is_days for time in times)
        self._is_all: dict[tuple[str, int], bool] = {}
        self._parts_of: dict[tuple[bool, int, int], AbstractSet[str]] = {}
        self._bare: dict[int, bool] = {}

    def fits(self, span: Span) -> bool:
        """Tell whether the lists that a row wants stand beside it, and none that it does not want."""
        for name in span.phrase.unwanted:
            if self._is_unwanted(name, span):
                return False
        return not span.phrase.wanted or all(self._is_wanted(name, span) for name in span.phrase.wanted)

    def _is_unwanted(self, name: str, span: Span) -> bool:
        if name in PARTS:
            return name in self._parts(span, exact=False)
        if name == DURATION:
            return self._has_duration
        return self._is_in_item(name, span)

    def _is_in_item(self, name: str, span: Span) -> bool:
        """Tell whether a list stands in the comma item of a finding, or is all of the next ("radiation, prostate")."""
        by_item, item = self._lists.get(name), self._sentence.items[span.start]
        return by_item is not None and (item in by_item or (item + 1 in by_item and self._is_all_of(name, item + 1)))

    def _is_all_of(self, name: str, item: int) -> bool:
        """Tell whether a comma item has nothing but words of one list, and fillers."""
        if (name, item) not in self._is_all:
            covered = {place for span in self._lists[name][item] for place in range(span.start, span.end)}
            words, fillers = self._sentence.words, self._vocabulary.fillers
            others = [place for place in self._sentence.in_item(item) if words[place] not in fillers]
            self._is_all[name, item] = covered.issuperset(others)
        return self._is_all[name, item]

    def _is_wanted(self, name: str, span: Span) -> bool:
        """Tell whether a list stands beside: a trigger must be of it, and a brake need only stand in its sentence."""
        if not span.phrase.is_lenient:
            return name in self._parts(span, exact=True) if name in PARTS else self._is_in_item(name, span)
        return name in self._lists or (name == ACUTE and self._has_days)

    def _parts(self, span: Span, *, exact: bool) -> AbstractSet[str]:
        """Return the parts of the body that a sign is of.

        Those of its segment with the bare parts listed just before it; else of the nearest segment after it in its
        comma item, or of a next item that is nothing but a part; else of the nearest segment before it.
        """
        key = exact, span.start, span.end
        if key not in self._parts_of:
            by_segment, own = self._parts_by_segment[exact], self._sentence.segments[span.start]
            if own in by_segment and (parts := self._own_parts(span, exact=exact)):
                self._parts_of[key] = parts | self._listed_before(own, by_segment)
            else:
                self._parts_of[key] = self._parts_elsewhere[exact][own] if by_segment else _NO_PARTS
        return self._parts_of[key]

    @cached_property
    def _parts_elsewhere(self) -> dict[bool, list[AbstractSet[str]]]:
        """By whether they must be spelled right, and segment, the parts of the nearest other one."""
        return {is_exact: self._elsewhere(by_segment) for is_exact, by_segment in self._parts_by_segment.items()}

    def _elsewhere(self, by_segment: Mapping[int, AbstractSet[str]]) -> list[AbstractSet[str]]:
        parts: list[AbstractSet[str]] = []
        before: AbstractSet[str] = _NO_PARTS
        for segment in range(self._sentence.segments[-1] + 1):
            parts.append(before)
            before = by_segment.get(segment, before)
        after: AbstractSet[str] | None = None
        for segment in reversed(range(len(parts))):
            parts[segment] = parts[segment] if after is None else after
            ends = segment in self._sentence.after_comma and not self._is_bare(segment)
            after = None if ends else by_segment.get(segment, after)
        return parts

    @cached_property
    def _parts_named(self) -> list[Span]:
        """The parts of the body: "wrist dorsiflexion" is of the arm, though dorsiflexion alone is of the leg."""
        by_item = [self._lists[name] for name in PARTS if name in self._lists]
        return _not_within_longer([span for spans in by_item for of_item in spans.values() for span in of_item])

    @cached_property
    def _parts_by_segment(self) -> dict[bool, dict[int, set[str]]]:
        """By whether they must be spelled right, and segment."""
        return {is_exact: self._by_segment(exact=is_exact) for is_exact in (False, True)}

    def _own_parts(self, span: Span, *, exact: bool) -> set[str]:
        """Return the parts in its segment, but for those of a denial behind it ("arm weakness no leg weakness")."""
        own = self._sentence.segments[span.start]
        place = bisect_left(self._denials, span.end)
        if place == len(self._denials) or self._sentence.segments[self._denials[place]] != own:
            return self._parts_by_segment[exact][own]
        starts, parts_before = self._parts_in_order[exact, own]
        return parts_before[bisect_left(starts, self._denials[place])]

    @cached_property
    def _denials(self) -> list[int]:
        """The places of the words that deny what follows them."""
        return [cue.start for cue in self._sentence.cues if cue.phrase.means == "denial"]

    @cached_property
    def _parts_in_order(self) -> dict[tuple[bool, int], tuple[list[int], list[set[str]]]]:
        """By segment, where its parts of the body begin, and before each of them, and at last, those named so far."""
        in_order: dict[tuple[bool, int], tuple[list[int], list[set[str]]]] = defaultdict(lambda: ([], [set()]))
        for span in sorted(self._parts_named, key=lambda span: span.start):
            for exact in {span.is_exact, False}:
                starts, parts_before = in_order[exact, self._sentence.segments[span.start]]
                starts.append(span.start)
                parts_before.append(parts_before[-1] | {span.phrase.means})
        return in_order

    def _by_segment(self, *, exact: bool) -> dict[int, set[str]]:
        by_segment: dict[int, set[str]] = defaultdict(set)
        for span in self._parts_named:
            if span.is_exact or not exact:
                by_segment[self._sentence.segments[span.start]].add(span.phrase.means)
        return dict(by_segment)

    def _listed_before(self, own: int, by_segment: dict[int, set[str]]) -> set[str]:
        """Return the bare parts that "and" joins to a segment: "arm and leg weakness" is of both."""
        parts: set[str] = set()
        while own not in self._sentence.after_comma and own - 1 in by_segment and self._is_bare(own - 1):
            own -= 1
            parts |= by_segment[own]
        return parts

    def _is_bare(self, segment: int) -> bool:
        """Tell whether a segment names a part of the body and says nothing of it."""
        if segment not in self._bare:
            self._bare[segment] = segment not in self._speaking_segments and self._names_only_parts(segment)
        return self._bare[segment]

    @cached_property
    def _speaking_segments(self) -> set[int]:
        """The segments that say something by a word alone."""
        segments = self._sentence.segments
        return {
            segments[span.start]
            for span in self._spans
            if span.end == span.start + 1 and span.phrase.topic not in _NAMES_A_PART
        }

    def _names_only_parts(self, segment: int) -> bool:
        words = [self._sentence.words[index] for index in self._sentence.within(segment)]
        return all(span.phrase.topic in _NAMES_A_PART for span in self._vocabulary.findings_in(words))

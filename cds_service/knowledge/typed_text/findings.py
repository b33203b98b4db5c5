"""Step 3: which of the words in a sentence are findings: those beside which stands what their rows want."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from cds_service.knowledge.typed_text.sentences import Sentence
from cds_service.knowledge.typed_text.vocabulary import DURATION, PARTS, Span, Vocabulary

ACUTE = "acute"
"""The list for which a time of hours or days stands, too."""

_NAMES_A_PART = frozenset({"list", "lower_body", "upper_limb"})
"""The topics that say nothing of the part of the body that they name."""
_PART_OF_THE_BODY = "part_of_the_body"


def held(sentence: Sentence, vocabulary: Vocabulary) -> list[Span]:
    """Return the findings of a sentence; of one topic none within a longer one, and of the same words the first row."""
    spans = _spans(sentence, vocabulary)
    findings = [span for span in spans if span.phrase.topic != "list"]
    if not findings:
        return []
    beside = _Beside(sentence, [span for span in spans if span.phrase.topic == "list"], vocabulary)
    by_topic: dict[str, list[Span]] = defaultdict(list)
    for span in findings:
        if beside.fits(span):
            by_topic[_PART_OF_THE_BODY if span.phrase.topic in _NAMES_A_PART else span.phrase.topic].append(span)
    return [
        span
        for same in by_topic.values()
        for number, span in enumerate(same)
        if not any(_covers(one, span, earlier=other < number) for other, one in enumerate(same) if other != number)
    ]


def _spans(sentence: Sentence, vocabulary: Vocabulary) -> list[Span]:
    """Return all findings and lists in a sentence, in the order of the table."""
    everything = (
        span
        for index in range(len(sentence.words))
        for span in vocabulary.findings_at(sentence.words, index)
        if _stays_within(span, sentence)
    )
    return sorted(dict.fromkeys(everything), key=lambda span: (span.phrase.row, span.start, -span.end))


def _stays_within(span: Span, sentence: Sentence) -> bool:
    """Tell whether a phrase crosses no comma, and "and" or "or" only between two choices of one list."""
    first, last = span.start, span.end - 1
    if sentence.items[first] != sentence.items[last]:
        return False
    if sentence.segments[first] == sentence.segments[last] or span.phrase.topic == "list":
        return True
    return any(one is other for one, other in pairwise(span.phrase.elements))


def _covers(one: Span, span: Span, *, earlier: bool) -> bool:
    """Tell whether a span lies within another one, or has the same words and a later row."""
    if one.start <= span.start and span.end <= one.end:
        return earlier or one.end - one.start > span.end - span.start
    return False


class _Beside:
    """What stands in a sentence beside its findings."""

    def __init__(self, sentence: Sentence, lists: Sequence[Span], vocabulary: Vocabulary) -> None:
        parts = [one for one in lists if one.phrase.means in PARTS]
        self._parts_named = [
            one for one in parts if not any(_covers(other, one, earlier=False) for other in parts)
        ]  # "wrist dorsiflexion" is of the arm, though dorsiflexion alone is of the leg
        self._sentence, self._lists, self._vocabulary = sentence, lists, vocabulary

    def fits(self, span: Span) -> bool:
        """Tell whether the lists that a row wants stand beside it, and none that it does not want."""
        if any(self._is_unwanted(name, span) for name in span.phrase.unwanted):
            return False
        return all(self._is_wanted(name, span) for name in span.phrase.wanted)

    def _is_unwanted(self, name: str, span: Span) -> bool:
        if name in PARTS:
            return name in self._parts(span, exact=False)
        if name == DURATION:
            return any(time.is_duration for time in self._sentence.all_times())
        return self._is_in_item(name, span)

    def _is_in_item(self, name: str, span: Span) -> bool:
        item = self._sentence.items[span.start]
        return any(one.phrase.means == name and self._sentence.items[one.start] == item for one in self._lists)

    def _is_wanted(self, name: str, span: Span) -> bool:
        """Tell whether a list stands beside: a trigger must be of it, and a brake need only stand in its sentence."""
        if not span.phrase.is_lenient:
            return name in self._parts(span, exact=True) if name in PARTS else self._is_in_item(name, span)
        if any(one.phrase.means == name for one in self._lists):
            return True
        return name == ACUTE and any(time.is_days for time in self._sentence.all_times())

    def _parts(self, span: Span, *, exact: bool) -> set[str]:
        """Return the parts of the body that a sign is of.

        Those of its segment with the bare parts listed just before it; else of the nearest segment after it in its
        comma item, or of a next item that is nothing but a part; else of the nearest segment before it.
        """
        sentence, by_segment = self._sentence, self._parts_by_segment(exact=exact)
        own = sentence.segments[span.start]
        if own in by_segment:
            return by_segment[own] | self._listed_before(own, by_segment)
        for after in range(own + 1, sentence.segments[-1] + 1):
            if after in sentence.after_comma and not self._is_bare(after):
                break
            if after in by_segment:
                return by_segment[after]
        return next((by_segment[before] for before in range(own - 1, -1, -1) if before in by_segment), set())

    def _parts_by_segment(self, *, exact: bool) -> dict[int, set[str]]:
        by_segment: dict[int, set[str]] = defaultdict(set)
        for one in self._parts_named:
            if one.is_exact or not exact:
                by_segment[self._sentence.segments[one.start]].add(one.phrase.means)
        return dict(by_segment)

    def _listed_before(self, own: int, by_segment: dict[int, set[str]]) -> set[str]:
        """Return the bare parts that "and" joins to a segment: "arm and leg weakness" is of both."""
        found: set[str] = set()
        while own not in self._sentence.after_comma and own - 1 in by_segment and self._is_bare(own - 1):
            own -= 1
            found |= by_segment[own]
        return found

    def _is_bare(self, segment: int) -> bool:
        """Tell whether a segment names a part of the body and says nothing of it."""
        words = [self._sentence.words[index] for index in self._sentence.within(segment)]
        return not any(span.phrase.topic not in _NAMES_A_PART for span in _all_at(words, self._vocabulary))


def _all_at(words: Sequence[str], vocabulary: Vocabulary) -> Iterable[Span]:
    return (span for index in range(len(words)) for span in vocabulary.findings_at(words, index))

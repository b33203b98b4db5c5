"""Step 4: how certain a sentence is of what it names (ConText; contract section 4, "Words").

Whoever sends a text can fill it with findings and cues, so nothing here looks at all cues or words for each finding:
cues and findings stand in order, none of the cues overlap, and the nearest one decides for all that are farther away.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from itertools import accumulate, groupby
from operator import attrgetter
from typing import NamedTuple

from cds_service.knowledge.typed_text.sentences import ASKED_AFTER, ASKED_BEFORE, GRADE, Sentence
from cds_service.knowledge.typed_text.times import TypedTime
from cds_service.knowledge.typed_text.vocabulary import Span, Vocabulary
from cds_service.model import Certainty

_OPENS = {"denial": Certainty.DENIED, "doubt": Certainty.UNCLEAR, "question": Certainty.ASKED}
"""What the cues that govern the words after them make of these."""

_LOOKS_BACK = {
    "denied_after": Certainty.DENIED,
    "doubted_after": Certainty.UNCLEAR,
    "question_after": Certainty.ASKED,
}
"""What the cues that govern what stands before them make of it."""

OPENING_CUES = frozenset({*_OPENS, *_LOOKS_BACK, "family"})
"""The cues without which a text opens with an assertion."""

_NO_EVENT = frozenset({"lower_body", "upper_limb", "spine", "other_question", "stat"})
"""The topics that no typed time is of."""

_HAS_AFTERCARE = frozenset({"emergency", "trauma"})
"""The topics that are past where it is followed up: a sign that is followed up is there."""

_CHANGES_NOTHING = frozenset(
    {
        *("abbreviation", "idiom", "filler", "real_word", "break", "side", "own_verb"),
        *("termination", "mild_termination", "reporter", "recent", "worse", "after", "before"),
    }
)
"""The cues that only limit what others say."""

_NO_CUES: Mapping[str, Span] = {}
_NO_LISTS: Mapping[str, Sequence[Span]] = {}

_DATED_BY = ("after", "before")
"""The cues by which an event only dates what stands before it; what was before a time, is at least as old."""

_ONLY_NAMES = frozenset({"lower_body", "upper_limb"})
"""The topics that take nothing said after them from the finding before."""


class _Scope(NamedTuple):
    """What governs words, the segment in which its cue stands, and where that cue ends."""

    certainty: Certainty
    segment: int
    end: int


class Context:
    """The cues of one sentence, and what they make of its findings."""

    def __init__(self, sentence: Sentence, findings: Sequence[Span], vocabulary: Vocabulary) -> None:
        self._sentence, self._findings, self._vocabulary = sentence, findings, vocabulary
        self._cues = self._cues_outside()
        self._own_by_segment: dict[int, bool] = {}
        self._parting_cues: dict[tuple[str, bool], list[Span]] = {}

    def certainty(self, finding: Span, today: date, limits: Mapping[str, int]) -> Certainty:
        """Return how certain the sentence is of a finding; `limits` are days by topic."""
        if self._is_all_asserted:
            return Certainty.ASSERTED
        certainty = self._certainty_now(finding)
        if certainty is Certainty.ASSERTED and self._is_past(finding, today, limits):
            return Certainty.PAST
        return certainty

    @cached_property
    def _is_all_asserted(self) -> bool:
        """Tell whether the sentence has nothing by which it could say that something is not so: most have not."""
        words = self._sentence.words
        has_mark = self._sentence.time_places or ASKED_BEFORE in words or ASKED_AFTER in words
        return not has_mark and all(cue.phrase.means in _CHANGES_NOTHING for cue in self._cues)

    def opening(self) -> Certainty | None:
        """Return how certain the sentence is of the first thing in it, or None where it has nothing but cues."""
        governed = {index for cue in self._cues for index in range(cue.start, cue.end)}
        words = self._sentence.words
        plain = (index for index, word in enumerate(words) if index not in governed and word[0] not in "@<?")
        first = next(plain, None)
        if first is None:
            return None
        item = self._sentence.items[first]
        for cue in self._cues:
            if cue.start > first and self._sentence.items[cue.start] == item and (certainty := self._said_after(cue)):
                return certainty
        if item in self._items_of_relatives or self._ends_with_relative():
            return Certainty.DENIED
        scope = self._scopes[first]
        return scope.certainty if scope else self._asked_after(first) or Certainty.ASSERTED

    def _ends_with_relative(self) -> bool:
        """Tell whether a comma item is nothing but a relative ("Prostate cancer, father")."""
        for cue in self._cues:
            if cue.phrase.means == "family" and self._sentence.items[cue.start] in self._items_of_relatives:
                other_words = (
                    i for i in self._words_by_item[self._sentence.items[cue.start]] if not cue.start <= i < cue.end
                )
                if all(self._sentence.words[index] in self._vocabulary.fillers for index in other_words):
                    return True
        return False

    # The cues, and the words that each governs

    def _cues_outside(self) -> list[Span]:
        """Return the cues, of several at one place the longest; none within a longer finding ("no rectal tone")."""
        size = len(self._sentence.words)
        longest = _longest_ends(self._findings, size)
        farthest = [0, *accumulate(longest, max)]  # of the findings that begin before each word, the last end
        cues: list[Span] = []
        index = 0
        for start, group in groupby(self._sentence.cues, _start):
            if start < index:
                continue
            spans = [span for span in group if span.end > farthest[start] and span.end >= longest[start]]
            index = spans[-1].end if spans else start + 1
            cues += [span for span in spans if span.end == index]
        return cues

    @cached_property
    def _scopes(self) -> list[_Scope | None]:
        """What governs each word: the last denial, question or doubt before it that no word has ended.

        What stands right after its cue does not end it ("denies any new weakness"), nor after "or".
        """
        by_start: dict[int, dict[str, Span]] = {}
        for cue in self._cues:
            by_start.setdefault(cue.start, {})[cue.phrase.means] = cue
        scopes: list[_Scope | None] = []
        scope, right_after = None, -1
        for index, word in enumerate(self._sentence.words):
            scopes.append(scope)
            cues_here = by_start.get(index, _NO_CUES)
            if (cues_here or word == ASKED_BEFORE) and (opened := self._opened(index, cues_here)):
                certainty, right_after = opened
                scope = _Scope(certainty, self._sentence.segments[index], right_after)
            elif "termination" in cues_here and not (
                "mild_termination" in cues_here and self._goes_on(index, right_after)
            ):
                scope = None
            elif right_after == index and ("mild_termination" in cues_here or word in self._vocabulary.fillers):
                right_after = index + 1
        return scopes

    def _goes_on(self, index: int, right_after: int) -> bool:
        segments = self._sentence.segments
        opens_segment = index > 0 and segments[index - 1] != segments[index]
        return index == right_after or (opens_segment and segments[index] in self._sentence.after_or)

    def _opened(self, index: int, cues_here: Mapping[str, Span]) -> tuple[Certainty, int] | None:
        """Return what a cue opens, and where it ends; one with nothing after it in its item looks back instead."""
        if self._sentence.words[index] == ASKED_BEFORE:
            return Certainty.ASKED, index + 1
        for name, certainty in _OPENS.items():
            if name in cues_here and not self._sentence.ends_item(index, cues_here[name].end):
                return certainty, cues_here[name].end
        return None

    def _cues_of_item(self, item: int, means: str) -> Sequence[Span]:
        """Return the cues of one meaning in a comma item."""
        return self._cues_by_item.get(item, _NO_LISTS).get(means, ())

    @cached_property
    def _cues_by_item(self) -> dict[int, dict[str, list[Span]]]:
        """By comma item and meaning, the cues."""
        by_item: dict[int, dict[str, list[Span]]] = {}
        for cue in self._cues:
            by_item.setdefault(self._sentence.items[cue.start], {}).setdefault(cue.phrase.means, []).append(cue)
        return by_item

    @cached_property
    def _words_by_item(self) -> dict[int, list[int]]:
        by_item: dict[int, list[int]] = defaultdict(list)
        for index, item in enumerate(self._sentence.items):
            by_item[item].append(index)
        return dict(by_item)

    # What they make of a finding, but for its time

    def _certainty_now(self, finding: Span) -> Certainty:
        start = finding.start
        if self._sentence.items[start] in self._items_of_relatives or self._is_taken_back_before(start):
            return Certainty.DENIED
        said_after = self._said_after_finding(finding)
        if said_after is Certainty.DENIED:
            return said_after
        scope = self._scopes[start]
        if scope is None or self._is_only_dated_by(scope, finding):
            return said_after or Certainty.ASSERTED
        if scope.certainty is Certainty.DENIED and self._brings_its_own(scope, self._sentence.segments[start]):
            return Certainty.UNCLEAR
        return scope.certainty

    @cached_property
    def _items_of_relatives(self) -> set[int]:
        """The comma items that speak of a relative, who does not tell what is in them."""
        return {item for item, cues in self._cues_by_item.items() if "family" in cues and "reporter" not in cues}

    def _is_taken_back_before(self, start: int) -> bool:
        """Tell whether a word right before a finding takes it back ("resolved foot drop")."""
        if not self._takes_back:
            return False
        segments = self._sentence.segments
        cue = _last_before(self._takes_back, start)
        return (
            cue is not None
            and segments[cue.start] == segments[start]
            and self._is_clean(cue.end, start)
            and not self._is_parted(cue.end, start, "termination")
        )

    @cached_property
    def _takes_back(self) -> list[Span]:
        return [cue for cue in self._cues if cue.phrase.means == "denied_before"]

    def _is_only_dated_by(self, scope: _Scope, finding: Span) -> bool:
        """Tell whether what is denied is dated by an injury: "no weakness after a fall" denies no fall."""
        if scope.certainty is not Certainty.DENIED or finding.phrase.topic != "trauma":
            return False
        cue = _last_before(self._cues_dated_by, finding.start)
        segments = self._sentence.segments
        return cue is not None and cue.start > scope.end and segments[cue.start] == segments[finding.start]

    def _brings_its_own(self, scope: _Scope, segment: int) -> bool:
        """Tell whether a later item of a denied list has a side, a grade, a time or a verb of its own."""
        if segment == scope.segment or segment in self._sentence.after_or:
            return False
        if segment not in self._own_by_segment:
            self._own_by_segment[segment] = any(map(self._is_own, self._sentence.within(segment)))
        return self._own_by_segment[segment]

    def _is_own(self, index: int) -> bool:
        words = self._sentence.words
        return words[index][0] == "@" or words[index] == GRADE or index in self._own_cue_starts

    @cached_property
    def _own_cue_starts(self) -> set[int]:
        return {cue.start for cue in self._sentence.cues if cue.phrase.means in ("side", "own_verb")}

    def _said_after_finding(self, finding: Span) -> Certainty | None:
        """Return what its comma item says after a finding: that it was ruled out, is in question, is unlikely.

        That is of the nearest finding before it. A sign with other words between is not certain then, nor one that
        "and" or "or" joins to that finding.
        """
        segments = self._sentence.segments
        end = self._cluster_ends[finding.start]
        cues = self._saying_cues.get(self._sentence.items[finding.start], [])
        place = bisect_left(cues, end, key=_start)
        if place == len(cues):
            return self._asked_after(end)
        cue = cues[place]
        is_nearest = not self._nearer(end, cue.start)
        if is_nearest and self._is_clean(end, cue.start):
            return self._said_after(cue)
        is_joined = segments[finding.start] != segments[cues[-1].start]
        if not finding.phrase.is_lenient and (is_joined or is_nearest):
            return Certainty.UNCLEAR
        return self._asked_after(end)

    @cached_property
    def _saying_cues(self) -> dict[int, list[Span]]:
        """By comma item, the cues that say something of what stands before them."""
        by_item: dict[int, list[Span]] = defaultdict(list)
        for cue in self._cues:
            if self._said_after(cue):
                by_item[self._sentence.items[cue.start]].append(cue)
        return dict(by_item)

    @cached_property
    def _cluster_ends(self) -> list[int]:
        """By the start of a finding, where the findings end that overlap it, or one another from there on."""
        ends = _longest_ends(self._findings, len(self._sentence.words))
        for start in range(len(ends) - 1, -1, -1):
            if ends[start] > start + 1:
                ends[start] = max(ends[start : ends[start]])
        return ends

    def _said_after(self, cue: Span) -> Certainty | None:
        """Return what a cue says of what stands before it, or None."""
        name = cue.phrase.means
        if name in _LOOKS_BACK:
            return _LOOKS_BACK[name]
        return _OPENS.get(name) if self._sentence.ends_item(cue.start, cue.end) else None

    def _asked_after(self, end: int) -> Certainty | None:
        """Tell whether a question mark stands in the comma item of the word before `end`, after it."""
        item = self._sentence.items[max(0, end - 1)]
        return Certainty.ASKED if self._last_question.get(item, -1) >= end else None

    @cached_property
    def _last_question(self) -> dict[int, int]:
        """By comma item, the place of its last question mark."""
        words, items = self._sentence.words, self._sentence.items
        return {items[index]: index for index, word in enumerate(words) if word == ASKED_AFTER}

    def _nearer(self, end: int, start: int) -> bool:
        return self._first_ends.at(end) <= start

    @cached_property
    def _first_ends(self) -> "_FirstEnds":
        """The first end of the findings, but for those that only name a part."""
        findings = [finding for finding in self._findings if finding.phrase.topic not in _ONLY_NAMES]
        return _FirstEnds(findings, self._beyond)

    def _is_clean(self, first: int, last: int) -> bool:
        """Tell whether nothing but words of the table, and times stands between two places: no other disease."""
        return last <= first or self._unclean_before[first] == self._unclean_before[last]

    @cached_property
    def _unclean_before(self) -> list[int]:
        plain = self._vocabulary.plain_words
        return [0, *accumulate(word not in plain and word[0] != "@" for word in self._sentence.words)]

    def _is_parted(self, first: int, last: int, name: str, *, mildly: bool = False) -> bool:
        """Tell whether a cue of this name, and no mild one unless it shall count, stands between two places."""
        if (name, mildly) not in self._parting_cues:
            mild = {cue.start for cue in self._cues if cue.phrase.means == "mild_termination" and not mildly}
            self._parting_cues[name, mildly] = [
                cue for cue in self._cues if cue.phrase.means == name and cue.start not in mild
            ]
        cues = self._parting_cues[name, mildly]
        place = bisect_left(cues, first, key=_start)
        return place < len(cues) and cues[place].end <= last

    # Whether it is of the past

    def _is_past(self, finding: Span, today: date, limits: Mapping[str, int]) -> bool:
        """Tell whether a finding is of the past: by a word before it, a word of its comma item, or an old date."""
        topic = finding.phrase.topic
        names = self._cues_by_item.get(self._sentence.items[finding.start], _NO_LISTS)
        times = list(self._times_of(finding))
        since = today - timedelta(days=limits.get(topic, limits["presentation"]))
        if any(time.last >= since for time in times) or ("recent" in names and not times):
            return False
        if topic == "emergency":
            lasting = "chronic" in names or ("chronic_sphincter" in names and finding.phrase.means == "sphincter")
            is_old = (lasting and "worse" not in names) or bool(times)
        elif topic == "trauma":
            is_old = self._is_called_chronic(finding) or bool(times)
        else:
            is_old = any(not time.is_duration for time in times)
        is_old = is_old or "past_item" in names or self._is_followed_up(finding)
        return is_old or self._follows_past(finding) or self._is_named_past(finding)

    def _is_followed_up(self, finding: Span) -> bool:
        """Tell whether an injury or an emergency is in aftercare, and not what is now told at that visit."""
        cues = self._cues_of_item(self._sentence.items[finding.start], "aftercare")
        if finding.phrase.topic not in _HAS_AFTERCARE or not cues:
            return False
        end = cues[-1].end
        return end > finding.start or not self._is_parted(end, finding.start, "termination", mildly=True)

    def _is_called_chronic(self, finding: Span) -> bool:
        """Tell whether "chronic" or the like is said of an injury, and not of the pain that is told beside it."""
        cues = self._cues_of_item(self._sentence.items[finding.start], "chronic")
        before = _last_before(cues, finding.start)
        if before and not any(self._is_parted(before.end, finding.start, name) for name in _DATED_BY):
            return True
        place = bisect_left(cues, finding.end, key=_start)
        return place < len(cues) and not self._is_parted(finding.end, cues[place].start, "termination")

    def _follows_past(self, finding: Span) -> bool:
        """Tell whether "hx of" or the like governs a finding in its comma item."""
        cues = self._past_or_end_by_item.get(self._sentence.items[finding.start], [])
        for place in range(bisect_left(cues, finding.start, key=_start) - 1, -1, -1):
            if cues[place].phrase.means != "past":
                return False
            if cues[place].end <= finding.start:
                return True
        return False

    def _is_named_past(self, finding: Span) -> bool:
        """Tell whether a finding is followed by nothing but "old", "prior" or the like in its comma item."""
        cues = self._cues_of_item(self._sentence.items[finding.start], "past")
        if not cues or cues[-1].start < finding.end or not self._sentence.ends_item(cues[-1].start, cues[-1].end):
            return False
        between = self._sentence.words[finding.end : cues[-1].start]
        return all(word in self._vocabulary.fillers for word in between)

    @cached_property
    def _past_or_end_by_item(self) -> dict[int, list[Span]]:
        """By comma item, the cues of the past and those that end their reach."""
        by_item: dict[int, list[Span]] = defaultdict(list)
        for cue in self._cues:
            if cue.phrase.means in ("past", "termination", "reporter"):
                by_item[self._sentence.items[cue.start]].append(cue)
        return dict(by_item)

    def _times_of(self, finding: Span) -> Iterator[TypedTime]:
        """Yield the times of a finding: each is of the nearest finding before it in its comma item, else after it.

        After "s/p", "after" and the like a time is of the operation or accident that is named there.
        """
        item = self._sentence.items[finding.start]
        indexes = self._time_indexes.get(item)
        if indexes is None:
            return
        is_first = self._first_event_end.get(item, len(self._sentence.words)) > finding.start
        first_after, end = bisect_left(indexes, finding.end), self._first_end_of_other(finding, indexes)
        named_from = self._named_from(finding)
        for index in indexes[0 if is_first else first_after : bisect_left(indexes, end)]:
            time = self._sentence.time(index)
            if index < finding.end or time.is_duration or index < named_from:
                yield time

    def _first_end_of_other(self, finding: Span, indexes: Sequence[int]) -> int:
        """Return the first end of an event that has the later times: one of another topic, or one behind a time."""
        first_time = indexes[min(bisect_left(indexes, finding.end), len(indexes) - 1)]
        return min(
            ends.at(finding.end if topic != finding.phrase.topic else max(finding.end, first_time + 1))
            for topic, ends in self._event_ends.items()
        )

    def _named_from(self, finding: Span) -> int:
        """Return the end of the first "s/p", "after" or the like behind a finding, or the end of the sentence."""
        place = bisect_left(self._after_ends, finding.end)
        return self._after_ends[place] if place < len(self._after_ends) else len(self._sentence.words)

    @cached_property
    def _cues_dated_by(self) -> list[Span]:
        return [cue for cue in self._cues if cue.phrase.means in _DATED_BY]

    @cached_property
    def _after_ends(self) -> list[int]:
        return [cue.end for cue in self._cues if cue.phrase.means in ("after", "chronic_sphincter")]

    @cached_property
    def _time_indexes(self) -> dict[int, list[int]]:
        """By comma item, the places of its times."""
        indexes: dict[int, list[int]] = defaultdict(list)
        for index in self._sentence.time_places:
            indexes[self._sentence.items[index]].append(index)
        return dict(indexes)

    @cached_property
    def _events(self) -> list[Span]:
        return [finding for finding in self._findings if finding.phrase.topic not in _NO_EVENT]

    @cached_property
    def _first_event_end(self) -> dict[int, int]:
        """By comma item, the first end of an event."""
        ends: dict[int, int] = {}
        for event in self._events:
            item = self._sentence.items[event.start]
            ends[item] = min(event.end, ends.get(item, event.end))
        return ends

    @cached_property
    def _event_ends(self) -> dict[str, "_FirstEnds"]:
        """By topic, the first end of its events; `""` if there are none."""
        by_topic: dict[str, list[Span]] = {}
        for event in self._events:
            by_topic.setdefault(event.phrase.topic, []).append(event)
        return {topic: _FirstEnds(events, self._beyond) for topic, events in (by_topic or {"": []}).items()}

    @property
    def _beyond(self) -> int:
        """Return an end beyond the last word."""
        return len(self._sentence.words) + 1


_start: Callable[[Span], int] = attrgetter("start")
_end: Callable[[Span], int] = attrgetter("end")


def _last_before(cues: Sequence[Span], index: int) -> Span | None:
    """Return the last of some cues that ends at a place or before it."""
    number = bisect_right(cues, index, key=_end)
    return cues[number - 1] if number else None


def _longest_ends(spans: Sequence[Span], size: int) -> list[int]:
    """Return by place the end of the longest span that begins there, 0 where none does."""
    ends = [0] * size
    for span in spans:
        ends[span.start] = max(ends[span.start], span.end)
    return ends


class _FirstEnds:
    """The first end of the spans that begin at a place or later."""

    def __init__(self, spans: Iterable[Span], otherwise: int) -> None:
        ordered = sorted(spans, key=_start)
        self._starts = [span.start for span in ordered]
        self._ends = [otherwise, *accumulate([span.end for span in reversed(ordered)], min)]

    def at(self, place: int) -> int:
        """Return the first end from a place on."""
        return self._ends[len(self._starts) - bisect_left(self._starts, place)]

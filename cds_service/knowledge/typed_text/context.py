"""Step 4: how certain a sentence is of what it names (ConText; contract section 4, "Words")."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
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

_ONLY_NAMES = frozenset({"lower_body", "upper_limb"})
"""The topics that take nothing said after them from the finding before."""


class _Scope(NamedTuple):
    """What governs words, and the segment in which its cue stands."""

    certainty: Certainty
    segment: int


class Context:
    """The cues of one sentence, and what they make of its findings."""

    def __init__(self, sentence: Sentence, findings: Sequence[Span], vocabulary: Vocabulary) -> None:
        self._sentence, self._findings, self._vocabulary = sentence, findings, vocabulary
        self._cues = self._cues_outside(findings)
        self._scopes = self._governing()

    def certainty(self, finding: Span, today: date, limits: Mapping[str, int]) -> Certainty:
        """Return how certain the sentence is of a finding; `limits` are days by topic."""
        said = self._said_of(finding)
        if said is Certainty.ASSERTED and self._is_past(finding, today, limits):
            return Certainty.PAST
        return said

    def opening(self) -> Certainty | None:
        """Return how certain the sentence is of the first thing in it, or None where it has nothing but cues."""
        governed = {index for cue in self._cues for index in range(cue.start, cue.end)}
        words = self._sentence.words
        plain = (index for index, word in enumerate(words) if index not in governed and word[0] not in "@<?")
        first = next(plain, None)
        if first is None:
            return None
        item = self._sentence.items[first]
        for cue in self._cues_of_item(item):
            if cue.start > first and (said := self._said_after(cue)):
                return said
        if self._is_of_relative(item) or self._ends_with_relative():
            return Certainty.DENIED
        scope = self._scopes[first]
        return scope.certainty if scope else self._asked_after(first) or Certainty.ASSERTED

    def _ends_with_relative(self) -> bool:
        """Tell whether a comma item is nothing but a relative ("Prostate cancer, father")."""
        for cue in self._cues:
            if cue.phrase.means == "family" and self._is_of_relative(self._sentence.items[cue.start]):
                within = [i for i, item in enumerate(self._sentence.items) if item == self._sentence.items[cue.start]]
                words = [self._sentence.words[i] for i in within if not cue.start <= i < cue.end]
                if all(word in self._vocabulary.fillers for word in words):
                    return True
        return False

    # The cues, and the words that each governs

    def _cues_outside(self, findings: Iterable[Span]) -> list[Span]:
        """Return the cues, of several at one place the longest; none within a longer finding ("no rectal tone")."""
        longer = [one for one in findings if one.end - one.start > 1]
        found: list[Span] = []
        index = 0
        while index < len(self._sentence.words):
            spans = [
                span
                for span in self._vocabulary.cues_at(self._sentence.words, index)
                if not any(_is_within(span, one) for one in longer)
            ]
            end = max((span.end for span in spans), default=index + 1)
            found += [span for span in spans if span.end == end]
            index = max(index + 1, end)
        return found

    def _governing(self) -> list[_Scope | None]:
        """Return what governs each word: the last denial, question or doubt before it that no word has ended.

        What stands right after its cue does not end it ("denies any new weakness"), nor after "or".
        """
        by_start: dict[int, dict[str, Span]] = defaultdict(dict)
        for cue in self._cues:
            by_start[cue.start][cue.phrase.means] = cue
        scopes: list[_Scope | None] = []
        scope, right_after = None, -1
        for index, word in enumerate(self._sentence.words):
            scopes.append(scope)
            here = by_start.get(index, {})
            opened = self._opened(index, here)
            if opened:
                certainty, right_after = opened
                scope = _Scope(certainty, self._sentence.segments[index])
            elif "termination" in here and not ("mild_termination" in here and self._goes_on(index, right_after)):
                scope = None
            elif right_after == index and ("mild_termination" in here or word in self._vocabulary.fillers):
                right_after = index + 1
        return scopes

    def _goes_on(self, index: int, right_after: int) -> bool:
        segments = self._sentence.segments
        opens_segment = index > 0 and segments[index - 1] != segments[index]
        return index == right_after or (opens_segment and segments[index] in self._sentence.after_or)

    def _opened(self, index: int, here: Mapping[str, Span]) -> tuple[Certainty, int] | None:
        """Return what a cue opens, and where it ends; one with nothing after it in its item looks back instead."""
        if self._sentence.words[index] == ASKED_BEFORE:
            return Certainty.ASKED, index + 1
        for name, certainty in _OPENS.items():
            if name in here and not self._sentence.ends_item(index, here[name].end):
                return certainty, here[name].end
        return None

    def _cues_of_item(self, item: int) -> list[Span]:
        return [cue for cue in self._cues if self._sentence.items[cue.start] == item]

    # What they make of a finding, but for its time

    def _said_of(self, finding: Span) -> Certainty:
        start = finding.start
        if self._is_of_relative(self._sentence.items[start]) or self._is_taken_back_before(start):
            return Certainty.DENIED
        said_after = self._said_after_finding(finding)
        if said_after is Certainty.DENIED:
            return said_after
        scope = self._scopes[start]
        if scope is None:
            return said_after or Certainty.ASSERTED
        if scope.certainty is Certainty.DENIED and self._brings_its_own(scope, self._sentence.segments[start]):
            return Certainty.UNCLEAR
        return scope.certainty

    def _is_of_relative(self, item: int) -> bool:
        names = {cue.phrase.means for cue in self._cues_of_item(item)}
        return "family" in names and "reporter" not in names

    def _is_taken_back_before(self, start: int) -> bool:
        """Tell whether a word right before a finding takes it back ("resolved foot drop")."""
        segments = self._sentence.segments
        return any(
            cue.phrase.means == "denied_before"
            and cue.end <= start
            and segments[cue.start] == segments[start]
            and self._is_clean(cue.end, start)
            and not self._is_parted(cue.end, start, "termination")
            for cue in self._cues
        )

    def _brings_its_own(self, scope: _Scope, segment: int) -> bool:
        """Tell whether a later item of a denied list has a side, a grade, a time or a verb of its own."""
        if segment == scope.segment or segment in self._sentence.after_or:
            return False
        words = self._sentence.words
        return any(
            words[index][0] == "@"
            or words[index] == GRADE
            or any(cue.phrase.means in ("side", "own_verb") for cue in self._vocabulary.cues_at(words, index))
            for index in self._sentence.within(segment)
        )

    def _said_after_finding(self, finding: Span) -> Certainty | None:
        """Return what its comma item says after a finding: that it was ruled out, is in question, is unlikely.

        That is of the nearest finding before it. A sign with other words between is not certain then, nor one that
        "and" or "or" joins to that finding.
        """
        sentence, item = self._sentence, self._sentence.items[finding.start]
        end = _end_of_cluster(finding, self._findings)
        for cue in self._cues_of_item(item):
            said = self._said_after(cue)
            if said is None or cue.start < end:
                continue
            nearer = self._nearer(end, cue.start)
            if not nearer and self._is_clean(end, cue.start):
                return said
            is_joined = sentence.segments[finding.start] != sentence.segments[cue.start]
            if not finding.phrase.is_lenient and (is_joined or not nearer):
                return Certainty.UNCLEAR
        return self._asked_after(end)

    def _said_after(self, cue: Span) -> Certainty | None:
        """Return what a cue says of what stands before it, or None."""
        name = cue.phrase.means
        if name in _LOOKS_BACK:
            return _LOOKS_BACK[name]
        return _OPENS.get(name) if self._sentence.ends_item(cue.start, cue.end) else None

    def _asked_after(self, end: int) -> Certainty | None:
        """Tell whether a question mark stands in the comma item of the word before `end`, after it."""
        words, items = self._sentence.words, self._sentence.items
        item = items[max(0, end - 1)]
        asked = any(words[index] == ASKED_AFTER and items[index] == item for index in range(end, len(words)))
        return Certainty.ASKED if asked else None

    def _nearer(self, end: int, start: int) -> bool:
        return any(
            end <= one.start and one.end <= start for one in self._findings if one.phrase.topic not in _ONLY_NAMES
        )

    def _is_clean(self, first: int, last: int) -> bool:
        """Tell whether nothing but words of the table, and times stands between two places: no other disease."""
        words = self._sentence.words[first:last]
        return all(word[0] == "@" or self._vocabulary.is_plain(word) for word in words)

    def _is_parted(self, first: int, last: int, name: str, *, mildly: bool = False) -> bool:
        """Tell whether a cue of this name, and no mild one unless it shall count, stands between two places."""
        between = [cue for cue in self._cues if first <= cue.start and cue.end <= last]
        mild = {cue.start for cue in between if cue.phrase.means == "mild_termination" and not mildly}
        return any(cue.phrase.means == name and cue.start not in mild for cue in between)

    # Whether it is of the past

    def _is_past(self, finding: Span, today: date, limits: Mapping[str, int]) -> bool:
        """Tell whether a finding is of the past: by a word before it, a word of its comma item, or an old date."""
        topic = finding.phrase.topic
        names = {cue.phrase.means for cue in self._cues_of_item(self._sentence.items[finding.start])}
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
        return is_old or "past_item" in names or self._is_followed_up(finding) or self._follows_past(finding)

    def _is_followed_up(self, finding: Span) -> bool:
        """Tell whether an injury or an emergency is in aftercare, and not what is now told at that visit."""
        return finding.phrase.topic in _HAS_AFTERCARE and any(
            cue.phrase.means == "aftercare"
            and not (cue.end <= finding.start and self._is_parted(cue.end, finding.start, "termination", mildly=True))
            for cue in self._cues_of_item(self._sentence.items[finding.start])
        )

    def _is_called_chronic(self, finding: Span) -> bool:
        """Tell whether "chronic" or the like is said of an injury, and not of the pain that is told beside it."""
        for cue in self._cues_of_item(self._sentence.items[finding.start]):
            if cue.phrase.means == "chronic":
                if cue.end <= finding.start and not self._is_parted(cue.end, finding.start, "after"):
                    return True
                if finding.end <= cue.start and not self._is_parted(finding.end, cue.start, "termination"):
                    return True
        return False

    def _follows_past(self, finding: Span) -> bool:
        """Tell whether "hx of" or the like governs a finding in its comma item."""
        past = False
        for cue in self._cues_of_item(self._sentence.items[finding.start]):
            if cue.phrase.means == "past" and cue.end <= finding.start:
                past = True
            elif cue.phrase.means in ("termination", "reporter") and cue.start < finding.start:
                past = False
        return past

    def _times_of(self, finding: Span) -> Iterator[TypedTime]:
        """Yield the times of a finding: each is of the nearest finding before it in its comma item, else after it.

        After "s/p", "after" and the like a time is of the operation or accident that is named there.
        """
        sentence, item = self._sentence, self._sentence.items[finding.start]
        events = [one for one in self._findings if one.phrase.topic not in _NO_EVENT]
        events = [one for one in events if sentence.items[one.start] == item]
        places = [i for i in range(len(sentence.words)) if sentence.words[i][0] == "@" and sentence.items[i] == item]
        for index in places:
            time = sentence.time(index)
            if time and (
                self._is_after_finding(finding, index, time, events, places)
                if index >= finding.end
                else not any(one.end <= finding.start for one in events)
            ):
                yield time

    def _is_after_finding(
        self, finding: Span, index: int, time: TypedTime, events: Sequence[Span], places: Sequence[int]
    ) -> bool:
        for one in events:
            if finding.end <= one.start and one.end <= index:
                parted = any(finding.end <= place < one.start for place in places)
                if parted or one.phrase.topic != finding.phrase.topic:
                    return False
        named = any(cue.phrase.means == "after" and finding.end <= cue.end <= index for cue in self._cues)
        return time.is_duration or not named


def _is_within(span: Span, longer: Span) -> bool:
    size = span.end - span.start
    return longer.start <= span.start and span.end <= longer.end and size < longer.end - longer.start


def _end_of_cluster(span: Span, findings: Iterable[Span]) -> int:
    """Return where the findings end that overlap a span, or one another from there on."""
    end = span.end
    for one in sorted(findings, key=lambda one: one.start):
        if span.start <= one.start < end < one.end:
            end = one.end
    return end

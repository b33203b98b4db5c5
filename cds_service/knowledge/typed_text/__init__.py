"""What a clinician typed, read by the words of reason_words.csv: what is asserted, asked, unclear, past or denied.

The model is the ConText algorithm (Harkema 2009, J Biomed Inform 42:839): a cue ("denies", "r/o", "hx of") governs what
follows, to the end of its sentence or until a termination word; contract section 4 says what each certainty is worth.
The words live in cards/, one row a meaning. A text without the words that any row needs is not read (`prefilter`); the
five steps of reading are a module each:

1. `sentences`: abbreviations, times, ages and grades are spelled alike; a text is parted into sentences, these at
   commas into items, and these at "and", "or" and "/" into segments.
2. `vocabulary`: the words of the table are looked up: findings, lists of words, and cues. All but the signs
   themselves forgive one typing error in a word of six letters or more.
3. `findings`: a finding holds where the lists that its row wants stand beside it.
4. `context`: the cues say how certain it is.
5. `times`: an old date makes it past.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from copy import copy
from datetime import date
from functools import cached_property
from typing import NamedTuple

from cds_service.knowledge.typed_text.budget import TextBudget
from cds_service.knowledge.typed_text.context import Context
from cds_service.knowledge.typed_text.findings import held
from cds_service.knowledge.typed_text.prefilter import Prefilter
from cds_service.knowledge.typed_text.sentences import Sentence, SentenceReader
from cds_service.knowledge.typed_text.times import may_have_time
from cds_service.knowledge.typed_text.vocabulary import Vocabulary, folded, reason_word_faults
from cds_service.model import Certainty

__all__ = ["Mention", "TextBudget", "TypedText", "TypedTextReader", "folded", "reason_word_faults"]


_REMEMBERED = 50_000
"""Texts that a reader for many charts remembers."""


class Mention(NamedTuple):
    """One thing that a text speaks of: a row of the table, and how certain the text is of it."""

    topic: str
    means: str
    wording: str
    certainty: Certainty


class TypedTextReader:
    """The rows of reason_words.csv, ready to read texts."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Compile the rows, in which `reason_word_faults` found nothing missing."""
        self.vocabulary = Vocabulary(list(rows))
        self.sentences = SentenceReader(self.vocabulary)
        self.prefilter = Prefilter(self.vocabulary)
        self._remembered: dict[tuple[str | int, ...], Reading] | None = None

    def remembering(self) -> "TypedTextReader":
        """Return a reader that reads a text once for all records, if it names no time: for work on many charts.

        It holds what it read, so the service, whose texts are of patients, has none.
        """
        reader = copy(self)
        reader._remembered = {}  # noqa: SLF001 - its own
        return reader

    def typed_text(
        self, text: str, today: date, limits: Mapping[str, int], budget: TextBudget | None = None
    ) -> "TypedText":
        """Return a text, to be read as far as it is asked; `limits` are days by topic, and `egfr_below`.

        A text beyond the budget says nothing, and its opening is unclear.
        """
        return TypedText(self, text, today, limits, budget or TextBudget())

    def topics(self, text: str, today: date, limits: Mapping[str, int]) -> AbstractSet[str]:
        """Return the topics of which a text may say something."""
        if self._remembered is None:  # most texts say nothing, and need no reading
            return self.prefilter.topics(text)
        return self.reading(text, today, limits).topics

    def reading(self, text: str, today: date, limits: Mapping[str, int]) -> "Reading":
        """Return what a text says as of a day."""
        if self._remembered is None or may_have_time(folded(text)):
            return Reading(self, text, today, limits)
        key: tuple[str | int, ...] = (text, *limits.values())
        if key not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = Reading(self, text, today, limits)
        return self._remembered[key]

    def may_mention(self, text: str) -> bool:
        """Return whether a text can say anything on any day."""
        return bool(text) and bool(self.prefilter.topics(text))

    def read(self, text: str, today: date, limits: Mapping[str, int]) -> list[Mention]:
        """Return what a text says, each once."""
        return self.typed_text(text, today, limits).mentions


class Reading:
    """What a text says as of a day, read as far as it is asked; its sentences are parted once for all of it."""

    def __init__(self, reader: TypedTextReader, text: str, today: date, limits: Mapping[str, int]) -> None:
        self._reader, self._text, self._today, self._limits = reader, text, today, limits

    @cached_property
    def topics(self) -> AbstractSet[str]:
        """The topics of which the text may say something."""
        return self._reader.prefilter.topics(self._text)

    @cached_property
    def may_open_in_doubt(self) -> bool:
        """Tell whether the text may open with anything but an assertion."""
        return self._reader.prefilter.may_open_in_doubt(self._text)

    @cached_property
    def mentions(self) -> list[Mention]:
        """What the text says, each once."""
        return list(dict.fromkeys(mention for sentence in self._sentences for mention in self._mentions(sentence)))

    @cached_property
    def opening(self) -> Certainty:
        """How certain the text is of the first thing that it names."""
        for sentence in self._sentences:
            opening = Context(sentence, [], self._reader.vocabulary).opening()
            if opening is not None:
                return opening
        return Certainty.ASSERTED

    @cached_property
    def _sentences(self) -> list[Sentence]:
        low_filtration = self._limits["egfr_below"]
        return list(self._reader.sentences.read(self._text, self._today, low_filtration=low_filtration))

    def _mentions(self, sentence: Sentence) -> Iterator[Mention]:
        findings = held(sentence, self._reader.vocabulary)
        if not findings:
            return
        context = Context(sentence, findings, self._reader.vocabulary)
        for finding in findings:
            row = finding.phrase
            yield Mention(row.topic, row.means, row.wording, context.certainty(finding, self._today, self._limits))


class TypedText:
    """One text as it was typed, within a budget: what it speaks of, and how it opens."""

    def __init__(
        self, reader: TypedTextReader, text: str, today: date, limits: Mapping[str, int], budget: TextBudget
    ) -> None:
        self._reader, self._text, self._today, self._limits, self._budget = reader, text, today, limits, budget
        self._topics: AbstractSet[str] | None = None if text else frozenset()

    def mentions_of(self, topics: Collection[str]) -> list[Mention]:
        """Return what the text says of some topics, each once; a text that cannot speak of them is not read."""
        if self._possible_topics().isdisjoint(topics):
            return []
        return [mention for mention in self.mentions if mention.topic in topics]

    @property
    def mentions(self) -> list[Mention]:
        """Return what the text says, each once."""
        return self._reading.mentions if self._possible_topics() and self._may_be_read else []

    @property
    def opening(self) -> Certainty:
        """Return how certain the text is of the first thing that it names, whatever that is.

        So the text of a Condition tells whether it denies, suspects, or names a relative (contract section 4).
        """
        if not self._reading.may_open_in_doubt:
            return Certainty.ASSERTED
        return self._reading.opening if self._may_be_read else Certainty.UNCLEAR

    @cached_property
    def _reading(self) -> Reading:
        return self._reader.reading(self._text, self._today, self._limits)

    @cached_property
    def _may_be_read(self) -> bool:
        return self._budget.allows_reading(self._text)

    def _possible_topics(self) -> AbstractSet[str]:
        if self._topics is None:
            is_looked_at = self._budget.allows_look(self._text)
            reader = self._reader
            self._topics = (
                reader.topics(self._text, self._today, self._limits) if is_looked_at else reader.prefilter.every_topic
            )
        return self._topics

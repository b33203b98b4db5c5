"""What a clinician typed, read by the words of reason_words.csv: what is asserted, asked, unclear, past or denied.

The model is the ConText algorithm (Harkema 2009, J Biomed Inform 42:839): a cue ("denies", "r/o", "hx of") governs what
follows, to the end of its sentence or until a termination word; contract section 4 says what each certainty is worth.
The words live in cards/, one row a meaning, and the five steps are a module each:

1. `sentences`: abbreviations, times, ages and grades are spelled alike; a text is parted into sentences, these at
   commas into items, and these at "and", "or" and "/" into segments.
2. `vocabulary`: the words of the table are looked up: findings, lists of words, and cues. All but the signs
   themselves forgive one typing error in a word of six letters or more.
3. `findings`: a finding holds where the lists that its row wants stand beside it.
4. `context`: the cues say how certain it is.
5. `times`: an old date makes it past.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from cds_service.knowledge.typed_text.context import Context
from cds_service.knowledge.typed_text.findings import held
from cds_service.knowledge.typed_text.sentences import Sentence, SentenceReader
from cds_service.knowledge.typed_text.vocabulary import Vocabulary, folded, reason_word_faults
from cds_service.model import Certainty

__all__ = ["Mention", "TypedTextReader", "folded", "reason_word_faults"]


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
        self._vocabulary = Vocabulary(list(rows))
        self._sentences = SentenceReader(self._vocabulary)

    def read(self, text: str, today: date, limits: Mapping[str, int]) -> list[Mention]:
        """Return what a text says, each once; `limits` are days by topic, and `egfr_below`."""
        sentences = self._sentences.read(text, today, low_filtration=limits["egfr_below"])
        return list(dict.fromkeys(mention for one in sentences for mention in self._mentions(one, today, limits)))

    def _mentions(self, sentence: Sentence, today: date, limits: Mapping[str, int]) -> Iterator[Mention]:
        findings = held(sentence, self._vocabulary)
        if not findings:
            return
        context = Context(sentence, findings, self._vocabulary)
        for one in findings:
            row = one.phrase
            yield Mention(row.topic, row.means, row.wording, context.certainty(one, today, limits))

    def opens_with(self, text: str, today: date) -> Certainty:
        """Return how certain a text is of the first thing that it names, whatever that is.

        So the text of a Condition tells whether it denies, suspects, or names a relative (contract section 4).
        """
        for sentence in self._sentences.read(text, today, low_filtration=0):
            opening = Context(sentence, [], self._vocabulary).opening()
            if opening is not None:
                return opening
        return Certainty.ASSERTED

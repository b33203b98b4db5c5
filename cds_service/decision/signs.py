"""Signs of plexopathy, and what asks for another path: emergency, acute trauma, the arm."""

from collections.abc import Iterator
from datetime import timedelta

from cds_service.decision.codings import codings, words_of
from cds_service.decision.entries import Reader
from cds_service.knowledge.meanings import Terms
from cds_service.model import Finding, Json, Term
from cds_service.vocabulary import FindingKind

_FAMILIES = {
    "presentation": FindingKind.PRESENTATION,
    "emergency": FindingKind.EMERGENCY,
    "trauma": FindingKind.TRAUMA,
    "upper_limb": FindingKind.UPPER_LIMB,
}
LONGEST = 2000
"""Characters of a reason, or of an order's name, that are read: none is longer, and reading must stay quick."""

_SAID_NOTHING = "neither"
_KNOWN = (*_FAMILIES, "malignancy", "radiation_history")


def in_reason(reader: Reader, reason: Json, terms: Terms) -> Iterator[Finding]:
    """Yield what a reason of the order says, by its codes, or by its words where none of them is ours.

    An emergency is always read from the words, too: nothing must delay its MRI.
    """
    text = words_of(reason.get("code"))[:LONGEST]
    if not text and not codings(reason.get("code")):
        reader.tally["reason that could not be read"] += 1
    said = list(_by_words(reader, text))
    known = any(family in terms for family in _KNOWN)
    found = [*_by_code(terms), *(one for one in said if one[0] is FindingKind.EMERGENCY)] if known else said
    for kind, term in found:
        yield reader.of_condition(kind, term, reason, from_order=True)


def in_condition(reader: Reader, condition: Json, terms: Terms) -> Iterator[Finding]:
    """Yield what an active and recent Condition says; the arm, and sphincters, count only as reasons."""
    found = list(_by_code(terms))
    if not found or not reader.is_active(condition):
        return
    when = reader.later(condition)
    for kind, term in found:
        undated_counts = kind is FindingKind.PRESENTATION and when is None
        if kind is FindingKind.UPPER_LIMB or term.means == "sphincter":
            continue
        if undated_counts or reader.is_recent(when, kind):
            yield reader.of_condition(kind, term, condition)


def _by_code(terms: Terms) -> Iterator[tuple[FindingKind, Term]]:
    for family, kind in _FAMILIES.items():
        if family in terms and (said := [term for term in terms[family] if term.means != _SAID_NOTHING]):
            yield kind, min(said, key=lambda term: term.means != "specific")


def _by_words(reader: Reader, text: str) -> Iterator[tuple[FindingKind, Term]]:
    longest_ago = reader.today - timedelta(days=reader.limits["trauma"])
    for topic, means, wording in reader.knowledge.reason_words.read(text, {reader.today.year, longest_ago.year}):
        yield FindingKind(topic), Term("reason_words", means, wording)

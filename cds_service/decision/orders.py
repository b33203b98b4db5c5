"""Step 2: HookRequest -> the selected orders that the card watches."""

from collections.abc import Iterable

from cds_service.decision.codings import codings, members, text_of
from cds_service.knowledge import Knowledge
from cds_service.model import HookRequest, Json, Term, WatchedOrder

_NOT_WATCHED = "not_watched"
_LEVEL_NOT_STATED = "level_not_stated"
_PLEXUS = ("plexus_mri", "plexus_mri_with_contrast", "plexus_mri_without_contrast")


def watched_orders(request: HookRequest, knowledge: Knowledge) -> list[WatchedOrder]:
    """Return the selected orders that ask for a study the card watches, in the order of the call."""
    asked = [(order, *study_of(order.resource, knowledge)) for order in request.draft_orders]
    watched = []
    for order, study, name in asked:
        row = knowledge.watched.get(study)
        if row and order.selected:
            others = {other for draft, other, _ in asked if draft is not order}
            watched.append(WatchedOrder(order, study, name, row.proposes, not others.isdisjoint(row.same_as)))
    return watched


def study_of(resource: Json, knowledge: Knowledge) -> tuple[str, str]:
    """Return the study that an order asks for, by its codes or else its words, and our name for it."""
    if resource.get("doNotPerform") is True:
        return _NOT_WATCHED, ""
    code = resource.get("code")
    known = [t for t in knowledge.codes["order"].terms(_all_codings(code)) if t.means != _LEVEL_NOT_STATED]
    by_words = knowledge.words.study(_words(code))
    term = _first(known)
    if by_words and by_words in _PLEXUS and not (term and term.means in _PLEXUS):
        return by_words, ""
    if term:
        return term.means, term.wording
    return by_words or _NOT_WATCHED, ""


def _first(known: list[Term]) -> Term | None:
    """Several known codes: plexus before not watched before any other."""
    rank = {_NOT_WATCHED: 1}
    return min(known, key=lambda term: 0 if term.means in _PLEXUS else rank.get(term.means, 2), default=None)


def _all_codings(code: object) -> Iterable[tuple[str, str]]:
    """Yield the codings of an order's code, then those in extensions on it, where CPT may sit."""
    yield from codings(code)
    for concept in members(code):
        for extension in members(concept.get("extension")):
            yield from codings(extension.get("valueCodeableConcept"))


def _words(code: object) -> str:
    texts = []
    for concept in members(code):
        texts.append(text_of(concept.get("text")))
        texts += [text_of(coding.get("display")) for coding in members(concept.get("coding"))]
    return " | ".join(text for text in texts if text)

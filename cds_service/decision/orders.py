"""Step 2: HookRequest -> the selected orders that the card watches."""

from collections.abc import Iterable
from datetime import date

from cds_service.decision import signs
from cds_service.decision.codings import codings, members, resources_of, words_of
from cds_service.decision.entries import Reader
from cds_service.decision.reasons import by_reference, reasons
from cds_service.knowledge import Knowledge
from cds_service.model import DraftOrder, HookRequest, Json, Site, Term, WatchedOrder
from cds_service.vocabulary import FindingKind

_NOT_WATCHED = "not_watched"
_LEVEL_NOT_STATED = "level_not_stated"
_PLEXUS = ("plexus_mri", "plexus_mri_with_contrast", "plexus_mri_without_contrast")


def watched_orders(request: HookRequest, knowledge: Knowledge, site: Site, today: date) -> list[WatchedOrder]:
    """Return the selected orders that ask for a study the card watches, in the order of the call."""
    asked = [(order, *study_of(order.resource, knowledge, site)) for order in request.draft_orders]
    watched = []
    for order, study, name in asked:
        row = knowledge.watched.get(study)
        if row and order.selected and _has_reason(order, row.only_for, request, knowledge, today):
            others = {other for draft, other, _ in asked if draft is not order}
            watched.append(WatchedOrder(order, study, name, row.proposes, not others.isdisjoint(row.same_as)))
    return watched


def _has_reason(order: DraftOrder, wanted: str, request: HookRequest, knowledge: Knowledge, today: date) -> bool:
    """Tell whether the order's own reason is the presentation that is asked for; nothing is fetched to know it."""
    if not wanted:
        return True
    bundles = [bundle for value in request.prefetch.values() for bundle in members(value)]
    at_hand = [*request.drafted, *(resource for bundle in bundles for resource in resources_of(bundle))]
    reader = Reader(knowledge, knowledge.limits, today, by_reference(at_hand))
    return any(
        one.kind is FindingKind.PRESENTATION and one.means == wanted
        for reason in reasons(order.resource, reader.known)
        if reader.stands(reason)
        for one in signs.in_reason(reader, reason)
    )


def study_of(resource: Json, knowledge: Knowledge, site: Site) -> tuple[str, str]:
    """Return the study that an order asks for, by its codes or else its words, and our name for it."""
    if resource.get("doNotPerform") is True:
        return _NOT_WATCHED, ""
    code = resource.get("code")
    pairs = list(_all_codings(code))
    if own := next((site.studies[pair] for pair in pairs if pair in site.studies), None):
        return own, ""
    known = [term for term in knowledge.codes["order"].terms(pairs) if term.means != _LEVEL_NOT_STATED]
    return _weighed(_first(known), knowledge.words.study(words_of(code)))


def _weighed(term: Term | None, by_words: str | None) -> tuple[str, str]:
    """Words that name the plexus win over a spine code; of the plexus itself they may tell the contrast."""
    if by_words in _PLEXUS and (term is None or term.means not in _PLEXUS or term.means == "plexus_mri"):
        return by_words, ""
    if term:
        return term.means, term.wording
    return by_words or _NOT_WATCHED, ""


def _first(known: list[Term]) -> Term | None:
    """Several known codes: plexus before not watched before any other; of the plexus, one that tells the contrast."""
    rank = {_NOT_WATCHED: 2, "plexus_mri": 1}
    return min(known, key=lambda term: rank.get(term.means, 0 if term.means in _PLEXUS else 3), default=None)


def _all_codings(code: object) -> Iterable[tuple[str, str]]:
    """Yield the codings of an order's code, then those in extensions on it, where CPT may sit."""
    yield from codings(code)
    for concept in members(code):
        for extension in members(concept.get("extension")):
            yield from codings(extension.get("valueCodeableConcept"))

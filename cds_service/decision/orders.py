"""Step 2: HookRequest -> the selected orders that the card watches."""

from datetime import date
from typing import NamedTuple

from cds_service.decision import signs
from cds_service.decision.codings import codings, concepts_of, is_of, members, own_study, status_codes, words_of
from cds_service.decision.entries import LONGEST, Reader
from cds_service.decision.reasons import Known, reasons
from cds_service.knowledge import Knowledge
from cds_service.knowledge.meanings import UNREAD
from cds_service.model import DraftOrder, Finding, HookRequest, Json, Site, Term, WatchedOrder
from cds_service.vocabulary import PLEXUS_STUDIES, FindingKind

_NOT_WATCHED, _LUMBAR_SPINE = "not_watched", "lumbar_spine_mri"
UNRECOGNIZED = "unrecognized"
_LEVEL_NOT_STATED = "level_not_stated"
_RANKS = {"plexus_mri_with_contrast": 0, "plexus_mri_without_contrast": 0, "plexus_mri": 1, _NOT_WATCHED: 2}


class SelectedOrders(NamedTuple):
    """The selected orders that the card watches, in the order of the call, and those that nothing explains."""

    watched: list[WatchedOrder]
    unrecognized: list[str]
    """Of each its first code system, or no text."""


def selected_orders(request: HookRequest, knowledge: Knowledge, site: Site, today: date) -> SelectedOrders:
    """Return the selected orders that ask for a study the card watches, and those of which no study can be read."""
    live = [order for order in request.draft_orders if _is_live(order.resource, request.patient_id, knowledge)]
    asked = [(order, *study_of(order.resource, knowledge, site)) for order in live]
    studies = {study for _, study, _ in asked}
    reader: Reader | None = None
    watched, unrecognized = [], []
    for order, study, name in asked:
        row = knowledge.watched.get(study)
        if not order.selected:
            continue
        if study == UNRECOGNIZED:
            unrecognized.append(next((system for system, _ in codings(order.resource.get("code"))), ""))
        if row is None:
            continue
        if row.only_for:
            reader = reader or Reader(knowledge, site, today, Known(request))
            if not _has_reason(order, row.only_for, reader):
                continue
        watched.append(WatchedOrder(order, study, name, row.proposes, not studies.isdisjoint(row.same_as)))
    return SelectedOrders(watched, unrecognized)


def is_no_draft(request: HookRequest, knowledge: Knowledge, site: Site) -> bool:
    """Tell whether an order that is selected would be watched, if it were still a draft of this patient."""
    gone = (
        one
        for one in request.draft_orders
        if one.selected and not _is_live(one.resource, request.patient_id, knowledge)
    )
    return any(study_of(order.resource, knowledge, site)[0] in knowledge.watched for order in gone)


def _is_live(order: Json, patient_id: str, knowledge: Knowledge) -> bool:
    """Tell whether a draft may still become an order of this patient."""
    can_go_on = knowledge.refused["ServiceRequest.status"].isdisjoint(status_codes(order.get("status")))
    return can_go_on and order.get("doNotPerform") is not True and is_of(patient_id, order)


def _has_reason(order: DraftOrder, wanted: str, reader: Reader) -> bool:
    """Tell whether the order's own reason is the presentation that is asked for, and no reason asks anything else.

    Nothing is fetched to know it.
    """
    said = [one for reason in reasons(order.resource, reader.known) for one in reader.once(_signs, reason)]
    if any(one.kind is FindingKind.OTHER_QUESTION for one in said):
        return False
    return any(one.kind is FindingKind.PRESENTATION and one.means == wanted for one in said)


def _signs(reader: Reader, reason: Json) -> list[Finding]:
    return list(signs.in_reason(reader, reason, reader.terms(reason))) if reader.stands(reason) else []


def study_of(resource: Json, knowledge: Knowledge, site: Site) -> tuple[str, str]:
    """Return the study that an order asks for, by its codes or else its words, and our name for it.

    It is `unrecognized` where no code is of a system that we read, or one leaves the level open, and no words say more.
    """
    code = resource.get("code")
    pairs = _all_codings(code, site)
    if study := own_study(pairs, site.studies, knowledge.known_systems):
        return study, ""
    meanings = knowledge.meanings.of(pairs)
    terms = meanings.get("order", ())
    known = [term for term in terms if term.means != _LEVEL_NOT_STATED]
    term, words = _first(known), words_of(code)[:LONGEST]
    by_words = None
    if term is None:
        by_words = knowledge.words.study(_with_site(words, resource, knowledge))
    elif knowledge.words.names_plexus(words):
        by_words = knowledge.words.study(words, is_mr=term.means == _LUMBAR_SPINE)
    if term is None and (by_words is None if terms else meanings is UNREAD and knowledge.words.is_silent(words)):
        return UNRECOGNIZED, ""
    return _weighed(term, by_words)


def _with_site(words: str, resource: Json, knowledge: Knowledge) -> str:
    """Return the words of an order; those of a generic MRI with its body site, as a study may be split over both."""
    sites = resource.get("bodySite")
    if not sites or not knowledge.words.is_generic_mr(words):
        return words
    terms = knowledge.codes["body_site"].terms(codings(sites))
    return " ".join([words, words_of(sites)[:LONGEST], *(term.wording for term in terms)])


def _weighed(term: Term | None, by_words: str | None) -> tuple[str, str]:
    """Words that name the plexus win over a spine code; of the plexus itself they may tell the contrast."""
    if by_words in PLEXUS_STUDIES and (term is None or term.means not in PLEXUS_STUDIES or term.means == "plexus_mri"):
        return by_words, ""
    if term:
        return term.means, term.wording
    return by_words or _NOT_WATCHED, ""


def _first(known: list[Term]) -> Term | None:
    """Several known codes: plexus before not watched before any other; of the plexus, one that tells the contrast."""
    return min(known, key=lambda term: _RANKS.get(term.means, len(_RANKS)), default=None)


def _all_codings(code: object, site: Site) -> list[tuple[str, str]]:
    """Return the codings of an order's code, then those in extensions on it, where CPT may sit."""
    pairs = codings(code, site.systems)
    for concept in concepts_of(code):
        for extension in members(concept.get("extension")):
            pairs += codings(extension.get("valueCodeableConcept"), site.systems)
    return pairs

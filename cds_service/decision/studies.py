"""Which study an order asks for, by its codes or else its words: a draft, or an order on record."""

from cds_service.decision.entry_filter import MAX_TEXT_LENGTH
from cds_service.decision.fhir_fields import codings, concepts_of, members, own_study, words_of
from cds_service.knowledge import Knowledge
from cds_service.knowledge.terminology import UNREAD
from cds_service.model import LEVEL_NOT_STATED, PLEXUS_STUDIES, Json, Site, Term

_NOT_WATCHED, _LUMBAR_SPINE = "not_watched", "lumbar_spine_mri"
UNRECOGNIZED = "unrecognized"
_RANKS = {"plexus_mri_with_contrast": 0, "plexus_mri_without_contrast": 0, "plexus_mri": 1, _NOT_WATCHED: 2}


def study_of(resource: Json, knowledge: Knowledge, site: Site) -> tuple[str, str]:
    """Return the study that an order asks for, by its codes or else its words, and our name for it.

    Contract section 2. The study is `unrecognized` where no code is of a system that we read, or one leaves the level
    open, and no words say more.
    """
    code = resource.get("code")
    pairs = _all_codings(code, site)
    if study := own_study(pairs, site.studies, knowledge.known_systems):
        return study, ""
    meanings = knowledge.terminology.lookup(pairs)
    terms = meanings.get("order", ())
    with_level = [term for term in terms if term.means != LEVEL_NOT_STATED]
    term, words = _preferred(with_level), words_of(code)[:MAX_TEXT_LENGTH]
    by_words = None
    if term is None:
        by_words = knowledge.words.study(_with_site(words, resource, knowledge))
    elif knowledge.words.names_plexus(words):
        by_words = knowledge.words.study(words, is_mr=term.means == _LUMBAR_SPINE)
    if term is None and (by_words is None if terms else meanings is UNREAD and knowledge.words.is_silent(words)):
        return UNRECOGNIZED, ""
    return _combine(term, by_words)


def _with_site(words: str, resource: Json, knowledge: Knowledge) -> str:
    """Return the words of an order; those of a generic MRI with its body site, as a study may be split over both."""
    sites = resource.get("bodySite")
    if not sites or not knowledge.words.is_generic_mr(words):
        return words
    terms = knowledge.terminology.terms("body_site", codings(sites))
    return " ".join([words, words_of(sites)[:MAX_TEXT_LENGTH], *(term.wording for term in terms)])


def _combine(term: Term | None, by_words: str | None) -> tuple[str, str]:
    """Return (study, name): text that names the plexus wins over a spine code, and adds contrast to a plexus code."""
    if by_words in PLEXUS_STUDIES and (term is None or term.means not in PLEXUS_STUDIES or term.means == "plexus_mri"):
        return by_words, ""
    if term:
        return term.means, term.wording
    return by_words or _NOT_WATCHED, ""


def _preferred(terms: list[Term]) -> Term | None:
    """Return the preferred of several known codes: plexus, then not monitored, then others (contract section 2)."""
    return min(terms, key=lambda term: _RANKS.get(term.means, len(_RANKS)), default=None)


def _all_codings(code: object, site: Site) -> list[tuple[str, str]]:
    """Return the codings of an order's code, then those in extensions on it, where CPT may sit."""
    pairs = codings(code, site.systems)
    for concept in concepts_of(code):
        for extension in members(concept.get("extension")):
            pairs += codings(extension.get("valueCodeableConcept"), site.systems)
    return pairs

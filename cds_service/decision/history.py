"""Malignancy and radiotherapy in the entries of a record, and what they amount to."""

from collections.abc import Iterator
from dataclasses import replace

from cds_service.decision.entry_filter import EntryFilter, Where
from cds_service.decision.fhir_fields import codings, members, words_of
from cds_service.decision.references import reasons
from cds_service.knowledge.terminology import Terms
from cds_service.model import Certainty, Field, Finding, FindingKind, History, Json, Reach, Term

_NEEDS_MALIGNANCY = "needs_malignancy"
_NOT_IN_CODE = ("not_in_code", _NEEDS_MALIGNANCY)
_FIELDS = {**dict.fromkeys(_NOT_IN_CODE, Field.UNKNOWN), **{field.value: field for field in Field}}
"""The field that a code means."""

_BY_REACH = {Reach.PLEXUS_ADJACENT.value: Field.UNCERTAIN, Reach.REMOTE.value: Field.REMOTE}
"""The field that the tumor means which was treated; of any other it is unknown."""

_EXCLUDED = "excluded"
_SKIN = "skin"
_BY_SITE, _BY_SITE_OR_SKIN = "by_site", "by_site_or_skin"


def neoplasm(entry_filter: EntryFilter, entry: Json, terms: Terms) -> Term | None:
    """Return what tumor a Condition with these terms is of, or None; an excluded code vetoes all others."""
    said = [_sited(entry_filter, entry, term, terms) for term in terms.get("malignancy", ())]
    excluded = [term for term in said if term.means.startswith(_EXCLUDED)]
    return min(excluded or said, key=_nearness, default=None)


def _sited(entry_filter: EntryFilter, entry: Json, term: Term, terms: Terms) -> Term:
    """Return a term; of one that leaves the reach to the site of the tumor, as the site beside it tells."""
    if _BY_SITE not in term.means:
        return term
    sites = terms.get("tumor_site") or entry_filter.knowledge.terminology.terms(
        "tumor_site", entry_filter.codings(entry.get("bodySite"))
    )
    site = min(sites, key=_nearness, default=None)
    means = _by_site(term, site.means if site else "")
    counts = site and not term.metastatic and term.means == _BY_SITE and site.means != _SKIN
    return replace(term, means=means, wording=site.wording if site and counts else term.wording)


def _by_site(term: Term, site: str) -> str:
    """Return what a morphology means with a site, which may be missing."""
    if term.metastatic:
        return Reach.PLEXUS_ADJACENT if site == Reach.PLEXUS_ADJACENT else Reach.UNSPECIFIED
    if term.means == _BY_SITE_OR_SKIN:
        return Reach.REMOTE if site in ("", _SKIN) else site
    if site == _SKIN:
        return _excluded(Reach.REMOTE)
    if term.means == _BY_SITE:
        return site or Reach.UNSPECIFIED
    return _excluded(site) if site else _EXCLUDED


def _excluded(reach: str) -> str:
    return f"{_EXCLUDED}_{reach}"


def _reach(term: Term) -> Reach | None:
    """Return the reach of a tumor, counting or not, or None where its code tells of no tumor at all."""
    means = term.means.removeprefix(_EXCLUDED).removeprefix("_")
    return Reach(means) if means else None


def in_condition(
    entry_filter: EntryFilter, condition: Json, terms: Terms, *, from_order: bool = False
) -> Iterator[Finding]:
    """Yield what one Condition that stands, or one reason of the order, says of tumors and of radiotherapy."""
    if term := neoplasm(entry_filter, condition, terms):
        kind = FindingKind.MALIGNANCY
        if term.means.startswith(_EXCLUDED):
            entry_filter.tally["not a malignancy that counts"] += 1
            kind = FindingKind.OTHER_NEOPLASM
        if reach := _reach(term):
            yield entry_filter.of_condition(kind, term, condition, from_order=from_order, reach=reach)
    for term in terms.get("radiation_history", ())[:1]:
        field = _FIELDS[term.means]
        yield entry_filter.of_condition(FindingKind.RADIOTHERAPY, term, condition, from_order=from_order, field=field)


def in_words(entry_filter: EntryFilter, entry: Json, *, from_order: bool = False) -> Iterator[Finding]:
    """Yield the history that an entry or a reason tells in typed words alone (contract section 3).

    It stands where the text asserts it, of now or of the past: a denial, a doubt or a relative is none.
    """
    for topic, means, wording, certainty in entry_filter.mentions(entry):
        if topic == "history" and certainty in (Certainty.ASSERTED, Certainty.PAST):
            term = Term("reason_words", means, wording)
            yield entry_filter.of_condition(FindingKind(means), term, entry, from_order=from_order)._replace(
                as_typed=True
            )


def in_procedure(entry_filter: EntryFilter, procedure: Json, terms: Terms) -> Iterator[Finding]:
    """Yield the radiotherapy that one Procedure delivered."""
    said = terms.get("radiotherapy", ())
    if not said or not entry_filter.was_performed(procedure):
        return
    delivered = [term for term in said if term.means != "not_delivery"]
    if not delivered:
        entry_filter.tally["radiotherapy not delivered"] += 1
        return
    term = min(delivered, key=_vagueness)
    yield entry_filter.of_procedure(FindingKind.RADIOTHERAPY, term, procedure, _where(entry_filter, term, procedure))


def _where(entry_filter: EntryFilter, term: Term, procedure: Json) -> Where:
    """Return the first answer of the code's own site, bodySite or a site in words, and the tumor that was treated."""
    field = _FIELDS[term.means]
    if field is not Field.UNKNOWN:
        return Where(field)
    sites = members(procedure.get("bodySite"))
    in_words = _fields(entry_filter.sites(entry_filter.typed(procedure)))
    if sites or in_words:
        return _by_site_of_field(entry_filter, sites, in_words)
    return _by_reason(entry_filter, procedure)


def _by_site_of_field(entry_filter: EntryFilter, sites: list[Json], in_words: list[Term]) -> Where:
    """Any of several sites in reach wins; a site that we do not know leaves the field unknown."""
    known = [_at(entry_filter, site) for site in sites]
    terms = [*(term for at in known for term in at), *in_words]
    terms.sort(key=lambda term: _FIELDS[term.means] is Field.REMOTE)
    if not terms or (_FIELDS[terms[0].means] is Field.REMOTE and not all(known)):
        return Where(Field.UNKNOWN, site_unread=any(codings(site) or words_of(site) for site in sites))
    return Where(_FIELDS[terms[0].means], site=terms[0].wording)


def _at(entry_filter: EntryFilter, site: Json) -> list[Term]:
    """Return what one bodySite means, by its codes or else by its words."""
    by_code = entry_filter.knowledge.terminology.terms("body_site", entry_filter.codings(site))
    return by_code or _fields(entry_filter.sites(entry_filter.typed_in(site)))


def _fields(sites: list[Term]) -> list[Term]:
    return [term for term in sites if term.means in _FIELDS]


def _by_reason(entry_filter: EntryFilter, procedure: Json) -> Where:
    given = reasons(procedure, entry_filter.known)
    stated = [term for one in given if (term := entry_filter.once(_treated, one))]
    term = min(stated, key=_nearness, default=None)
    if term is None:
        return Where(Field.UNKNOWN)
    reach = _reach(term)
    return Where(_BY_REACH.get(reach, Field.UNKNOWN) if reach else Field.UNKNOWN, treats=term.wording)


def _treated(entry_filter: EntryFilter, reason: Json) -> Term | None:
    term = neoplasm(entry_filter, reason, entry_filter.terms(reason)) if entry_filter.stands(reason) else None
    return term if term and _reach(term) else None


def assess_history(found: list[Finding]) -> tuple[list[Finding], list[Finding], list[Finding], History]:
    """Return malignancies, radiotherapy that counts, radiotherapy elsewhere, and what they amount to.

    Radiotherapy of a field that is not known counts, unless all tumors on record are far and none has spread. Coded
    history decides; what is only typed is told beside it, and adds nothing to it (contract sections 3 and 6).
    """
    typed = [one for one in found if one.as_typed]
    found = [one for one in found if not one.as_typed]
    malignancies = [one for one in found if one.kind is FindingKind.MALIGNANCY]
    tumors = [*malignancies, *(one for one in found if one.kind is FindingKind.OTHER_NEOPLASM)]
    metastasis = any(one.metastatic for one in tumors)
    near = metastasis or not tumors or any(one.reach is not Reach.REMOTE for one in tumors)
    radiotherapy = [_settled(one, metastasis=metastasis) for one in found if one.kind is FindingKind.RADIOTHERAPY]
    counted: list[Finding] = []
    elsewhere: list[Finding] = []
    for one in radiotherapy:
        unknown_counts = near and (bool(malignancies) or one.means != _NEEDS_MALIGNANCY)
        (counted if _counts(one, unknown_counts=unknown_counts) else elsewhere).append(one)
    amount = _history(malignancies, counted)
    if typed and amount is History.NONE:
        amount = History.IN_WORDS
    malignancies += [one for one in typed if one.kind is FindingKind.MALIGNANCY]
    counted += [one for one in typed if one.kind is FindingKind.RADIOTHERAPY]
    return malignancies, counted, elsewhere, amount


def _settled(radiotherapy: Finding, *, metastasis: bool) -> Finding:
    """Where a metastasis is on record, the site of the first tumor does not tell the field."""
    if metastasis and radiotherapy.treats and radiotherapy.field is Field.REMOTE:
        return radiotherapy._replace(field=Field.UNKNOWN)
    return radiotherapy


def _counts(radiotherapy: Finding, *, unknown_counts: bool) -> bool:
    """Tell whether radiotherapy could have reached the plexus."""
    return unknown_counts if radiotherapy.field is Field.UNKNOWN else radiotherapy.field is not Field.REMOTE


def _history(malignancies: list[Finding], radiotherapy: list[Finding]) -> History:
    if radiotherapy or any(one.reach is not Reach.REMOTE for one in malignancies):
        return History.IN_REACH
    return History.REMOTE_ONLY if malignancies else History.NONE


def _nearness(term: Term) -> int:
    """Of several codes for one tumor, the one that says most of its reach comes first."""
    if term.means.endswith(Reach.PLEXUS_ADJACENT):
        return 0
    if term.metastatic:
        return 1
    return 2 if term.means.endswith(Reach.REMOTE) else 3


def _vagueness(term: Term) -> int:
    """Of several codes for one delivery, the one that names its site comes first."""
    return ("", *_NOT_IN_CODE).index(term.means) if term.means in _NOT_IN_CODE else 0

"""Malignancy and radiotherapy in the entries of a record, and the history that they add up to (contract section 3)."""

from collections.abc import Iterator
from dataclasses import replace

from cds_service.decision.entry_filter import EntryFilter, Omission, RadiotherapySite
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
_HISTORY_KINDS = (FindingKind.MALIGNANCY, FindingKind.RADIOTHERAPY, FindingKind.OTHER_NEOPLASM)
_MAX_SITES = 20
"""Body sites of a Procedure that are read; real ones have fewer."""

_BY_SITE, _BY_SITE_OR_SKIN = "by_site", "by_site_or_skin"


def tumor_term(entry_filter: EntryFilter, entry: Json, terms: Terms) -> Term | None:
    """Return the term of the tumor of an entry, or None; an excluded code vetoes all others (contract section 3)."""
    tumors = [_resolve_site(entry_filter, entry, term, terms) for term in terms.get("malignancy", ())]
    excluded = [term for term in tumors if term.means.startswith(_EXCLUDED)]
    return min(excluded or tumors, key=_nearness, default=None)


def condition_findings(
    entry_filter: EntryFilter, condition: Json, terms: Terms, *, from_order: bool = False
) -> list[Finding]:
    """Return the tumor and the radiotherapy that a verified Condition or reason is coded with (contract section 3)."""
    findings = []
    if term := tumor_term(entry_filter, condition, terms):
        kind = FindingKind.MALIGNANCY
        if term.means.startswith(_EXCLUDED):
            entry_filter.unused["not a malignancy that counts"] += 1
            entry_filter.note(condition, Omission.NO_MALIGNANCY)
            kind = FindingKind.OTHER_NEOPLASM
        if reach := _reach(term):
            findings.append(entry_filter.condition_finding(kind, term, condition, from_order=from_order, reach=reach))
    for term in terms.get("radiation_history", ())[:1]:
        kind, field = FindingKind.RADIOTHERAPY, _FIELDS[term.means]
        findings.append(entry_filter.condition_finding(kind, term, condition, from_order=from_order, field=field))
    return findings


def text_findings(entry_filter: EntryFilter, entry: Json, *, from_order: bool = False) -> Iterator[Finding]:
    """Yield the history that an entry or a reason has in free text alone (contract section 3).

    The text must assert it, as present or past: a denial, a doubt or a relative's history does not count.
    """
    for topic, means, wording, certainty in entry_filter.mentions(entry):
        if topic == "history" and certainty in (Certainty.ASSERTED, Certainty.PAST):
            term = Term("reason_words", means, wording)
            yield entry_filter.condition_finding(FindingKind(means), term, entry, from_order=from_order)._replace(
                as_typed=True
            )
        elif topic == "history":
            entry_filter.note_certainty(entry, certainty)


def procedure_findings(entry_filter: EntryFilter, procedure: Json, terms: Terms) -> Iterator[Finding]:
    """Yield the radiotherapy that a Procedure delivered, with its field (contract section 3)."""
    coded = terms.get("radiotherapy", ())
    if not coded or not entry_filter.was_performed(procedure):
        return
    delivered = [term for term in coded if term.means != "not_delivery"]
    if not delivered:
        entry_filter.unused["radiotherapy not delivered"] += 1
        entry_filter.note(procedure, Omission.NOT_DELIVERED)
        return
    term = min(delivered, key=_vagueness)
    yield entry_filter.procedure_finding(
        FindingKind.RADIOTHERAPY, term, procedure, _radiotherapy_site(entry_filter, term, procedure)
    )


def assess_history(findings: list[Finding]) -> tuple[list[Finding], list[Finding], list[Finding], History]:
    """Return (malignancies, radiotherapy that counts, radiotherapy elsewhere, their History).

    Radiotherapy of an unknown field counts, unless all tumors on record are remote and none is metastatic. Coded
    history decides; history in free text is listed beside it and adds nothing to it (contract sections 3 and 6).
    """
    of_kind: dict[FindingKind, list[Finding]] = {kind: [] for kind in _HISTORY_KINDS}
    typed: list[Finding] = []
    for finding in findings:
        if finding.kind in of_kind:
            (typed if finding.as_typed else of_kind[finding.kind]).append(finding)
    malignancies, radiotherapy, other_neoplasms = of_kind.values()
    tumors = malignancies + other_neoplasms
    metastasis = any(finding.metastatic for finding in tumors)
    near = metastasis or not tumors or any(finding.reach is not Reach.REMOTE for finding in tumors)
    counted: list[Finding] = []
    elsewhere: list[Finding] = []
    for finding in radiotherapy:
        unknown_counts = near and (bool(malignancies) or finding.means != _NEEDS_MALIGNANCY)
        course = _without_inferred_field(finding, metastasis=metastasis)
        (counted if _counts(course, unknown_counts=unknown_counts) else elsewhere).append(course)
    overall = _history(malignancies, counted)
    if typed and overall is History.NONE:
        overall = History.IN_WORDS
    malignancies += [finding for finding in typed if finding.kind is FindingKind.MALIGNANCY]
    counted += [finding for finding in typed if finding.kind is FindingKind.RADIOTHERAPY]
    return malignancies, counted, elsewhere, overall


def _resolve_site(entry_filter: EntryFilter, entry: Json, term: Term, terms: Terms) -> Term:
    """Return a term with the reach of its tumor; a morphology code has it from the site coded beside it."""
    if _BY_SITE not in term.means:
        return term
    sites = terms.get("tumor_site") or entry_filter.knowledge.terminology.terms(
        "tumor_site", entry_filter.codings(entry.get("bodySite"))
    )
    site = min(sites, key=_nearness, default=None)
    means = _by_site(term, site.means if site else "")
    counts = site and not term.metastatic and term.means == _BY_SITE and site.means != _SKIN
    return replace(term, means=means, wording=site.wording if site and counts else term.wording)


def _nearness(term: Term) -> int:
    """Return the rank of a tumor code: the one that says most about its reach comes first."""
    if term.means.endswith(Reach.PLEXUS_ADJACENT):
        return 0
    if term.metastatic:
        return 1
    return 2 if term.means.endswith(Reach.REMOTE) else 3


def _by_site(term: Term, site: str) -> str:
    """Return the meaning of a morphology with a site, which may be empty."""
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
    """Return the reach of a tumor, excluded or not, or None if the code is of no tumor at all."""
    means = term.means.removeprefix(_EXCLUDED).removeprefix("_")
    return Reach(means) if means else None


def _vagueness(term: Term) -> int:
    """Return the rank of a delivery code: the one that names its site comes first."""
    return ("", *_NOT_IN_CODE).index(term.means) if term.means in _NOT_IN_CODE else 0


def _radiotherapy_site(entry_filter: EntryFilter, term: Term, procedure: Json) -> RadiotherapySite:
    """Return the site by the first that states it: the code, bodySite or a site in text, the treated tumor."""
    field = _FIELDS[term.means]
    if field is not Field.UNKNOWN:
        return RadiotherapySite(field)
    sites = members(procedure.get("bodySite"))
    named_sites = _with_field(entry_filter.radiotherapy_sites(entry_filter.typed_text(procedure)))
    if sites or named_sites:
        return _site_from_body_sites(entry_filter, sites, named_sites)
    return _site_from_reasons(entry_filter, procedure)


def _with_field(sites: list[Term]) -> list[Term]:
    return [term for term in sites if term.means in _FIELDS]


def _site_from_body_sites(entry_filter: EntryFilter, sites: list[Json], named_sites: list[Term]) -> RadiotherapySite:
    """Return the field: any of several sites in reach wins, and an unknown site makes it unknown."""
    sites, others = sites[:_MAX_SITES], sites[_MAX_SITES:]
    terms_by_site = [_terms_of_body_site(entry_filter, site) for site in sites]
    if others:
        terms_by_site.append([])  # they are not read, and may be anywhere
    terms = [*(term for site_terms in terms_by_site for term in site_terms), *named_sites]
    terms.sort(key=lambda term: _FIELDS[term.means] is Field.REMOTE)
    if not terms or (_FIELDS[terms[0].means] is Field.REMOTE and not all(terms_by_site)):
        return RadiotherapySite(Field.UNKNOWN, site_unread=any(codings(site) or words_of(site) for site in sites))
    return RadiotherapySite(_FIELDS[terms[0].means], site=terms[0].wording)


def _terms_of_body_site(entry_filter: EntryFilter, site: Json) -> list[Term]:
    """Return the terms of one bodySite, by its codes or else by its text."""
    by_code = entry_filter.knowledge.terminology.terms("body_site", entry_filter.codings(site))
    return by_code or _with_field(entry_filter.radiotherapy_sites(entry_filter.typed_text_of(site)))


def _site_from_reasons(entry_filter: EntryFilter, procedure: Json) -> RadiotherapySite:
    treated_for = reasons(procedure, entry_filter.references)
    stated = [term for reason in treated_for if (term := entry_filter.read_once(_treated_tumor, reason))]
    term = min(stated, key=_nearness, default=None)
    if term is None:
        return RadiotherapySite(Field.UNKNOWN)
    reach = _reach(term)
    return RadiotherapySite(_BY_REACH.get(reach, Field.UNKNOWN) if reach else Field.UNKNOWN, treats=term.wording)


def _treated_tumor(entry_filter: EntryFilter, reason: Json) -> Term | None:
    term = tumor_term(entry_filter, reason, entry_filter.terms(reason)) if entry_filter.is_verified(reason) else None
    return term if term and _reach(term) else None


def _without_inferred_field(radiotherapy: Finding, *, metastasis: bool) -> Finding:
    """Return radiotherapy without the field of its remote tumor, if a metastasis is on record."""
    if metastasis and radiotherapy.treats and radiotherapy.field is Field.REMOTE:
        return radiotherapy._replace(field=Field.UNKNOWN)
    return radiotherapy


def _counts(radiotherapy: Finding, *, unknown_counts: bool) -> bool:
    """Return whether radiotherapy may have reached the plexus."""
    return unknown_counts if radiotherapy.field is Field.UNKNOWN else radiotherapy.field is not Field.REMOTE


def _history(malignancies: list[Finding], radiotherapy: list[Finding]) -> History:
    if radiotherapy or any(finding.reach is not Reach.REMOTE for finding in malignancies):
        return History.IN_REACH
    return History.REMOTE_ONLY if malignancies else History.NONE

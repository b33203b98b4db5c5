"""Malignancy and radiotherapy in the entries of a record, and what they amount to."""

from collections.abc import Iterator

from cds_service.decision.codings import codings, members, words_of
from cds_service.decision.entries import Reader, Where
from cds_service.decision.reasons import reasons
from cds_service.knowledge.meanings import Terms
from cds_service.model import Finding, Json, Term
from cds_service.vocabulary import Certainty, Field, FindingKind, History, Reach

_FIELDS = {"not_in_code": Field.UNKNOWN, **{field.value: field for field in Field}}
"""The field that a code means."""

_BY_REACH = {Reach.PLEXUS_ADJACENT.value: Field.UNCERTAIN, Reach.REMOTE.value: Field.REMOTE}
"""The field that the tumor means which was treated; of any other it is unknown."""


def malignancy(reader: Reader, terms: Terms) -> Term | None:
    """Return what malignancy a Condition with these terms is of, or None; an excluded code vetoes it."""
    said = terms.get("malignancy", ())
    for term in said:
        if term.means == "excluded":
            reader.tally["not a malignancy that counts"] += 1
            return None
    return min(said, key=_nearness, default=None)


def in_condition(reader: Reader, condition: Json, terms: Terms, *, from_order: bool = False) -> Iterator[Finding]:
    """Yield what one Condition that stands, or one reason of the order, says of malignancy and of radiotherapy."""
    if term := malignancy(reader, terms):
        reach = Reach(term.means)
        yield reader.of_condition(FindingKind.MALIGNANCY, term, condition, from_order=from_order, reach=reach)
    for term in terms.get("radiation_history", ())[:1]:
        field = _FIELDS[term.means]
        yield reader.of_condition(FindingKind.RADIOTHERAPY, term, condition, from_order=from_order, field=field)


def in_words(reader: Reader, entry: Json, *, from_order: bool = False) -> Iterator[Finding]:
    """Yield the history that an entry or a reason tells in typed words alone (contract section 3).

    It stands where the text asserts it, of now or of the past: a denial, a doubt or a relative is none.
    """
    for topic, means, wording, certainty in reader.mentions(entry):
        if topic == "history" and certainty in (Certainty.ASSERTED, Certainty.PAST):
            term = Term("reason_words", means, wording)
            yield reader.of_condition(FindingKind(means), term, entry, from_order=from_order)._replace(as_typed=True)


def in_procedure(reader: Reader, procedure: Json, terms: Terms) -> Iterator[Finding]:
    """Yield the radiotherapy that one Procedure delivered."""
    said = terms.get("radiotherapy", ())
    if not said or not reader.was_performed(procedure):
        return
    delivered = [term for term in said if term.means != "not_delivery"]
    if not delivered:
        reader.tally["radiotherapy not delivered"] += 1
        return
    term = min(delivered, key=lambda term: term.means == "not_in_code")
    yield reader.of_procedure(FindingKind.RADIOTHERAPY, term, procedure, _where(reader, term, procedure))


def _where(reader: Reader, term: Term, procedure: Json) -> Where:
    """Return the first answer of the code's own site, bodySite, and the tumor that was treated."""
    field = _FIELDS[term.means]
    if field is not Field.UNKNOWN:
        return Where(field)
    if sites := members(procedure.get("bodySite")):
        return _by_site(reader, sites)
    return _by_reason(reader, procedure)


def _by_site(reader: Reader, sites: list[Json]) -> Where:
    """Any of several sites in reach wins; a site that we do not know leaves the field unknown."""
    known = [reader.knowledge.codes["body_site"].terms(codings(site)) for site in sites]
    terms = sorted((term for terms in known for term in terms), key=lambda term: _FIELDS[term.means] is Field.REMOTE)
    if not terms or (_FIELDS[terms[0].means] is Field.REMOTE and not all(known)):
        return Where(Field.UNKNOWN, site_unread=any(codings(site) or words_of(site) for site in sites))
    return Where(_FIELDS[terms[0].means], site=terms[0].wording)


def _by_reason(reader: Reader, procedure: Json) -> Where:
    given = reasons(procedure, reader.known)
    stated = [term for one in given if (term := reader.once(_treated, one))]
    term = min(stated, key=_nearness, default=None)
    if term is None:
        return Where(Field.UNKNOWN)
    return Where(_BY_REACH.get(term.means, Field.UNKNOWN), treats=term.wording)


def _treated(reader: Reader, reason: Json) -> Term | None:
    return malignancy(reader, reader.terms(reason)) if reader.stands(reason) else None


def weighed(found: list[Finding]) -> tuple[list[Finding], list[Finding], list[Finding], History]:
    """Return malignancies, radiotherapy that counts, radiotherapy elsewhere, and what they amount to.

    Coded history decides; what is only typed is told beside it, and adds nothing to it (contract section 6).
    """
    typed = [one for one in found if one.as_typed]
    found = [one for one in found if not one.as_typed]
    malignancies = [one for one in found if one.kind is FindingKind.MALIGNANCY]
    metastasis = any(one.metastatic for one in malignancies)
    near = metastasis or not malignancies or any(one.reach is not Reach.REMOTE for one in malignancies)
    radiotherapy = [_settled(one, metastasis=metastasis) for one in found if one.kind is FindingKind.RADIOTHERAPY]
    counted: list[Finding] = []
    elsewhere: list[Finding] = []
    for one in radiotherapy:
        (counted if _counts(one, near=near) else elsewhere).append(one)
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


def _counts(radiotherapy: Finding, *, near: bool) -> bool:
    """Tell whether radiotherapy could have reached the plexus; of an unknown field, whether no tumor was only far."""
    return near if radiotherapy.field is Field.UNKNOWN else radiotherapy.field is not Field.REMOTE


def _history(malignancies: list[Finding], radiotherapy: list[Finding]) -> History:
    if radiotherapy or any(one.reach is not Reach.REMOTE for one in malignancies):
        return History.IN_REACH
    return History.REMOTE_ONLY if malignancies else History.NONE


def _nearness(term: Term) -> int:
    """Of several codes for one malignancy, the one that says most of its reach comes first."""
    if term.means == Reach.PLEXUS_ADJACENT:
        return 0
    return 1 if term.metastatic else 2 if term.means == Reach.REMOTE else 3

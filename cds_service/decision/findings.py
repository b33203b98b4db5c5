"""Step 4: PatientRecord -> Findings, in the order in which a card tells them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date

from cds_service.decision.codings import codings, members, reference_of, status_codes
from cds_service.decision.dates import partial_date, period
from cds_service.decision.reasons import by_reference, reasons
from cds_service.knowledge import Knowledge
from cds_service.model import (
    Field,
    Finding,
    FindingKind,
    Findings,
    History,
    HookRequest,
    Json,
    PatientRecord,
    Reach,
    Term,
    WatchedOrder,
)

_ONSET = ("onsetDateTime", "onsetPeriod")
_RECORDED = ("recordedDate", "assertedDate", "dateRecorded")
_PERFORMED = ("performedDateTime", "performedPeriod", "occurrenceDateTime", "occurrencePeriod")


class _Reader:
    """Reads one record for one order; counts what it saw and did not use."""

    def __init__(self, knowledge: Knowledge, today: date, known: Mapping[str, Json]) -> None:
        self.knowledge, self.today, self.known = knowledge, today, known
        self.tally: Counter[str] = Counter()

    def stands(self, condition: Json) -> bool:
        """Tell whether the verification status lets a Condition count."""
        return not self._refused("Condition.verificationStatus", condition.get("verificationStatus"))

    def was_performed(self, procedure: Json) -> bool:
        """Tell whether the status lets a Procedure count; notDone and notPerformed are older words for not-done."""
        if procedure.get("notDone") is True or procedure.get("notPerformed") is True:
            self.tally["status does not count"] += 1
            return False
        return not self._refused("Procedure.status", procedure.get("status"))

    def _refused(self, element: str, value: object) -> bool:
        refused = any(code in self.knowledge.refused[element] for code in status_codes(value))
        self.tally["status does not count"] += refused
        return refused

    def malignancy(self, condition: Json) -> Term | None:
        """Return what malignancy a Condition is of, or None; an excluded code vetoes it."""
        terms = self.knowledge.codes["malignancy"].terms(codings(condition.get("code")))
        if any(term.means == "excluded" for term in terms):
            self.tally["not a malignancy that counts"] += 1
            return None
        return min(terms, key=_nearness, default=None)

    def of_condition(self, condition: Json, *, from_order: bool = False) -> Iterator[Finding]:
        """Yield what one Condition, or one reason of the order, says of malignancy and of radiotherapy."""
        pairs = list(codings(condition.get("code")))
        if not pairs:
            self.tally["without a code"] += 1
        if not pairs or not self.stands(condition):
            return
        if term := self.malignancy(condition):
            found = self._finding(FindingKind.MALIGNANCY, term, condition, from_order=from_order)
            yield replace(found, reach=Reach(term.means), metastatic=term.metastatic)
        for term in self.knowledge.codes["radiation_history"].terms(pairs)[:1]:
            found = self._finding(FindingKind.RADIOTHERAPY, term, condition, from_order=from_order)
            yield replace(found, field=_field(term))

    def _finding(self, kind: FindingKind, term: Term, condition: Json, *, from_order: bool) -> Finding:
        since, until = period(condition, _ONSET, self.today)
        recorded = (partial_date(condition.get(name), self.today) for name in _RECORDED)
        return Finding(
            kind,
            term.wording,
            (reference_of(condition),) if condition.get("resourceType") else (),
            since=since,
            until=until if until != since else None,
            recorded=next((when for when in recorded if when), None),
            status=self.knowledge.status_words(status_codes(condition.get("clinicalStatus"))),
            from_order=from_order,
        )

    def of_procedure(self, procedure: Json) -> Iterator[Finding]:
        """Yield the radiotherapy that one Procedure delivered."""
        terms = self.knowledge.codes["radiotherapy"].terms(codings(procedure.get("code")))
        if not terms or not self.was_performed(procedure):
            return
        delivered = [term for term in terms if term.means != "not_delivery"]
        if not delivered:
            self.tally["radiotherapy not delivered"] += 1
            return
        term = min(delivered, key=lambda term: term.means == "not_in_code")
        since, until = period(procedure, _PERFORMED, self.today)
        found = Finding(
            FindingKind.RADIOTHERAPY,
            term.wording,
            (reference_of(procedure),),
            since,
            until,
            status=self.knowledge.status_words(status_codes(procedure.get("status"))),
            from_procedure=True,
            field=_field(term),
        )
        yield self._with_field(found, procedure)

    def _with_field(self, found: Finding, procedure: Json) -> Finding:
        """Add the field: the first answer of the code's own site, bodySite, and the tumor that it treated."""
        if found.field is not Field.UNKNOWN:
            return found
        if sites := members(procedure.get("bodySite")):
            return self._by_site(found, sites)
        return self._by_reason(found, procedure)

    def _by_site(self, found: Finding, sites: list[Json]) -> Finding:
        """Any of several sites in reach wins; a site that we do not know leaves the field unknown."""
        known = [self.knowledge.codes["body_site"].terms(codings(site)) for site in sites]
        terms = sorted((term for terms in known for term in terms), key=lambda term: _field(term) is Field.REMOTE)
        if not terms or (_field(terms[0]) is Field.REMOTE and not all(known)):
            return found
        return replace(found, field=_field(terms[0]), site=terms[0].wording)

    def _by_reason(self, found: Finding, procedure: Json) -> Finding:
        stated = [term for one in reasons(procedure, self.known) if self.stands(one) and (term := self.malignancy(one))]
        term = min(stated, key=_nearness, default=None)
        fields = {Reach.PLEXUS_ADJACENT: Field.UNCERTAIN, Reach.REMOTE: Field.REMOTE}
        if term is None:
            return found
        return replace(found, field=fields.get(Reach(term.means), Field.UNKNOWN), treats=term.wording)


def find(
    order: WatchedOrder, request: HookRequest, record: PatientRecord, knowledge: Knowledge, today: date
) -> Findings:
    """Return what the record and the order's own reasons say of malignancy and radiotherapy."""
    known = by_reference([*request.drafted, *record.conditions, *record.procedures])
    reader = _Reader(knowledge, today, known)
    found = [one for condition in record.conditions for one in reader.of_condition(condition)]
    for reason in reasons(order.order.resource, known):
        found += reader.of_condition(reason, from_order=True)
    for procedure in record.procedures:
        found += reader.of_procedure(procedure)
    return _weighed(_merged(found), reader.tally)


def _weighed(found: list[Finding], tally: Mapping[str, int]) -> Findings:
    malignancies = tuple(one for one in found if one.kind is FindingKind.MALIGNANCY)
    metastasis = any(one.metastatic for one in malignancies)
    radiotherapy = [_settled(one, metastasis=metastasis) for one in found if one.kind is FindingKind.RADIOTHERAPY]
    counted = tuple(one for one in radiotherapy if _counts(one, malignancies))
    elsewhere = tuple(one for one in radiotherapy if one not in counted)
    return Findings(malignancies, counted, elsewhere, history=_history(malignancies, counted), tally=dict(tally))


def _settled(radiotherapy: Finding, *, metastasis: bool) -> Finding:
    """Where a metastasis is on record, the site of the first tumor does not tell the field."""
    if radiotherapy.field is Field.REMOTE and radiotherapy.treats and metastasis:
        return replace(radiotherapy, field=Field.UNKNOWN)
    return radiotherapy


def _counts(radiotherapy: Finding, malignancies: tuple[Finding, ...]) -> bool:
    """Tell whether radiotherapy could have reached the plexus."""
    if radiotherapy.field is Field.UNKNOWN and malignancies:
        return any(one.reach is not Reach.REMOTE or one.metastatic for one in malignancies)
    return radiotherapy.field is not Field.REMOTE


def _history(malignancies: tuple[Finding, ...], radiotherapy: tuple[Finding, ...]) -> History:
    if radiotherapy or any(one.reach is not Reach.REMOTE for one in malignancies):
        return History.IN_REACH
    return History.REMOTE_ONLY if malignancies else History.NONE


def _field(term: Term) -> Field:
    return Field.UNKNOWN if term.means == "not_in_code" else Field(term.means)


def _nearness(term: Term) -> int:
    """Of several codes for one malignancy, the one that says most of its reach comes first."""
    if term.means == Reach.PLEXUS_ADJACENT:
        return 0
    return 1 if term.metastatic else 2 if term.means == Reach.REMOTE else 3


def _merged(found: Iterable[Finding]) -> list[Finding]:
    """Return the findings newest first, those that say the same (sessions of one course, repeated entries) as one."""
    groups: dict[tuple[object, ...], Finding] = {}
    for one in found:
        key = (one.kind, one.wording, one.field, one.site, one.treats, one.from_procedure, one.reach)
        groups[key] = _joined(groups[key], one) if key in groups else one
    return sorted(groups.values(), key=lambda one: one.newest, reverse=True)


def _joined(one: Finding, other: Finding) -> Finding:
    return replace(
        one,
        references=tuple(dict.fromkeys([*one.references, *other.references])),
        since=min((d for d in (one.since, other.since) if d), key=lambda d: d.first, default=None),
        until=max((d for d in (one.until, other.until) if d), key=lambda d: d.last, default=None),
        recorded=min((d for d in (one.recorded, other.recorded) if d), key=lambda d: d.first, default=None),
        status=_status(one, other),
        from_order=one.from_order or other.from_order,
    )


def _status(one: Finding, other: Finding) -> str:
    """Return the status of two entries that say the same; a bare reason of the order has none of its own."""
    if one.references and other.references:
        return one.status if one.status == other.status else ""
    return one.status or other.status

"""Step 4: PatientRecord -> Findings, in the order in which a card tells them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from cds_service.decision import cautions, history, signs
from cds_service.decision.codings import codings
from cds_service.decision.entries import Reader
from cds_service.decision.reasons import by_reference, reasons
from cds_service.knowledge import Knowledge
from cds_service.model import Finding, Findings, HookRequest, Json, PatientRecord, Site, WatchedOrder
from cds_service.vocabulary import FindingKind, Presentation


def find(
    order: WatchedOrder, request: HookRequest, record: PatientRecord, knowledge: Knowledge, site: Site, today: date
) -> Findings:
    """Return all that matters for one order in its own reasons and in the record."""
    known = by_reference([*request.drafted, *record.conditions, *record.procedures])
    reader = Reader(knowledge, {**knowledge.limits, **site.limits}, today, known)
    found = [
        *_in_reasons(reader, order.order.resource),
        *_in_record(reader, record, knowledge.watched[order.study].same_as),
    ]
    malignancies, radiotherapy, elsewhere, amount = history.weighed(_merged(found))
    presentations = _merged(one for one in found if one.kind is FindingKind.PRESENTATION)
    rest = [one for one in found if one.kind not in _TOLD]
    devices = cautions.present([one for one in rest if one.kind is FindingKind.DEVICE])
    return Findings(
        tuple(malignancies),
        tuple(radiotherapy),
        tuple(elsewhere),
        tuple(sorted(presentations, key=lambda one: (one.means != Presentation.SPECIFIC, not one.from_order))),
        (*_merged(one for one in rest if one.kind is not FindingKind.DEVICE), *_merged(devices)),
        amount,
        _strongest(presentations),
        dict(reader.tally),
    )


_TOLD = (FindingKind.PRESENTATION, FindingKind.RADIOTHERAPY, FindingKind.MALIGNANCY)


def _in_reasons(reader: Reader, order: Json) -> Iterator[Finding]:
    for reason in reasons(order, reader.known):
        if reader.stands(reason):
            yield from history.in_condition(reader, reason, from_order=True)
            yield from signs.in_reason(reader, reason)


def _in_record(reader: Reader, record: PatientRecord, done: frozenset[str]) -> Iterator[Finding]:
    for condition in record.conditions:
        if not any(codings(condition.get("code"))):
            reader.tally["without a code"] += 1
        elif reader.stands(condition):
            yield from history.in_condition(reader, condition)
            yield from signs.in_condition(reader, condition)
            yield from cautions.in_condition(reader, condition)
    for procedure in record.procedures:
        yield from history.in_procedure(reader, procedure)
        yield from cautions.in_procedure(reader, procedure, done)
    yield from cautions.in_optional(reader, record.optional)


def _strongest(presentations: Iterable[Finding]) -> Presentation:
    means = {one.means for one in presentations}
    return next((one for one in (Presentation.SPECIFIC, Presentation.COMPATIBLE) if one in means), Presentation.NONE)


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

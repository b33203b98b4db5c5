"""Step 4: PatientRecord -> Findings, in the order in which a card tells them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from typing import NamedTuple

from cds_service.decision import cautions, history, signs
from cds_service.decision.entry_filter import EntryFilter
from cds_service.decision.fhir_fields import codings, own_study
from cds_service.decision.references import ReferenceResolver, reasons
from cds_service.knowledge import Knowledge
from cds_service.knowledge.terminology import UNREAD, Terms
from cds_service.model import (
    OPTIONAL_KEYS,
    PLEXUS_STUDIES,
    Certainty,
    Finding,
    FindingKind,
    Findings,
    HookRequest,
    Json,
    PatientRecord,
    Presentation,
    Site,
    WatchedOrder,
)

_TOLD = (
    FindingKind.PRESENTATION,
    FindingKind.RADIOTHERAPY,
    FindingKind.MALIGNANCY,
    FindingKind.OTHER_NEOPLASM,
)


class RecordFindings(NamedTuple):
    """What the record says, read once for all orders of a call, and the filter that read it."""

    entry_filter: EntryFilter
    found: list[Finding]
    not_readable: bool
    """There are Conditions, and none could be read."""
    not_all_read: bool


def collect_findings(
    request: HookRequest, record: PatientRecord, knowledge: Knowledge, site: Site, today: date
) -> RecordFindings:
    """Return all findings of the record, whichever order they matter for."""
    entry_filter = EntryFilter(knowledge, site, today, ReferenceResolver(request, record))
    found = _merged(_in_record(entry_filter, record))
    unread = any(not part.is_needed and not _is_imaging(part.holds) for part in record.unread)
    return RecordFindings(entry_filter, found, bool(record.conditions) and not entry_filter.conditions_read, unread)


def findings_for(order: WatchedOrder, record_findings: RecordFindings, knowledge: Knowledge) -> Findings:
    """Return all that matters for one order in its own reasons and in the record."""
    in_reasons = list(_in_reasons(record_findings.entry_filter, order.order.resource))
    found = _merged([*in_reasons, *record_findings.found]) if in_reasons else record_findings.found
    tally = dict(record_findings.entry_filter.tally)
    if not found:
        return Findings(
            tally=tally, not_readable=record_findings.not_readable, not_all_read=record_findings.not_all_read
        )
    malignancies, radiotherapy, elsewhere, amount = history.assess_history(found)
    found = [*found, *_stat(order)]
    presentations = [one for one in found if one.kind is FindingKind.PRESENTATION]
    return Findings(
        tuple(malignancies),
        tuple(radiotherapy),
        tuple(elsewhere),
        tuple(sorted(presentations, key=lambda one: (one.means != Presentation.SPECIFIC, not one.from_order))),
        tuple(_others(found, knowledge.watched[order.study].same_as)),
        amount,
        _strongest(presentations),
        tally,
        record_findings.not_readable,
        record_findings.not_all_read,
    )


def _is_imaging(key: str) -> bool:
    """Return whether an optional key tells of imaging only."""
    return key in OPTIONAL_KEYS and OPTIONAL_KEYS[key].is_imaging


def _others(found: list[Finding], same_as: frozenset[str]) -> list[Finding]:
    """Return what silences the card or is to be checked first; of MRIs done those that make the proposal needless."""
    others = [one for one in found if one.kind not in _TOLD]
    if not others:
        return others
    devices = cautions.present([one for one in others if one.kind is FindingKind.DEVICE])
    rest = [one for one in others if one.kind is not FindingKind.DEVICE]
    return [*(one for one in rest if _is_of_matter(one, same_as)), *devices]


def _is_of_matter(finding: Finding, same_as: frozenset[str]) -> bool:
    if finding.kind in (FindingKind.PLEXUS_MRI, FindingKind.PLEXUS_MRI_ORDERED):
        return finding.means in same_as
    if finding.kind is FindingKind.PLEXUS_MRI_EARLIER:
        return finding.from_order or finding.means in PLEXUS_STUDIES
    return True


def _stat(order: WatchedOrder) -> Iterator[Finding]:
    """Yield that the order is an emergency, by its priority."""
    priority = order.order.resource.get("priority")
    if isinstance(priority, str) and priority.strip().lower() == FindingKind.STAT:
        yield Finding(FindingKind.STAT, "", (), from_order=True)


def _in_reasons(entry_filter: EntryFilter, order: Json) -> Iterator[Finding]:
    for reason in reasons(order, entry_filter.known):
        yield from entry_filter.once(_in_reason, reason)


def _in_reason(entry_filter: EntryFilter, reason: Json) -> list[Finding]:
    if not entry_filter.stands(reason):
        return []
    terms = entry_filter.terms(reason)
    return [
        *history.in_condition(entry_filter, reason, terms, from_order=True),
        *history.in_words(entry_filter, reason, from_order=True),
        *signs.in_reason(entry_filter, reason, terms),
    ]


def _in_condition(entry_filter: EntryFilter, condition: Json, terms: Terms) -> Iterator[Finding]:
    """Yield what one Condition of the record says, unless its own text takes it back (contract section 4)."""
    if not entry_filter.stands(condition):
        return
    opening = entry_filter.opening(condition)
    if opening in (Certainty.ASSERTED, Certainty.PAST):
        yield from history.in_condition(entry_filter, condition, terms)
        if not entry_filter.codings(condition.get("code")):
            yield from history.in_words(entry_filter, condition)
    elif terms:
        entry_filter.tally["taken back by its own text"] += 1
    if opening is not Certainty.DENIED:
        found = signs.in_condition(entry_filter, condition, terms)
        doubted = opening not in (Certainty.ASSERTED, Certainty.PAST)
        yield from (one for one in found if not (doubted and one.kind is FindingKind.PRESENTATION))


def _in_record(entry_filter: EntryFilter, record: PatientRecord) -> Iterator[Finding]:
    for condition, terms in _of_matter(entry_filter, "Condition", record.conditions):
        yield from _in_condition(entry_filter, condition, terms)
    entry_filter.conditions_read = entry_filter.read
    for procedure, terms in _of_matter(entry_filter, "Procedure", record.procedures):
        yield from _in_procedure(entry_filter, procedure, terms)
        if not entry_filter.codings(procedure.get("code")) and entry_filter.was_performed(procedure):
            yield from history.in_words(entry_filter, procedure)
    if record.optional:
        yield from _in_optional(entry_filter, record.optional)


def _in_procedure(entry_filter: EntryFilter, procedure: Json, terms: Terms) -> Iterator[Finding]:
    yield from history.in_procedure(entry_filter, procedure, terms)
    yield from cautions.in_procedure(entry_filter, procedure, terms)
    yield from signs.in_procedure(entry_filter, procedure)


def _in_optional(entry_filter: EntryFilter, optional: Mapping[str, Sequence[Json]]) -> Iterator[Finding]:
    """Yield what the further keys say; the words of an Encounter name a visit, and never assert a history."""
    for encounter, terms in _of_matter(entry_filter, "Encounter", optional.get("encounters", ())):
        yield from _in_procedure(entry_filter, encounter, terms)
    for order in optional.get("imaging_orders", ()):
        yield from cautions.in_order(entry_filter, order)
    for report, terms in _of_matter(entry_filter, "DiagnosticReport", optional.get("imaging_reports", ())):
        yield from cautions.in_report(entry_filter, report, terms)
    yield from cautions.in_optional(entry_filter, chain.from_iterable(optional.values()))


def _of_matter(entry_filter: EntryFilter, resource_type: str, entries: Iterable[Json]) -> Iterator[tuple[Json, Terms]]:
    """Yield the entries whose code or text means something, and count those that can't be read; of many, few matter."""
    site, names = entry_filter.site, entry_filter.knowledge.known_systems
    without_code = 0
    not_read: dict[str, int] = defaultdict(int)
    for entry in entries:
        pairs = codings(entry.get("code"), site.systems)
        terms = entry_filter.meaning(entry, pairs)
        is_own = bool(site.studies) and own_study(pairs, site.studies, names) is not None
        is_read = is_own or terms is not UNREAD
        if not pairs:
            without_code += 1
        elif not is_read:
            not_read[pairs[0][0]] += 1
        if terms or is_own or entry_filter.mentions(entry):
            is_read = True
            yield entry, terms
        entry_filter.read += is_read
    entry_filter.tally["without a code"] += without_code
    entry_filter.tally["of a code system that is not read"] += sum(not_read.values())
    entry_filter.unrecognized.update({(resource_type, system): count for system, count in not_read.items()})


def _strongest(presentations: Iterable[Finding]) -> Presentation:
    means = {one.means for one in presentations}
    for one in (Presentation.SPECIFIC, Presentation.COMPATIBLE):
        if one in means:
            return one
    return Presentation.NONE


def _merged(found: Iterable[Finding]) -> list[Finding]:
    """Return the findings newest first, those that say the same (sessions of one course, repeated entries) as one."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for one in found:
        ongoing = one.status if one.from_procedure else ""
        key = (
            one.kind,
            one.wording,
            one.means,
            one.field,
            one.site,
            one.site_unread,
            one.treats,
            one.from_procedure,
            one.reach,
            one.as_typed,
            ongoing,
        )
        groups.setdefault(key, []).append(one)
    return sorted(map(_joined, groups.values()), key=lambda one: one.newest, reverse=True)


def _joined(same: list[Finding]) -> Finding:
    if len(same) == 1:
        return same[0]
    return same[0]._replace(
        references=_references(same),
        since=min((one.since for one in same if one.since), key=lambda when: when.first, default=None),
        until=max((one.until for one in same if one.until), key=lambda when: when.last, default=None),
        recorded=min((one.recorded for one in same if one.recorded), key=lambda when: when.first, default=None),
        status=_status(same),
        from_order=any(one.from_order for one in same),
    )


def _references(same: list[Finding]) -> tuple[str, ...]:
    """Return all references, each once; those of the record may be thousands, and few orders add to them."""
    given = [one.references for one in same if one.references]
    return given[0] if len(given) == 1 else tuple(dict.fromkeys(chain.from_iterable(given)))


def _status(same: list[Finding]) -> str:
    """Return the status of entries that say the same, if they agree; a bare reason of the order has none of its own."""
    statuses = {one.status for one in same if one.references}
    return statuses.pop() if len(statuses) == 1 else ""

"""Step 4: PatientRecord -> Findings, in the order in which a card lists them (contract sections 3 to 5)."""

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
from cds_service.knowledge.typed_text import TextBudget
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

_LISTED_KINDS = (
    FindingKind.PRESENTATION,
    FindingKind.RADIOTHERAPY,
    FindingKind.MALIGNANCY,
    FindingKind.OTHER_NEOPLASM,
)


class RecordFindings(NamedTuple):
    """The findings of the record, which is read once for all orders of a call, and the filter that read it."""

    entry_filter: EntryFilter
    findings: list[Finding]
    not_readable: bool
    """There are Conditions, and none could be read."""
    not_all_read: bool
    has_unread_text: bool
    """There is more typed text than is read."""


def collect_findings(
    request: HookRequest,
    record: PatientRecord,
    knowledge: Knowledge,
    site: Site,
    today: date,
    *,
    notes_omissions: bool = False,
) -> RecordFindings:
    """Return all findings of the record, newest first, whichever order they matter for (contract sections 3 and 4).

    With `notes_omissions` the filter notes for each entry why it does not count.
    """
    entry_filter = EntryFilter(knowledge, site, today, ReferenceResolver(request, record))
    entry_filter.omissions = {} if notes_omissions else None
    findings = _merge(_in_record(entry_filter, record))
    unread = any(not part.is_needed and not _is_imaging(part.holds) for part in record.unread)
    has_unread_text = entry_filter.text_budget.is_exceeded
    entry_filter.text_budget = TextBudget()
    not_readable = bool(record.conditions) and not entry_filter.readable_conditions
    return RecordFindings(entry_filter, findings, not_readable, unread, has_unread_text)


def findings_for(order: WatchedOrder, record_findings: RecordFindings, knowledge: Knowledge) -> Findings:
    """Return the findings of one order, of its own reasons and of the record, by subject (contract sections 3 to 6)."""
    in_reasons = list(_in_reasons(record_findings.entry_filter, order.order.resource))
    findings = _merge([*in_reasons, *record_findings.findings]) if in_reasons else record_findings.findings
    unused = dict(record_findings.entry_filter.unused)
    has_unread_text = record_findings.has_unread_text or record_findings.entry_filter.text_budget.is_exceeded
    if not findings:
        return Findings(
            unused=unused,
            not_readable=record_findings.not_readable,
            not_all_read=record_findings.not_all_read,
            has_unread_text=has_unread_text,
        )
    malignancies, radiotherapy, elsewhere, overall = history.assess_history(findings)
    findings = [*findings, *_stat_findings(order)]
    presentations = [finding for finding in findings if finding.kind is FindingKind.PRESENTATION]
    return Findings(
        tuple(malignancies),
        tuple(radiotherapy),
        tuple(elsewhere),
        tuple(
            sorted(presentations, key=lambda finding: (finding.means != Presentation.SPECIFIC, not finding.from_order))
        ),
        tuple(_others(findings, knowledge.watched[order.study].same_as)),
        overall,
        _strongest_presentation(presentations),
        unused,
        record_findings.not_readable,
        record_findings.not_all_read,
        has_unread_text,
    )


def _is_imaging(key: str) -> bool:
    """Return whether an optional key can hold imaging only."""
    return key in OPTIONAL_KEYS and OPTIONAL_KEYS[key].is_imaging


def _others(findings: list[Finding], same_as: frozenset[str]) -> list[Finding]:
    """Return the findings that suppress the card or are checked first; of plexus MRIs only those that it replaces."""
    others = [finding for finding in findings if finding.kind not in _LISTED_KINDS]
    if not others:
        return others
    devices = cautions.devices_in_body([finding for finding in others if finding.kind is FindingKind.DEVICE])
    not_devices = [finding for finding in others if finding.kind is not FindingKind.DEVICE]
    return [*(finding for finding in not_devices if _is_relevant(finding, same_as)), *devices]


def _is_relevant(finding: Finding, same_as: frozenset[str]) -> bool:
    if finding.kind in (FindingKind.PLEXUS_MRI, FindingKind.PLEXUS_MRI_ORDERED):
        return finding.means in same_as
    if finding.kind is FindingKind.PLEXUS_MRI_EARLIER:
        return finding.from_order or finding.means in PLEXUS_STUDIES
    return True


def _stat_findings(order: WatchedOrder) -> Iterator[Finding]:
    """Yield a finding if the priority of the order is stat (contract section 6)."""
    priority = order.order.resource.get("priority")
    if isinstance(priority, str) and priority.strip().lower() == FindingKind.STAT:
        yield Finding(FindingKind.STAT, "", (), from_order=True)


def _in_reasons(entry_filter: EntryFilter, order: Json) -> Iterator[Finding]:
    for reason in reasons(order, entry_filter.references):
        yield from entry_filter.read_once(_in_reason, reason)


def _in_reason(entry_filter: EntryFilter, reason: Json) -> list[Finding]:
    if not entry_filter.is_verified(reason):
        return []
    terms = entry_filter.terms(reason)
    return [
        *history.condition_findings(entry_filter, reason, terms, from_order=True),
        *history.text_findings(entry_filter, reason, from_order=True),
        *signs.reason_findings(entry_filter, reason, terms),
    ]


def _in_condition(entry_filter: EntryFilter, condition: Json, terms: Terms) -> list[Finding]:
    """Return the findings of one Condition of the record, unless its own text denies them (contract section 4)."""
    if not entry_filter.is_verified(condition):
        return []
    opening = entry_filter.opening_certainty(condition)
    if opening in (Certainty.ASSERTED, Certainty.PAST):
        findings = history.condition_findings(entry_filter, condition, terms)
        if not terms and not entry_filter.codings(condition.get("code")):
            findings += history.text_findings(entry_filter, condition)
        return findings + signs.condition_findings(entry_filter, condition, terms)
    entry_filter.note_certainty(condition, opening)
    if terms:
        entry_filter.unused["taken back by its own text"] += 1
    if opening is Certainty.DENIED:
        return []
    findings = signs.condition_findings(entry_filter, condition, terms)
    return [finding for finding in findings if finding.kind is not FindingKind.PRESENTATION]


def _in_record(entry_filter: EntryFilter, record: PatientRecord) -> Iterator[Finding]:
    for condition, terms in _relevant_entries(entry_filter, "Condition", record.conditions):
        yield from _in_condition(entry_filter, condition, terms)
    entry_filter.readable_conditions = entry_filter.readable
    for procedure, terms in _relevant_entries(entry_filter, "Procedure", record.procedures):
        yield from _in_procedure(entry_filter, procedure, terms)
        if not entry_filter.codings(procedure.get("code")) and entry_filter.was_performed(procedure):
            yield from history.text_findings(entry_filter, procedure)
    if record.optional:
        yield from _in_optional(entry_filter, record.optional)


def _in_procedure(entry_filter: EntryFilter, procedure: Json, terms: Terms) -> Iterator[Finding]:
    yield from history.procedure_findings(entry_filter, procedure, terms)
    yield from cautions.procedure_findings(entry_filter, procedure, terms)
    yield from signs.procedure_findings(entry_filter, procedure)


def _in_optional(entry_filter: EntryFilter, optional: Mapping[str, Sequence[Json]]) -> Iterator[Finding]:
    """Yield the findings under the optional keys; the text of an Encounter never asserts a history."""
    for encounter, terms in _relevant_entries(entry_filter, "Encounter", optional.get("encounters", ())):
        yield from _in_procedure(entry_filter, encounter, terms)
    for order in optional.get("imaging_orders", ()):
        yield from cautions.order_findings(entry_filter, order)
    for report, terms in _relevant_entries(entry_filter, "DiagnosticReport", optional.get("imaging_reports", ())):
        yield from cautions.report_findings(entry_filter, report, terms)
    yield from cautions.optional_findings(entry_filter, chain.from_iterable(optional.values()))


def _relevant_entries(
    entry_filter: EntryFilter, resource_type: str, entries: Iterable[Json]
) -> Iterator[tuple[Json, Terms]]:
    """Yield the few entries whose code or text has a meaning, with that meaning; count those that cannot be read."""
    site, names = entry_filter.site, entry_filter.knowledge.known_systems
    without_code = 0
    not_read: dict[str, int] = defaultdict(int)
    for entry in entries:
        code = entry.get("code")
        if code is None and "category" not in entry:
            without_code += 1
            continue
        pairs = codings(code, site.systems)
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
        entry_filter.readable += is_read
    entry_filter.unused["without a code"] += without_code
    entry_filter.unused["of a code system that is not read"] += sum(not_read.values())
    entry_filter.unrecognized.update({(resource_type, system): count for system, count in not_read.items()})


class PossibleMeaning(NamedTuple):
    """What an entry of the record can mean on any day, whatever its status and its dates."""

    is_any: bool
    """Only such an entry can add a finding, unless a reason refers to it."""
    is_read: bool
    """It could be read, by a code of a known system or by its text."""


def possible_meaning(entry: Json, entry_filter: EntryFilter) -> PossibleMeaning:
    """Return what an entry can mean by its code, its text and the category of a Procedure: no more is looked at."""
    pairs = entry_filter.codings(entry.get("code"))
    terms = entry_filter.meaning(entry, pairs)
    knowledge, site = entry_filter.knowledge, entry_filter.site
    is_own = own_study(pairs, site.studies, knowledge.known_systems) is not None
    is_any = bool(terms) or is_own or knowledge.reason_words.may_mention(entry_filter.typed_text(entry))
    return PossibleMeaning(is_any, is_any or terms is not UNREAD)


def _strongest_presentation(presentations: Iterable[Finding]) -> Presentation:
    means = {finding.means for finding in presentations}
    for presentation in (Presentation.SPECIFIC, Presentation.COMPATIBLE):
        if presentation in means:
            return presentation
    return Presentation.NONE


def _merge(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings newest first; duplicates, as the sessions of one course, become one (contract section 3)."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        ongoing = finding.status if finding.from_procedure else ""
        key = (
            finding.kind,
            finding.wording,
            finding.means,
            finding.field,
            finding.site,
            finding.site_unread,
            finding.treats,
            finding.from_procedure,
            finding.reach,
            finding.as_typed,
            ongoing,
        )
        groups.setdefault(key, []).append(finding)
    return sorted(map(_merge_duplicates, groups.values()), key=lambda finding: finding.newest, reverse=True)


def _merge_duplicates(duplicates: list[Finding]) -> Finding:
    if len(duplicates) == 1:
        return duplicates[0]
    return duplicates[0]._replace(
        references=_references(duplicates),
        since=min(
            (finding.since for finding in duplicates if finding.since), key=lambda when: when.first, default=None
        ),
        until=max((finding.until for finding in duplicates if finding.until), key=lambda when: when.last, default=None),
        recorded=min(
            (finding.recorded for finding in duplicates if finding.recorded), key=lambda when: when.first, default=None
        ),
        status=_status(duplicates),
        from_order=any(finding.from_order for finding in duplicates),
    )


def _references(duplicates: list[Finding]) -> tuple[str, ...]:
    """Return all references, each once; the record may have thousands, and few orders add to them."""
    reference_groups = [finding.references for finding in duplicates if finding.references]
    if len(reference_groups) == 1:
        return reference_groups[0]
    return tuple(dict.fromkeys(chain.from_iterable(reference_groups)))


def _status(duplicates: list[Finding]) -> str:
    """Return the status that all duplicates share; a reason without a reference has none of its own."""
    statuses = {finding.status for finding in duplicates if finding.references}
    return statuses.pop() if len(statuses) == 1 else ""

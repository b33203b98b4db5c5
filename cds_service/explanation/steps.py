"""A decision described step by step, as JSON-able data; of the chart it holds references and our own words alone."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from itertools import chain
from typing import Any

from cds_service.decision.entry_filter import EntryFilter, Omission
from cds_service.decision.fhir_fields import reference_of
from cds_service.decision.findings import RecordFindings, collect_findings
from cds_service.decision.orders import selected_orders
from cds_service.decision.record import entry_counts, with_own_keys
from cds_service.decision.rendering import card_findings, render_finding
from cds_service.decision.request import read_hook
from cds_service.decision.rules import RESERVATIONS, SILENCES, DecisionCell, decision_table
from cds_service.decision.studies import UNRECOGNIZED, study_of
from cds_service.errors import TooLarge
from cds_service.knowledge import Knowledge
from cds_service.knowledge.terminology import UNREAD
from cds_service.model import (
    DISMISSED_BEFORE,
    Decision,
    DraftOrder,
    Finding,
    FindingKind,
    Findings,
    History,
    HookRequest,
    Json,
    PatientRecord,
    Presentation,
    Reach,
    Recommendation,
    Silence,
    Site,
    Unread,
)

_MOST_PAIRS = 100_000
"""Of a monitored order and an entry of the record, each of which is described; a real call has a few thousand."""


def describe(decision: Decision, body: Any, hook: str, knowledge: Knowledge, site: Site, today: date) -> dict[str, Any]:
    """Return the steps of a decision on a call: its orders, the record, and for each outcome what led to it.

    An outcome has its findings, the unused entries of the record, the decision table of its study, and the reasons for
    no card in the order in which they were tested. TooLarge for a call with too many orders and too large a record.
    """
    request = read_hook(body, hook)
    _refuse_too_large(decision)
    record_findings = None
    if decision.record and any(outcome.findings for outcome in decision.outcomes):
        renamed = with_own_keys(request, site.prefetch_aliases)
        record_findings = collect_findings(renamed, decision.record, knowledge, site, today, notes_omissions=True)
    return {
        "is_shadow": decision.is_shadow,
        "orders": [asdict(step) for step in order_steps(request, knowledge, site, today)],
        "record": _record(decision.record) if decision.record else None,
        "unrecognized": [
            {"resource": resource, "system": system, "count": count}
            for (resource, system), count in decision.unrecognized.items()
        ],
        "outcomes": [
            _outcome(outcome, decision.record, record_findings, knowledge, site, today) for outcome in decision.outcomes
        ],
    }


def _refuse_too_large(decision: Decision) -> None:
    orders = len(decision.outcomes)
    entries = sum(entry_counts(decision.record).values()) if decision.record else 0
    if orders * entries > _MOST_PAIRS:
        message = (
            f"The call has {orders} monitored orders and {entries} entries of the record, and each order would be "
            f"explained with each entry. At most {_MOST_PAIRS} such pairs are explained: send fewer of either."
        )
        raise TooLarge(message)


def _record(record: PatientRecord) -> dict[str, Any]:
    return {
        "conditions": len(record.conditions),
        "procedures": len(record.procedures),
        "more": {key: len(entries) for key, entries in record.optional.items()},
        "unread": [_unread_step(part) for part in record.unread],
        "skipped": record.skipped,
        "other_patient": len(record.other_patient),
        "not_sent": record.not_sent,
        "ignored_keys": list(record.ignored_keys),
    }


def _unread_step(part: Unread) -> dict[str, Any]:
    return {
        "key": part.key,
        "why": part.reason,
        "partly": part.partly,
        "is_needed": part.is_needed,
        "holds": part.holds,
    }


def _outcome(
    outcome: Recommendation | Silence,
    record: PatientRecord | None,
    record_findings: RecordFindings | None,
    knowledge: Knowledge,
    site: Site,
    today: date,
) -> dict[str, Any]:
    step = outcome_step(outcome, knowledge, today)
    used = {reference for finding in step.findings for reference in finding.references}
    unused = unused_entries(record, used, record_findings) if record and record_findings and outcome.findings else ()
    return asdict(step) | {
        "unused_entries": [asdict(entry) for entry in unused],
        "decision_table": [
            cell._asdict() | {"is_here": is_here} for cell, is_here in decision_cells(outcome, knowledge, site)
        ],
        "silences": [asdict(silence) for silence in silence_steps(outcome, knowledge)],
    }


@dataclass(frozen=True, slots=True)
class OrderStep:
    """One draft order as it was read."""

    reference: str
    study: str
    name: str
    is_watched: bool
    why: str


def order_steps(request: HookRequest, knowledge: Knowledge, site: Site, today: date) -> Iterator[OrderStep]:
    """Yield each draft order of a call as it was read, in its order."""
    watched = [order.order for order in selected_orders(request, knowledge, site, today).watched]
    for draft in request.draft_orders:
        study, name = study_of(draft.resource, knowledge, site)
        is_watched = any(draft is order for order in watched)
        why = (
            "it is selected, and this card monitors its study"
            if is_watched
            else _why_not(draft, study, request, knowledge, site, today)
        )
        name = name or knowledge.card["orders"].get(study, {}).get("name", "")
        yield OrderStep(draft.reference, study, name, is_watched, why)


def _why_not(draft: DraftOrder, study: str, request: HookRequest, knowledge: Knowledge, site: Site, today: date) -> str:
    """Return what keeps an order from being monitored, found by deciding again with that one thing changed."""
    if study == UNRECOGNIZED:
        return "its study is recognized neither by code nor by text: map the code in the site file"
    if study not in knowledge.watched:
        return "this card does not monitor its study"
    if not draft.selected:
        return "it is not selected"
    live = {**draft.resource, "status": "draft", "doNotPerform": False, "subject": None, "patient": None}
    reopened = request._replace(draft_orders=(draft._replace(resource=live),))
    if selected_orders(reopened, knowledge, site, today).watched:
        return "it is not an active draft of this patient"
    return f"its reason for exam is not a {knowledge.watched[study].only_for} sign of plexopathy"


COUNTS, CHECKED, ELSEWHERE = "counts", "checked", "elsewhere"
"""The use of a finding: it counts, it suppresses the card or is to be checked first, or its field is elsewhere."""

_USES = {
    "specific": "it points to the plexus",
    "compatible": "it is compatible with plexopathy, and with other causes",
    Reach.PLEXUS_ADJACENT: "it can reach the plexus",
    Reach.UNSPECIFIED: "it may reach the plexus: its site is not stated",
    Reach.REMOTE: "it is far from the plexus",
    FindingKind.RADIOTHERAPY: "its field may have reached the plexus",
    FindingKind.DEVICE: "to be checked before an MRI",
    FindingKind.CONTRAST: "to be checked before contrast is given",
    FindingKind.IODINE: "to be checked before the contrast of a CT is given",
    FindingKind.SPINE: "the spine itself is named or diseased, so nothing is recommended",
    FindingKind.CORD_SIGN: "a sign of the cord or the sphincters that is past or chronic, so nothing is recommended",
    FindingKind.OTHER_EXPLANATION: "it may explain the sign otherwise, so the card only asks",
    FindingKind.PLEXUS_MRI_EARLIER: "an MRI of the plexus within the last year, so nothing is recommended",
    FindingKind.MRI_DONE: "an MRI is mentioned",
    FindingKind.STAT: "the order is not to be delayed, so nothing is recommended",
    FindingKind.UPPER_LIMB: "the arm is named, which suppresses the card where neither low back nor leg is named",
    FindingKind.OTHER_QUESTION: "it suppresses the card on a PET/CT or a CT alone",
    CHECKED: "it suppresses the card",
    ELSEWHERE: "its field does not reach the plexus",
}


@dataclass(frozen=True, slots=True)
class FindingStep:
    """One finding in our words, the entries it comes from, and what use it is."""

    kind: str
    words: str
    references: tuple[str, ...]
    use: str
    why: str


@dataclass(frozen=True, slots=True)
class ReasonStep:
    """Why there is no card."""

    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class AgainstStep:
    """Why a card recommends nothing, and the findings that speak against it, where there are such."""

    reason: str
    words: str
    findings: tuple[str, ...]
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardStep:
    """The card; `recommended` is a suggestion, or an empty text where none is recommended."""

    indicator: str
    recommended: str
    proposes: str
    against: tuple[AgainstStep, ...]
    """Why nothing is recommended; empty where something is."""


@dataclass(frozen=True, slots=True)
class OutcomeStep:
    """What was found for one order, what it amounts to, and the result: a card, or a silence."""

    order: str
    """The reference of the order, or an empty text where the silence is of the whole call."""
    name: str
    findings: tuple[FindingStep, ...]
    not_used: Mapping[str, int]
    history: History | None
    presentation: Presentation | None
    card: CardStep | None
    silence: ReasonStep | None


def outcome_step(outcome: Recommendation | Silence, knowledge: Knowledge, today: date) -> OutcomeStep:
    """Return one outcome of a decision as a step of its explanation."""
    order, findings = outcome.order, outcome.findings
    return OutcomeStep(
        order=order.order.reference if order else "",
        name=(order.name or knowledge.card["orders"][order.study]["name"]) if order else "",
        findings=tuple(_findings(findings, knowledge, today)) if findings else (),
        not_used={reason: count for reason, count in findings.unused.items() if count} if findings else {},
        history=findings.history if findings else None,
        presentation=findings.presentation if findings else None,
        card=_card(outcome, knowledge, today) if isinstance(outcome, Recommendation) else None,
        silence=ReasonStep(outcome.reason, knowledge.silences[outcome.reason])
        if isinstance(outcome, Silence)
        else None,
    )


def _card(outcome: Recommendation, knowledge: Knowledge, today: date) -> CardStep:
    proposed = knowledge.card["proposals"][outcome.order.proposed]["code"]["text"]
    words = {row.reason: row.words for row in knowledge.reservations if outcome.order.study in row.studies}
    against = tuple(_against(reason, words[reason], outcome.findings, knowledge, today) for reason in outcome.against)
    return CardStep(outcome.indicator, outcome.recommended, proposed, against)


def _against(reason: str, words: str, findings: Findings, knowledge: Knowledge, today: date) -> AgainstStep:
    held = RESERVATIONS[reason](findings)
    named = held if isinstance(held, tuple) else ()
    references = dict.fromkeys(reference for finding in named for reference in finding.references)
    rendered = dict.fromkeys(filter(None, (_words(finding, knowledge, today) for finding in named)))
    return AgainstStep(reason, words, tuple(rendered), tuple(references))


def _words(finding: Finding, knowledge: Knowledge, today: date) -> str:
    """Return a finding in the card's words; a study that only a code of the site names has the name of its order."""
    if not finding.wording:
        finding = finding._replace(wording=knowledge.card["orders"].get(finding.means, {}).get("name", ""))
    return (
        render_finding(finding, knowledge.card["findings"], knowledge.card["durations"], today)
        if finding.wording
        else ""
    )


def _findings(findings: Findings, knowledge: Knowledge, today: date) -> Iterator[FindingStep]:
    checked = [
        finding
        for finding in findings.others
        if (finding.wording or finding.references) and finding.kind is not FindingKind.LOWER_BODY
    ]
    groups = ((COUNTS, card_findings(findings)), (CHECKED, checked), (ELSEWHERE, findings.radiotherapy_elsewhere))
    for use, group in groups:
        for finding in group:
            yield FindingStep(
                finding.kind, _words(finding, knowledge, today), finding.references, use, _why(finding, use)
            )


def _why(finding: Finding, use: str) -> str:
    """Return why a finding has this use."""
    if use == ELSEWHERE:
        return _USES[ELSEWHERE]
    if use == CHECKED:
        return _USES.get(finding.kind, _USES[CHECKED])
    return _USES[finding.reach or (finding.means if finding.kind is FindingKind.PRESENTATION else finding.kind)]


@dataclass(frozen=True, slots=True)
class SilenceStep:
    """One row of silences.csv, and whether it was passed, holds, or was not reached."""

    reason: str
    words: str
    state: str


def decision_cells(
    outcome: Recommendation | Silence, knowledge: Knowledge, site: Site
) -> Iterator[tuple[DecisionCell, bool]]:
    """Yield each cell of the decision table of an order's study, and whether the patient is in it."""
    if outcome.order is None or outcome.findings is None:
        return
    patient = (outcome.findings.history, outcome.findings.presentation)
    for row in decision_table(outcome.order.study, knowledge, site):
        yield from ((cell, (cell.history, cell.presentation) == patient) for cell in row)


def silence_steps(outcome: Recommendation | Silence, knowledge: Knowledge) -> Iterator[SilenceStep]:
    """Yield the silences in their order: those that were passed, the one that holds, those that were not reached.

    Without `dismissed_before`, which is not of the decision: an explanation asks no store.
    """
    held = outcome.reason if isinstance(outcome, Silence) else ""
    # a study without a row of decision_table.csv is found out last, after all silences
    is_last = bool(outcome.findings) and held not in SILENCES
    state = "passed"
    for reason, words in knowledge.silences.items():
        if reason == DISMISSED_BEFORE:
            continue
        is_held = reason == held
        yield SilenceStep(reason, words, "holds" if is_held else state)
        if is_held and not is_last:
            state = "not reached"


_WHY_OMITTED = {
    Omission.STATUS: "its status, {detail}, does not count",
    Omission.CERTAINTY: "its code is marked as excluded or suspected",
    Omission.NOT_DONE: "it is marked as not done",
    Omission.NOT_TO_BE_DONE: "it says that the study is not to be done",
    Omission.DENIED: "its own text denies it",
    Omission.DOUBTED: "its own text doubts it",
    Omission.PAST: "its own text says that it is past",
    Omission.NOT_ACTIVE: "it is not active: {detail}",
    Omission.ENDED: "it has ended",
    Omission.NO_DATE: "it has no date, so it is outside the look-back window ({detail})",
    Omission.TOO_OLD: "it is outside the look-back window of {days} days ({detail})",
    Omission.ORDER_ONLY: "it counts only as a reason for exam",
    Omission.NOT_IN_PROCEDURE: "what its text names does not count in this type of resource",
    Omission.NOT_DELIVERED: "it is not a delivery of radiotherapy",
    Omission.NO_MALIGNANCY: "it is not a malignancy that counts",
    Omission.OTHER_STUDY: "its study does not replace the one that the card proposes",
    Omission.NO_VALUE: "it has no numeric value",
    Omission.NOT_NEWEST: "a newer measurement counts",
    Omission.NOT_LOW: "its value is not low",
}
_STUDIES = (FindingKind.PLEXUS_MRI, FindingKind.PLEXUS_MRI_ORDERED, FindingKind.PLEXUS_MRI_EARLIER)
_REMOVED = "it states a removal"
_NO_LONGER = "a removal that is not older cancels it"
_NO_CODE = "it has no code, and its text names nothing that counts"
_UNKNOWN = "this card does not look for it"
_UNREAD = "its code system is not supported"
_OTHER_TYPE = "what its code means does not count in this type of resource"
_OTHER_PATIENT = "it names another patient"


@dataclass(frozen=True, slots=True)
class UnusedEntry:
    """One entry of the record that was read and not used."""

    reference: str
    why: str


def unused_entries(
    record: PatientRecord, used: Collection[str], record_findings: RecordFindings
) -> Iterator[UnusedEntry]:
    """Yield each entry that is not among those `used`, with the reason that the filter noted."""
    not_needed = {reference: finding for finding in record_findings.findings for reference in finding.references}
    for entry in chain(record.conditions, record.procedures, *record.optional.values()):
        reference = reference_of(entry)
        if reference not in used:
            finding = not_needed.get(reference)
            why = _why_not_needed(finding) if finding else _why_unused(record_findings.entry_filter, entry)
            yield UnusedEntry(reference, why)
    for reference in record.other_patient:
        yield UnusedEntry(reference, _OTHER_PATIENT)


def _why_not_needed(finding: Finding) -> str:
    """Return why a finding of the record has no use for an order."""
    if finding.kind is FindingKind.DEVICE:
        return _REMOVED if finding.means == "removed" else _NO_LONGER
    return _WHY_OMITTED[Omission.OTHER_STUDY if finding.kind in _STUDIES else Omission.NO_MALIGNANCY]


def _why_unused(entry_filter: EntryFilter, entry: Json) -> str:
    """Return why an entry does not count; of several reasons those that say most."""
    omissions = dict.fromkeys((entry_filter.omissions or {}).get(id(entry), ()))
    if any(omission is Omission.OTHER_STUDY for omission, _ in omissions):
        return _WHY_OMITTED[Omission.OTHER_STUDY]
    if reasons := [noted for noted in omissions if noted[0] is not Omission.ORDER_ONLY] or [*omissions]:
        return "; ".join(_why_omitted(entry_filter, omission, detail) for omission, detail in reasons)
    pairs = [*entry_filter.codings(entry.get("code")), *entry_filter.codings(entry.get("type"))]
    if not pairs:
        return _NO_CODE
    meaning = entry_filter.meaning(entry, pairs)
    if meaning is UNREAD:
        return _UNREAD
    return _OTHER_TYPE if meaning else _UNKNOWN


def _why_omitted(entry_filter: EntryFilter, omission: Omission, detail: str) -> str:
    """Return an omission in words; its detail is a status, or a window of lookback_windows.csv."""
    days = entry_filter.limits.get(detail)
    words = detail if days else detail.replace("-", " ")
    return _WHY_OMITTED[omission].format(detail=words, days=days).removesuffix(": ")

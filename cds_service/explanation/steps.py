"""The entries of the record that no finding comes from, and why."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from cds_service.decision.entry_filter import EntryFilter
from cds_service.decision.fhir_fields import reference_of, status_codes
from cds_service.decision.orders import selected_orders
from cds_service.decision.references import ReferenceResolver
from cds_service.decision.rendering import finding_words, told
from cds_service.decision.rules import SILENCES, DecisionCell, decision_table
from cds_service.decision.studies import UNRECOGNIZED, study_of
from cds_service.knowledge import Knowledge
from cds_service.knowledge.terminology import UNREAD
from cds_service.model import (
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
)


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
    watched = [one.order for one in selected_orders(request, knowledge, site, today).watched]
    for draft in request.draft_orders:
        study, name = study_of(draft.resource, knowledge, site)
        is_watched = any(draft is one for one in watched)
        why = (
            "it was chosen, and this card watches its study"
            if is_watched
            else _why_not(draft, study, request, knowledge, site, today)
        )
        name = name or knowledge.card["orders"].get(study, {}).get("name", "")
        yield OrderStep(draft.reference, study, name, is_watched, why)


def _why_not(draft: DraftOrder, study: str, request: HookRequest, knowledge: Knowledge, site: Site, today: date) -> str:
    """Tell what keeps an order from being watched, by asking again with that one thing changed."""
    if study == UNRECOGNIZED:
        return "neither its code nor its words tell its study: map the code in the site file"
    if study not in knowledge.watched:
        return "this card does not watch its study"
    if not draft.selected:
        return "it was not chosen now"
    live = {**draft.resource, "status": "draft", "doNotPerform": False, "subject": None, "patient": None}
    asked = request._replace(draft_orders=(draft._replace(resource=live),))
    if selected_orders(asked, knowledge, site, today).watched:
        return "it is not a draft that can still become an order of this patient"
    return f"its own reason is not a {knowledge.watched[study].only_for} sign of plexopathy"


COUNTS, CHECKED, ELSEWHERE = "counts", "checked", "elsewhere"
"""What use a finding is: it counts, it silences the card or is to be checked first, or its field is elsewhere."""

_USES = {
    "specific": "it points to the plexus",
    "compatible": "it is compatible with a plexopathy, and with much else",
    Reach.PLEXUS_ADJACENT: "it can reach the plexus",
    Reach.UNSPECIFIED: "it may reach the plexus: its place is not stated",
    Reach.REMOTE: "it is far from the plexus",
    FindingKind.RADIOTHERAPY: "its field may have reached the plexus",
    FindingKind.DEVICE: "to be checked before an MRI",
    FindingKind.CONTRAST: "to be checked before contrast is given",
    FindingKind.IODINE: "to be checked before the contrast of a CT is given",
    FindingKind.SPINE: "the spine itself is named or diseased, so nothing is recommended",
    FindingKind.CORD_SIGN: "a sign of the cord or the sphincters that is past or chronic, so nothing is recommended",
    FindingKind.OTHER_EXPLANATION: "it may explain the sign otherwise, so the card only asks",
    FindingKind.PLEXUS_MRI_EARLIER: "an MRI of the plexus within the last year, so nothing is recommended",
    FindingKind.MRI_DONE: "an MRI is spoken of",
    FindingKind.STAT: "nothing is to delay the order, so nothing is recommended",
    FindingKind.UPPER_LIMB: "the arm is named, which asks for silence where nothing is said of the low back or the leg",
    FindingKind.OTHER_QUESTION: "it asks for silence on a PET/CT or a CT alone",
    CHECKED: "it asks for silence",
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
    """Why there is silence, or why nothing is recommended."""

    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class CardStep:
    """How the card speaks; `recommended` is a suggestion, or no text where none is recommended."""

    indicator: str
    recommended: str
    proposes: str
    against: tuple[ReasonStep, ...]
    """Why nothing is recommended; empty where something is."""


@dataclass(frozen=True, slots=True)
class OutcomeStep:
    """What was found for one order, what it amounts to, and what is said: a card, or a silence."""

    order: str
    """The reference of the order, or no text where the silence is of the whole call."""
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
        not_used={what: count for what, count in findings.tally.items() if count} if findings else {},
        history=findings.history if findings else None,
        presentation=findings.presentation if findings else None,
        card=_card(outcome, knowledge) if isinstance(outcome, Recommendation) else None,
        silence=ReasonStep(outcome.reason, knowledge.silences[outcome.reason])
        if isinstance(outcome, Silence)
        else None,
    )


def _card(said: Recommendation, knowledge: Knowledge) -> CardStep:
    proposed = knowledge.card["proposals"][said.order.proposed]["code"]["text"]
    words = {row.reason: row.words for row in knowledge.reservations if said.order.study in row.studies}
    against = tuple(ReasonStep(reason, words[reason]) for reason in said.against)
    return CardStep(said.indicator, said.recommended, proposed, against)


def _findings(findings: Findings, knowledge: Knowledge, today: date) -> Iterator[FindingStep]:
    checked = [one for one in findings.others if one.wording and one.kind is not FindingKind.LOWER_BODY]
    groups = ((COUNTS, told(findings)), (CHECKED, checked), (ELSEWHERE, findings.radiotherapy_elsewhere))
    for use, group in groups:
        for one in group:
            words = finding_words(one, knowledge.card["findings"], knowledge.card["durations"], today)
            yield FindingStep(one.kind, words, one.references, use, _why(one, use))


def _why(finding: Finding, use: str) -> str:
    """Tell in words why a finding is of this use."""
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
    """Yield the silences in their order: those that were passed, the one that holds, those that were not reached."""
    held = outcome.reason if isinstance(outcome, Silence) else ""
    # a study without a row of decision_table.csv is found out last, after all silences
    is_last = bool(outcome.findings) and held not in SILENCES
    state = "passed"
    for reason, words in knowledge.silences.items():
        now = "holds" if reason == held else state
        yield SilenceStep(reason, words, now)
        if now == "holds" and not is_last:
            state = "not reached"


_EXCLUDED = {
    "not_delivery": "it is no delivery of radiotherapy",
    "removed": "it tells of a removal",
}
_CONDITIONS = (
    "malignancy",
    "radiation_history",
    "presentation",
    "emergency",
    "trauma",
    "upper_limb",
    "device",
    "contrast",
    "spine",
    "other_explanation",
)
_PROCEDURES = ("radiotherapy", "device", "contrast", "spine", "order")
_NO_CODE = "it has no code"
_UNKNOWN = "this card does not look for it"
_UNREAD = "its code is of a system that is not read"
_ELSE = "it is not active, too long ago, or of no matter to this order"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One entry of the record that was read and not used."""

    reference: str
    why: str


def left_out(
    record: PatientRecord, used: Collection[str], knowledge: Knowledge, site: Site, today: date
) -> Iterator[LeftOut]:
    """Yield each entry that is not among those `used`, with the reason."""
    reader = EntryFilter(knowledge, site, today, ReferenceResolver())
    for condition in record.conditions:
        if reference_of(condition) not in used:
            status = "" if reader.stands(condition) else _status(reader, "verificationStatus", condition)
            yield LeftOut(reference_of(condition), _left_out_why(reader, condition, _CONDITIONS, status))
    more = record.optional
    for procedure in (*record.procedures, *more.get("encounters", ()), *more.get("imaging_reports", ())):
        if reference_of(procedure) not in used:
            status = "" if reader.was_performed(procedure) else _status(reader, "status", procedure)
            yield LeftOut(reference_of(procedure), _left_out_why(reader, procedure, _PROCEDURES, status))
    for order in more.get("imaging_orders", ()):
        if reference_of(order) not in used:
            status = "" if reader.is_ordered(order) else _status(reader, "status", order)
            yield LeftOut(reference_of(order), _left_out_why(reader, order, ("order",), status))


def _status(reader: EntryFilter, member: str, entry: Json) -> str:
    """Name the status by which an entry does not count; only a status of the knowledge is ever named."""
    kind = "imaging_order" if entry["resourceType"] == "ServiceRequest" else entry["resourceType"]
    refused = reader.knowledge.refused[f"{kind}.{member}"]
    named = next((f", {code}," for code in status_codes(entry.get(member)) if code in refused), "")
    return f"its status{named} does not count"


def _left_out_why(reader: EntryFilter, entry: Json, families: tuple[str, ...], status: str) -> str:
    pairs = reader.codings(entry.get("code"))
    if not pairs:
        return _NO_CODE
    if reader.meaning(entry, pairs) is UNREAD:
        return _UNREAD
    means = [term.means for family in families for term in reader.knowledge.terminology.terms(family, pairs)]
    if not means:
        return _UNKNOWN
    return status or next((_EXCLUDED[one] for one in means if one in _EXCLUDED), _no_malignancy(means) or _ELSE)


def _no_malignancy(means: list[str]) -> str:
    return "it is not a malignancy that counts" if any(one.startswith("excluded") for one in means) else ""

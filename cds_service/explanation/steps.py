"""What was found for each watched order, and what is said: the steps that data and text both tell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from cds_service.decision.phrases import finding_words, told
from cds_service.knowledge import Knowledge
from cds_service.model import Finding, Findings, Recommendation, Silence
from cds_service.vocabulary import FindingKind, History, Presentation, Reach

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

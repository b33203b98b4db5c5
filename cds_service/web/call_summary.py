"""What became of a call, in words of ours and numbers: nothing of the patient is in it, so it may outlive the call."""

from dataclasses import dataclass
from datetime import date, datetime

from cds_service.decision.record import amounts
from cds_service.model import Decision, Recommendation, Retrieval, Silence


@dataclass(slots=True)
class CallSummary:
    """All that is counted, logged and stored of one call."""

    at: datetime
    day: date
    service: str
    hook: str
    client: str
    status: int
    outcome: str
    seconds: dict[str, float]
    """Of each phase, and in all."""
    retrieval: Retrieval | None = None
    reasons: tuple[str, ...] = ()
    """The reason of each silence, and of each card its indicator, history and presentation."""
    decisions: tuple[tuple[str, str, str], ...] = ()
    """Of each: the study or no text, what was said, and the reason or the indicator."""
    against: tuple[str, ...] = ()
    """Of the cards, why nothing is recommended: rows of reservations.csv, each once."""
    counts: dict[str, int] | None = None
    """What was read, where a record was."""
    unrecognized: tuple[tuple[str, str, int], ...] = ()
    """Of what neither code nor words explained: resource type, code system, and how many."""
    has_own_line: bool = False
    """It was logged already, as one that was refused."""


def reasons(decision: Decision) -> tuple[str, ...]:
    """Name the reason of each silence, and of each card its indicator, history and presentation."""
    return tuple([_reason(outcome) for outcome in decision.outcomes])


def against(decision: Decision) -> tuple[str, ...]:
    """Return what speaks against recommending a suggestion of the cards, each reason once."""
    named = (one for outcome in decision.outcomes if isinstance(outcome, Recommendation) for one in outcome.against)
    return tuple(dict.fromkeys(named))


def decisions(decision: Decision) -> tuple[tuple[str, str, str], ...]:
    """Return the study, what was said, and why or how strongly, of each outcome."""
    spoken = "shadow" if decision.is_shadow else "card"
    return tuple([_said(outcome, spoken) for outcome in decision.outcomes])


def counts(decision: Decision) -> dict[str, int] | None:
    """Return how much was read, and said, or None where no record was needed."""
    record = decision.record
    if record is None:
        return None
    return {
        "cards": len(decision.cards),
        **amounts(record),
        "skipped": record.skipped,
        "other_patient": record.other_patient,
        "not_sent": record.not_sent,
        "unread": len(record.unread),
    }


def _reason(outcome: Recommendation | Silence) -> str:
    if isinstance(outcome, Silence):
        return outcome.reason
    return f"{outcome.indicator}:{outcome.findings.history}:{outcome.findings.presentation}"


def _said(outcome: Recommendation | Silence, spoken: str) -> tuple[str, str, str]:
    study = outcome.order.study if outcome.order else ""
    return (study, "silent", outcome.reason) if isinstance(outcome, Silence) else (study, spoken, outcome.indicator)

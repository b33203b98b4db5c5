"""What became of a call, in words of ours and numbers: nothing of the patient is in it, so it may outlive the call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from http import HTTPStatus

from cds_service.clock import Clock
from cds_service.decision.record import entry_counts
from cds_service.model import Decision, Recommendation, Retrieval, Silence
from cds_service.web.request_context import Interval, RequestContext

OUTCOMES = {
    400: "not_json",
    401: "unauthenticated",
    404: "unknown_service",
    405: "method",
    412: "record",
    413: "too_large",
    415: "media_type",
    422: "not_a_call",
    503: "store",
}


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
    """Of each phase, and `total`."""
    retrieval: Retrieval | None = None
    fault: str = ""
    """The member for which the body is no call of the hook, and what is wrong with it."""
    reasons: tuple[str, ...] = ()
    """The reason of each silence, and of each card its indicator, history and presentation."""
    decisions: tuple[tuple[str, str, str], ...] = ()
    """Of each order: its study or an empty text, card, shadow or silent, and the indicator or the reason."""
    against: tuple[str, ...] = ()
    """Why the cards recommend nothing: rows of reservations.csv, each once."""
    counts: dict[str, int] | None = None
    """What was read, where a record was."""
    unmapped: tuple[str, ...] = ()
    """The studies that were not suggested, because the site file has no code for them."""
    unrecognized: tuple[tuple[str, str, int], ...] = ()
    """What neither code nor words explained: resource type, code system, and how many."""
    has_own_line: bool = False
    """It was logged already, as one that was refused."""
    reports: Mapping[str, int] = field(default_factory=dict)
    """How many reports of feedback were stored, by their outcome."""
    timeline: Sequence[Interval] = ()
    """Its phases and their parts, where it is traced."""
    traceparent: str = ""
    """As its caller sent it, where it is traced: a span has the ids in it, and nothing else."""


def summarize(clock: Clock, context: RequestContext, status: int) -> CallSummary:
    """Return the summary of a call that was answered with a status; this ends its stopwatch."""
    now, decision = clock.now(), context.decision
    outcomes = decisions(decision) if decision else ()
    return CallSummary(
        at=now,
        day=clock.day_of(now),
        service=context.service,
        hook=context.hook,
        client=context.client,
        status=status,
        outcome=context.outcome or _outcome(status, outcomes),
        seconds=context.stopwatch.stop(),
        retrieval=context.retrieval,
        fault=context.fault,
        decisions=outcomes,
        reasons=reasons(decision) if decision else (),
        against=against(decision) if decision else (),
        counts=counts(decision) if decision else None,
        unmapped=context.answer.unmapped if context.answer else (),
        unrecognized=tuple((*kind, count) for kind, count in decision.unrecognized.items()) if decision else (),
        has_own_line=context.is_logged,
        reports=context.reports,
        timeline=context.stopwatch.timeline or (),
        traceparent=context.traceparent,
    )


def reasons(decision: Decision) -> tuple[str, ...]:
    """Return the reason of each silence, and of each card its indicator, history and presentation."""
    return tuple([_reason(outcome) for outcome in decision.outcomes])


def against(decision: Decision) -> tuple[str, ...]:
    """Return what speaks against recommending a suggestion of the cards, each reason once."""
    cards = (outcome for outcome in decision.outcomes if isinstance(outcome, Recommendation))
    return tuple(dict.fromkeys(reservation for card in cards for reservation in card.against))


def decisions(decision: Decision) -> tuple[tuple[str, str, str], ...]:
    """Return of each outcome the study, card, shadow or silent, and the indicator or the reason."""
    card_outcome = "shadow" if decision.is_shadow else "card"
    return tuple([_decision(outcome, card_outcome) for outcome in decision.outcomes])


def counts(decision: Decision) -> dict[str, int] | None:
    """Return how much was read and shown, or None where no record was needed."""
    record = decision.record
    if record is None:
        return None
    return {
        "cards": len(decision.cards),
        **entry_counts(record),
        "skipped": record.skipped,
        "other_patient": len(record.other_patient),
        "not_sent": record.not_sent,
        "unread": len(record.unread),
        "ignored_keys": len(record.ignored_keys),
    }


def _reason(outcome: Recommendation | Silence) -> str:
    if isinstance(outcome, Silence):
        return outcome.reason
    return f"{outcome.indicator}:{outcome.findings.history}:{outcome.findings.presentation}"


def _decision(outcome: Recommendation | Silence, card_outcome: str) -> tuple[str, str, str]:
    study = outcome.order.study if outcome.order else ""
    if isinstance(outcome, Silence):
        return study, "silent", outcome.reason
    return study, card_outcome, outcome.indicator


def _outcome(status: int, outcomes: tuple[tuple[str, str, str], ...]) -> str:
    """Return the outcome of a whole call: card where any of its decisions is one, then shadow, then silent."""
    if not outcomes or status != HTTPStatus.OK:
        return OUTCOMES.get(status, "fault" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "other")
    present = [outcome for _, outcome, _ in outcomes]
    return next((outcome for outcome in ("card", "shadow") if outcome in present), "silent")

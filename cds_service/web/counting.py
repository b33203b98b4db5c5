"""What became of a call -> the metrics; no label holds a text of the client's."""

from collections.abc import Mapping

from flask import Flask

from cds_service import metrics
from cds_service.decision.record import KEYS
from cds_service.model import Decision, Recommendation, Retrieval, Silence
from cds_service.web.authentication import CHECKS
from cds_service.web.parts import parts

_TAKEN, _NOT_STORED = 200, "store"


def prepare(app: Flask) -> None:
    """Let every series begin at 0: a rate misses the first event of one that begins later."""
    with app.app_context():
        knowledge, services = parts().knowledge, parts().hooks
    metrics.prepare(
        services=services,
        studies=knowledge.watched,
        reasons=knowledge.silences,
        indicators={row.indicator for row in knowledge.strength.values()},
        keys=KEYS,
        checks=CHECKS,
        version=knowledge.version,
    )


def count_call(
    service: str, outcome: str, seconds: Mapping[str, float], decision: Decision | None, retrieval: Retrieval | None
) -> None:
    """Count a call, the decisions on its orders, and how the record was had.

    The phases are timed where a record was read: the many calls that need none would hide how long the others take.
    """
    metrics.call(service, outcome)
    is_at_once = decision is not None and decision.record is None
    metrics.phases({"total": seconds["total"]} if is_at_once else seconds)
    if decision:
        _count_decisions(decision)
    if retrieval:
        _count_retrieval(retrieval)


def count_feedback(status: int, outcome: str, reports: Mapping[str, int]) -> None:
    """Count the reports of feedback by their outcome, or the refused call that brought them."""
    if status == _TAKEN:
        for became, amount in reports.items():
            metrics.feedback(became, amount)
    else:
        metrics.feedback("refused")
    if outcome == _NOT_STORED:
        metrics.store_failure("feedback")


def count_trial(outcome: str, *, is_feedback: bool) -> None:
    """Count a call of the playground, or its feedback, which no other figure has; a store that fails is no trial."""
    metrics.trial("feedback" if is_feedback else outcome)
    if outcome == _NOT_STORED:
        metrics.store_failure("feedback")


def _count_decisions(decision: Decision) -> None:
    for outcome in decision.outcomes:
        metrics.decision(outcome.order.study if outcome.order else "none", *_said(outcome, decision))


def _said(outcome: Recommendation | Silence, decision: Decision) -> tuple[str, str]:
    if isinstance(outcome, Silence):
        return "silent", outcome.reason
    return "shadow" if decision.is_shadow else "card", outcome.indicator


def _count_retrieval(retrieval: Retrieval) -> None:
    for key, state in retrieval.prefetched.items():
        metrics.prefetch(key, state)
    for key, fault in retrieval.fetched.items():
        metrics.fetch(key, fault)

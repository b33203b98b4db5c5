"""What became of a call -> the metrics; no label holds a text of the client's."""

from collections import Counter
from collections.abc import Mapping, Sequence

from flask import Flask

from cds_service import metrics
from cds_service.decision.record import KEYS
from cds_service.model import Retrieval
from cds_service.web.authentication import CHECKS
from cds_service.web.outcomes import CallOutcome
from cds_service.web.parts import parts

_TAKEN, _NOT_STORED = 200, "store"


def prepare(app: Flask) -> None:
    """Let every series begin at 0: a rate misses the first event of one that begins later."""
    with app.app_context():
        knowledge, services, now = parts().knowledge, parts().hooks, parts().clock.now()
    metrics.prepare(
        services=services,
        studies=knowledge.watched,
        reasons=knowledge.silences,
        indicators={row.indicator for row in knowledge.strength.values()},
        keys=KEYS,
        checks=CHECKS,
        version=knowledge.version,
        started=now.timestamp(),
    )


def count_calls(calls: Sequence[CallOutcome]) -> None:
    """Count calls, the decisions on their orders, and how their records were had; those that are alike together.

    The phases are timed where a record was read: the many calls that need none would hide how long the others take.
    """
    for (service, outcome), times in Counter((call.service, call.outcome) for call in calls).items():
        metrics.call(service, outcome, times)
    for (study, said, reason), times in Counter(one for call in calls for one in call.decisions).items():
        metrics.decision(study or "none", said, reason, times)
    for call in calls:
        is_at_once = call.decisions and call.counts is None
        metrics.phases({"total": call.seconds["total"]} if is_at_once else call.seconds)
    for call in calls:
        for resource, _, amount in call.unrecognized:
            metrics.unrecognized(resource, amount)
    _count_retrievals([call.retrieval for call in calls if call.retrieval])


def count_feedback(status: int, outcome: str, reports: Mapping[str, int]) -> None:
    """Count the reports of feedback that were kept by their outcome, and the refused call that brought them."""
    for became, amount in reports.items():
        metrics.feedback(became, amount)
    if status != _TAKEN:
        metrics.feedback("refused")
    if outcome == _NOT_STORED:
        metrics.store_failure("feedback")


def count_trial(outcome: str, *, is_feedback: bool) -> None:
    """Count a call of the playground, or its feedback, which no other figure has; a store that fails is no trial."""
    metrics.trial("feedback" if is_feedback else outcome)
    if outcome == _NOT_STORED:
        metrics.store_failure("feedback")


def _count_retrievals(retrievals: Sequence[Retrieval]) -> None:
    for (key, state), times in Counter(one for had in retrievals for one in had.prefetched.items()).items():
        metrics.prefetch(key, state, times)
    for (key, fault), times in Counter(one for had in retrievals for one in had.fetched.items()).items():
        metrics.fetch(key, fault, times)

"""Cards and decisions of calls -> the store's rows, written behind the answer; no fault here can keep a card back."""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from http import HTTPStatus
from multiprocessing import util

from flask import Flask

from cds_service.model import Decision, Recommendation
from cds_service.store.records import Counted, DecisionKind, ShownCard, ShownSuggestion, Unrecognized
from cds_service.web.call_summary import CallSummary
from cds_service.web.dialects import Answer
from cds_service.web.request_context import RequestContext
from cds_service.web.services import AppServices, app_services


def flush_at_exit(app: Flask) -> None:
    """Write what is left when this process ends; the server's workers are forked, and end without atexit."""
    util.Finalize(None, app_services(app).recorder.close, exitpriority=0)


def record_cards(services: AppServices, context: RequestContext, status: int) -> None:
    """Record the cards of a call that was answered."""
    if context.decision and context.answer and context.answer.cards and status == HTTPStatus.OK:
        services.recorder.record(list(shown_cards(services, context, context.decision, context.answer)), ())


def record_decisions(services: AppServices, calls: Iterable[CallSummary]) -> None:
    """Record the decisions of calls, those without a record (412) too, and what neither code nor words explained."""
    counts: Counter[Counted] = Counter(kind for call in calls for kind in _decision_kinds(services, call))
    for call in calls:
        for resource, system, count in call.unrecognized:
            counts[Unrecognized(call.day, call.service, call.client, resource, system)] += count
    if counts:
        services.recorder.record((), counts)


def _decision_kinds(services: AppServices, call: CallSummary) -> Iterator[DecisionKind]:
    common = call.day, call.service, call.client, services.knowledge.version
    if call.status == HTTPStatus.OK:
        counts = call.counts or {}
        incomplete = bool(counts.get("unread") or counts.get("skipped"))
        for study, outcome, reason in call.decisions:
            yield _decision_kind(*common, study, outcome, reason, incomplete)
    elif call.status == HTTPStatus.PRECONDITION_FAILED and call.service in services.hooks:
        yield _decision_kind(*common, "", "refused", "record", True)  # noqa: FBT003 - by position for the cache


_decision_kind = lru_cache(maxsize=1000)(DecisionKind)
"""There are few of them, and most calls are of one."""


def shown_cards(
    services: AppServices, context: RequestContext, decision: Decision, answer: Answer
) -> Iterator[ShownCard]:
    """Yield the row of each card of an answer, in the order of the cards."""
    now, record = services.clock.now(), decision.record
    day = services.clock.day_of(now)
    is_incomplete = bool(record and (record.unread or record.skipped))
    patient = _pseudonym(decision.patient_id, services.privacy.patient_key)
    recommendations = [outcome for outcome in decision.outcomes if isinstance(outcome, Recommendation)]
    for recommendation, card, kinds in zip(recommendations, answer.cards, answer.kinds, strict=True):
        order = context.client, decision.patient_id, recommendation.order.order.reference
        suggestions = [
            ShownSuggestion(suggestion["uuid"], kind, "isRecommended" in suggestion)
            for kind, suggestion in zip(kinds, card.get("suggestions", ()), strict=True)
        ]
        yield ShownCard(
            uuid=card["uuid"],
            service=context.service,
            shown_at=now,
            day=day,
            client=context.client,
            knowledge=services.knowledge.version,
            study=recommendation.order.study,
            indicator=recommendation.indicator,
            history=recommendation.findings.history.value,
            presentation=recommendation.findings.presentation.value,
            incomplete=is_incomplete,
            patient=patient,
            suggestions=tuple(suggestions),
            order_digest=_digest(*order),
            order_user_digest=_digest(*order, context.user_id) if context.user_id else "",
        )


def _digest(*identity: str) -> str:
    """Return the same for each edit of one order: by its id, or for a draft without an id by the patient alone.

    A hookInstance would not do: it differs at each edit. What is hashed never leaves this process.
    """
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _pseudonym(patient_id: str, key: str) -> str | None:
    """Return an HMAC of the patient's id that only the site's key can link back, or None where the site sets no key."""
    if not key:
        return None
    message = patient_id.encode(errors="surrogatepass")  # JSON can hold lone surrogates
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()

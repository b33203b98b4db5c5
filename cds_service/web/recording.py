"""What was shown and decided -> the store's rows, behind the answer; nothing here can keep a card back."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from multiprocessing import util
from typing import Any

from flask import Flask

from cds_service.decision.suggestions import kinds
from cds_service.model import Decision, Recommendation
from cds_service.store.records import Counted, DecisionKind, ShownCard, ShownSuggestion, Unrecognized
from cds_service.web.call_summary import CallSummary
from cds_service.web.request_context import RequestContext
from cds_service.web.services import AppServices

_ANSWERED, _REFUSED = 200, 412


def write_at_exit(app: Flask) -> None:
    """Write what is left when this process ends; the server's workers are forked, and end without atexit."""
    found: AppServices = app.extensions["plexus_cds"]
    util.Finalize(None, found.recorder.close, exitpriority=0)


def keep_cards(found: AppServices, call: RequestContext, status: int) -> None:
    """Note the cards of a call."""
    if call.decision and call.decision.cards and status == _ANSWERED:
        _keep_cards(found, call, call.decision)


def keep_decisions(found: AppServices, calls: Iterable[CallSummary]) -> None:
    """Note the decisions of calls, those that were refused as their record could not be read, and what was unread."""
    counts: Counter[Counted] = Counter(kind for call in calls for kind in _kinds(found, call))
    for call in calls:
        for resource, system, count in call.unrecognized:
            counts[Unrecognized(call.day, call.service, call.client, resource, system)] += count
    if counts:
        found.recorder.note((), counts)


def _kinds(found: AppServices, call: CallSummary) -> Iterator[DecisionKind]:
    of_all = call.day, call.service, call.client, found.knowledge.version
    if call.status == _ANSWERED:
        counts = call.counts or {}
        incomplete = bool(counts.get("unread") or counts.get("skipped"))
        for study, said, reason in call.decisions:
            yield _kind(*of_all, study, said, reason, incomplete)
    elif call.status == _REFUSED and call.service in found.hooks:
        yield _kind(*of_all, "", "refused", "record", True)  # noqa: FBT003 - it goes by position for the cache


_kind = lru_cache(maxsize=1000)(DecisionKind)
"""There are few of them, and most calls are of one."""


def _keep_cards(found: AppServices, call: RequestContext, decision: Decision) -> None:
    now, record = found.clock.now(), decision.record
    of_all = {
        "shown_at": now,
        "day": found.clock.day_of(now),
        "service": call.service,
        "client": call.client,
        "knowledge": found.knowledge.version,
        "incomplete": bool(record and (record.unread or record.skipped)),
    }
    said = [outcome for outcome in decision.outcomes if isinstance(outcome, Recommendation)]
    cards = [_card(one, card, decision, found, of_all) for one, card in zip(said, decision.cards, strict=True)]
    found.recorder.note(cards, ())


def _card(
    recommendation: Recommendation, card: dict[str, Any], decision: Decision, found: AppServices, of_all: dict[str, Any]
) -> ShownCard:
    offered = zip(kinds(recommendation, found.knowledge), card["suggestions"], strict=True)
    return ShownCard(
        **of_all,
        uuid=card["uuid"],
        study=recommendation.order.study,
        indicator=recommendation.indicator,
        history=recommendation.findings.history.value,
        presentation=recommendation.findings.presentation.value,
        patient=_pseudonym(decision.patient_id, found.privacy.patient_key),
        suggestions=tuple(ShownSuggestion(one["uuid"], kind, "isRecommended" in one) for kind, one in offered),
    )


def _pseudonym(patient_id: str, key: str) -> str | None:
    """Return a name of the patient that none without the key can lead back, or nothing where the site sets no key."""
    return hmac.new(key.encode(), patient_id.encode(), hashlib.sha256).hexdigest() if key else None

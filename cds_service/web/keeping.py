"""What was shown and decided -> the store's rows, behind the answer; nothing here can keep a card back."""

import hashlib
import hmac
import json
import logging
from datetime import UTC, datetime
from functools import lru_cache, partial
from multiprocessing import util
from typing import Any

from flask import Flask, Response

from cds_service.decision.suggestions import kinds
from cds_service.model import Decision, Recommendation, Silence
from cds_service.store.records import DecisionKind, ShownCard, ShownSuggestion
from cds_service.web.context import this_call
from cds_service.web.parts import Parts

_ANSWERED, _REFUSED = 200, 412


def register(app: Flask) -> None:
    """Let the application keep what it showed and decided."""
    app.after_request(partial(keep, app.extensions["plexus_cds"]))


def write_at_exit(app: Flask) -> None:
    """Write what is left when this process ends; the server's workers are forked, and end without atexit."""
    found: Parts = app.extensions["plexus_cds"]
    util.Finalize(None, found.recorder.close, exitpriority=0)


def keep(found: Parts, response: Response) -> Response:
    """Note the cards and the decisions of a call; a fault of ours is logged by its kind, and the answer goes out."""
    try:
        _note(found, this_call(), response.status_code)
    except Exception as error:  # noqa: BLE001 - whatever it is, the clinician gets the card
        fault = {"fault": type(error).__name__, "at": __name__}
        logging.getLogger("plexus_cds").error(json.dumps(fault))  # noqa: TRY400 - a trace may hold patient data
    return response


def _note(found: Parts, held: Any, status: int) -> None:
    decision: Decision | None = held.get("decision")
    if decision and status == _ANSWERED:
        of_all = _of_all(found, held, decision)
        said = [outcome for outcome in decision.outcomes if isinstance(outcome, Recommendation)]
        cards = [_card(one, card, decision, found, of_all) for one, card in zip(said, decision.cards, strict=False)]
        found.recorder.note(cards, [_kind(outcome, decision, of_all) for outcome in decision.outcomes])
    elif status == _REFUSED and "service" in held:
        refused = DecisionKind(**_of_all(found, held), study="", outcome="refused", reason="record")
        found.recorder.note((), [refused])


def _of_all(found: Parts, held: Any, decision: Decision | None = None) -> dict[str, Any]:
    """Return what cards and decisions have alike."""
    record = decision.record if decision else None
    return {
        "day": found.today(),
        "service": held.service,
        "client": held.get("client", ""),
        "knowledge": found.knowledge.version,
        "incomplete": bool(record and (record.unread or record.skipped)) or decision is None,
    }


_decision_kind = lru_cache(maxsize=1000)(DecisionKind)
"""There are few of them, and most calls are of one."""


def _kind(outcome: Recommendation | Silence, decision: Decision, of_all: dict[str, Any]) -> DecisionKind:
    study = outcome.order.study if outcome.order else ""
    if isinstance(outcome, Silence):
        said, reason = "silent", outcome.reason
    else:
        said, reason = "shadow" if decision.is_shadow else "card", outcome.indicator
    return _decision_kind(**of_all, study=study, outcome=said, reason=reason)


def _card(
    recommendation: Recommendation, card: dict[str, Any], decision: Decision, found: Parts, of_all: dict[str, Any]
) -> ShownCard:
    offered = zip(kinds(recommendation, found.knowledge), card["suggestions"], strict=True)
    return ShownCard(
        **of_all,
        uuid=card["uuid"],
        shown_at=datetime.now(UTC),
        study=recommendation.order.study,
        indicator=recommendation.indicator,
        history=recommendation.findings.history.value,
        presentation=recommendation.findings.presentation.value,
        patient=_pseudonym(decision.patient_id, found.keeps.patient_key),
        suggestions=tuple(ShownSuggestion(one["uuid"], kind, "isRecommended" in one) for kind, one in offered),
    )


def _pseudonym(patient_id: str, key: str) -> str | None:
    """Return a name of the patient that none without the key can lead back, or nothing where the site sets no key."""
    return hmac.new(key.encode(), patient_id.encode(), hashlib.sha256).hexdigest() if key else None

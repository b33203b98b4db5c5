"""A card that its user dismissed for the same order a short time ago is not shown again, where the site sets a time.

This comes after the decision, which knows no store. Whatever goes wrong here, the card is shown.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

from cds_service.decision.fhir_fields import text_of
from cds_service.logs import log_fault
from cds_service.model import DISMISSED_BEFORE, Decision, Recommendation, Silence, Site
from cds_service.store.period import PLAYGROUND
from cds_service.store.records import ShownCard
from cds_service.web import recording
from cds_service.web.dialects import Answer
from cds_service.web.request_context import RequestContext
from cds_service.web.services import AppServices


def without_dismissed(
    services: AppServices, context: RequestContext, decision: Decision, answer: Answer, site: Site
) -> Decision:
    """Return the decision with a silence in place of each card that its user dismissed within the site's hours.

    Trials ask nothing. A store that fails or is slow hides no card.
    """
    if context.client == PLAYGROUND:
        return decision
    try:
        cards = _recognizable(decision, list(recording.shown_cards(services, context, decision, answer)))
        since = services.clock.now() - timedelta(hours=site.dismissal_hours)
        dismissed = services.dismissals.dismissed(cards, services.hooks, since) if cards else set()
        return _hide(decision, dismissed) if dismissed else decision
    except Exception as error:  # noqa: BLE001 - a fault of ours: the clinician gets the card
        log_fault(error)
    return decision


def _recognizable(decision: Decision, cards: Sequence[ShownCard]) -> list[ShownCard]:
    """Return the cards whose user is known, and their order, by an id that no other card of the call is about."""
    orders = [outcome.order.order for outcome in decision.outcomes if isinstance(outcome, Recommendation)]
    times = Counter(order.reference for order in orders)
    return [
        card
        for card, order in zip(cards, orders, strict=True)
        if card.order_user_digest and text_of(order.resource.get("id")) and times[order.reference] == 1
    ]


def _hide(decision: Decision, dismissed: set[str]) -> Decision:
    cards = iter(decision.cards)

    def outcomes() -> Iterator[Recommendation | Silence]:
        for outcome in decision.outcomes:
            is_dismissed = isinstance(outcome, Recommendation) and next(cards)["uuid"] in dismissed
            yield Silence(DISMISSED_BEFORE, outcome.order, outcome.findings) if is_dismissed else outcome

    return decision._replace(
        outcomes=tuple(outcomes()), cards=tuple(card for card in decision.cards if card["uuid"] not in dismissed)
    )

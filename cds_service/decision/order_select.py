"""One hook call, from its body to the decision: request, orders, record, findings, rules, cards.

The order of the steps is that of contract sections 2 to 7.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from cds_service.decision.card import build_card
from cds_service.decision.findings import collect_findings, findings_for
from cds_service.decision.orders import counts_by_system, selected_orders, selects_closed_order
from cds_service.decision.record import KEY_NAME, MAX_NAMED_KEYS, read_record, with_own_keys
from cds_service.decision.request import read_hook
from cds_service.decision.rules import MISLEADING, recommend, recommend_once
from cds_service.decision.suggestions import suggestion_kinds
from cds_service.errors import RecordUnavailable
from cds_service.knowledge import Knowledge
from cds_service.model import Decision, Fetch, HookRequest, PatientRecord, Recommendation, Silence, Site


def decide(
    body: Any,
    hook: str,
    knowledge: Knowledge,
    site: Site,
    *,
    today: date,
    fetch: Fetch,
    new_id: Callable[[], str],
) -> Decision:
    """Return the decision on one call of `hook`: an outcome for each monitored order, and the cards to show.

    Six steps: request, orders, record, findings, rules and cards (contract sections 2 to 7). Without a monitored order
    no record is read. Raises NotAHookCall for a body that is not a call of this hook, TooLarge for too many orders or
    selections, and RecordUnavailable where there is no card and something that is needed could not be read.
    """
    request = read_hook(body, hook)
    if site.is_off:
        return Decision((Silence("rule_off"),))
    if not request.names_a_draft:
        return Decision((Silence("selection_not_found"),))
    orders, unrecognized = selected_orders(request, knowledge, site, today)
    if not orders:
        reason = "not_a_draft" if selects_closed_order(request, knowledge, site) else "nothing_watched"
        return Decision((Silence(reason),), unrecognized=_unrecognized(unrecognized, {}))
    drafted = tuple(Silence("already_drafted", order) for order in orders if order.already_drafted)
    open_orders = [order for order in orders if not order.already_drafted]
    if not open_orders:
        return Decision(drafted, unrecognized=_unrecognized(unrecognized, {}))

    request = with_own_keys(request, site.prefetch_aliases)
    record = read_record(request, fetch, site.optional_keys, site.condition_keys, site.prefetch_parts)
    record_findings = collect_findings(request, record, knowledge, site, today)
    outcomes = [
        recommend(order, findings_for(order, record_findings, knowledge), knowledge, site) for order in open_orders
    ]
    outcomes = recommend_once(outcomes, knowledge, lambda card: card.recommended in suggestion_kinds(card, knowledge))
    recommendations = [outcome for outcome in outcomes if isinstance(outcome, Recommendation)]
    if not recommendations and _may_be_misleading(outcomes, record):
        raise RecordUnavailable(_describe_missing(record, request), record.retrieval)
    shown = () if site.is_shadow else recommendations
    cards = tuple(
        build_card(recommendation, request, record, knowledge, site, today, new_id) for recommendation in shown
    )
    not_recognized = _unrecognized(unrecognized, record_findings.entry_filter.unrecognized)
    return Decision((*drafted, *outcomes), cards, record, site.is_shadow, request.patient_id, not_recognized)


def _unrecognized(order_systems: Sequence[str], in_record: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return how many orders and entries were not recognized, by resource type and code system; mostly none."""
    if not order_systems and not in_record:
        return {}
    counts = Counter(("ServiceRequest", system) for system in order_systems)
    counts.update(in_record)
    return counts_by_system(counts)


def _may_be_misleading(outcomes: list[Recommendation | Silence], record: PatientRecord) -> bool:
    """Return whether there may be no card only because a part of the record that is needed was not read."""
    is_incomplete = any(part.is_needed for part in record.unread)
    return is_incomplete and any(isinstance(outcome, Silence) and outcome.reason in MISLEADING for outcome in outcomes)


def _describe_missing(record: PatientRecord, request: HookRequest) -> str:
    """Return what could not be read and why, and the prefetch keys received: a key may only be misnamed."""
    missing = "; ".join(f"{part.key}{' (in part)' if part.partly else ''}: {part.reason}" for part in record.unread)
    received = [key for key in request.prefetch if KEY_NAME.fullmatch(key)][:MAX_NAMED_KEYS]
    keys = f"Prefetch keys received: {', '.join(sorted(received)) or 'none'}."
    return f"The patient's record could not be read, so no decision was made. {missing}. {keys}"

"""The story of one hook call: from its body to the decision."""

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

from cds_service.decision.card import say
from cds_service.decision.findings import find, gather
from cds_service.decision.orders import by_system, is_no_draft, selected_orders
from cds_service.decision.record import KEY_NAME, read_record
from cds_service.decision.request import read_hook
from cds_service.decision.rules import MISLEADING, recommend
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
    """Return what is said to one call of `hook`, and why.

    Raises NotAHookCall for a body that is not a call of this hook, TooLarge for one with too many orders or selections,
    and RecordUnavailable where nothing that was read gives a reason for a card and something that is needed could not
    be read.
    """
    request = read_hook(body, hook)
    if site.is_off:
        return Decision((Silence("rule_off"),))
    if not request.names_a_draft:
        return Decision((Silence("selection_not_found"),))
    orders, unrecognized = selected_orders(request, knowledge, site, today)
    not_read = Counter(("ServiceRequest", system) for system in unrecognized)
    if not orders:
        reason = "not_a_draft" if is_no_draft(request, knowledge, site) else "nothing_watched"
        return Decision((Silence(reason),), unrecognized=by_system(not_read))
    drafted = tuple(Silence("already_drafted", order) for order in orders if order.already_drafted)
    open_orders = [order for order in orders if not order.already_drafted]
    if not open_orders:
        return Decision(drafted, unrecognized=by_system(not_read))

    record = read_record(request, fetch, site.optional_keys, site.condition_keys)
    gathered = gather(request, record, knowledge, site, today)
    outcomes = [recommend(order, find(order, gathered, knowledge), knowledge, site) for order in open_orders]
    said = [outcome for outcome in outcomes if isinstance(outcome, Recommendation)]
    is_wanting = any(part.is_needed for part in record.unread)
    if is_wanting and not said and any(_misleads(outcome) for outcome in outcomes):
        raise RecordUnavailable(_what_is_missing(record, request), record.retrieval)
    shown = () if site.is_shadow else said
    not_read.update(gathered.reader.unrecognized)
    cards = tuple(say(one, request, record, knowledge, site, today, new_id) for one in shown)
    told = by_system(not_read)
    return Decision((*drafted, *outcomes), cards, record, site.is_shadow, request.patient_id, told)


_MOST_KEYS = 20
"""Of the client's keys that are told: names that an analyst chose, and nothing longer."""


def _misleads(outcome: Recommendation | Silence) -> bool:
    """Tell whether silence might only mean that the part of the record which speaks was not read."""
    return isinstance(outcome, Silence) and outcome.reason in MISLEADING


def _what_is_missing(record: PatientRecord, request: HookRequest) -> str:
    """Return what could not be read and why, and the prefetch keys that came: a key may only be named otherwise."""
    missing = "; ".join(f"{part.key}{' (in part)' if part.partly else ''}: {part.why}" for part in record.unread)
    named = [key for key in request.prefetch if KEY_NAME.fullmatch(key)][:_MOST_KEYS]
    came = f"The prefetch keys that came: {', '.join(sorted(named)) or 'none'}."
    return f"The patient's record could not be read, so nothing can be said. {missing}. {came}"

"""Each draft order of a call: which study it asks for, and whether it is watched or why it is not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from cds_service.decision.orders import selected_orders
from cds_service.decision.studies import UNRECOGNIZED, study_of
from cds_service.knowledge import Knowledge
from cds_service.model import DraftOrder, HookRequest, Site


@dataclass(frozen=True, slots=True)
class OrderStep:
    """One draft order as it was read."""

    reference: str
    study: str
    name: str
    is_watched: bool
    why: str


def order_steps(request: HookRequest, knowledge: Knowledge, site: Site, today: date) -> Iterator[OrderStep]:
    """Yield each draft order of a call as it was read, in its order."""
    watched = [one.order for one in selected_orders(request, knowledge, site, today).watched]
    for draft in request.draft_orders:
        study, name = study_of(draft.resource, knowledge, site)
        is_watched = any(draft is one for one in watched)
        why = (
            "it was chosen, and this card watches its study"
            if is_watched
            else _why_not(draft, study, request, knowledge, site, today)
        )
        name = name or knowledge.card["orders"].get(study, {}).get("name", "")
        yield OrderStep(draft.reference, study, name, is_watched, why)


def _why_not(draft: DraftOrder, study: str, request: HookRequest, knowledge: Knowledge, site: Site, today: date) -> str:
    """Tell what keeps an order from being watched, by asking again with that one thing changed."""
    if study == UNRECOGNIZED:
        return "neither its code nor its words tell its study: map the code in the site file"
    if study not in knowledge.watched:
        return "this card does not watch its study"
    if not draft.selected:
        return "it was not chosen now"
    live = {**draft.resource, "status": "draft", "doNotPerform": False, "subject": None, "patient": None}
    asked = request._replace(draft_orders=(draft._replace(resource=live),))
    if selected_orders(asked, knowledge, site, today).watched:
        return "it is not a draft that can still become an order of this patient"
    return f"its own reason is not a {knowledge.watched[study].only_for} sign of plexopathy"

"""Step 2: HookRequest -> the selected orders that the card watches."""

from datetime import date
from typing import NamedTuple

from cds_service.decision import signs
from cds_service.decision.codings import codings, is_of, status_codes
from cds_service.decision.entries import Reader
from cds_service.decision.reasons import Known, reasons
from cds_service.decision.studies import UNRECOGNIZED, study_of
from cds_service.knowledge import Knowledge
from cds_service.model import DraftOrder, Finding, HookRequest, Json, Site, WatchedOrder
from cds_service.vocabulary import FindingKind


class SelectedOrders(NamedTuple):
    """The selected orders that the card watches, in the order of the call, and those that nothing explains."""

    watched: list[WatchedOrder]
    unrecognized: list[str]
    """Of each its first code system, or no text."""


def selected_orders(request: HookRequest, knowledge: Knowledge, site: Site, today: date) -> SelectedOrders:
    """Return the selected orders that ask for a study the card watches, and those of which no study can be read."""
    live = [order for order in request.draft_orders if _is_live(order.resource, request.patient_id, knowledge)]
    asked = [(order, *study_of(order.resource, knowledge, site)) for order in live]
    studies = {study for _, study, _ in asked}
    reader: Reader | None = None
    watched, unrecognized = [], []
    for order, study, name in asked:
        row = knowledge.watched.get(study)
        if not order.selected:
            continue
        if study == UNRECOGNIZED:
            unrecognized.append(next((system for system, _ in codings(order.resource.get("code"))), ""))
        if row is None:
            continue
        if row.only_for:
            reader = reader or Reader(knowledge, site, today, Known(request))
            if not _has_reason(order, row.only_for, reader):
                continue
        watched.append(WatchedOrder(order, study, name, row.proposes, not studies.isdisjoint(row.same_as)))
    return SelectedOrders(watched, unrecognized)


def is_no_draft(request: HookRequest, knowledge: Knowledge, site: Site) -> bool:
    """Tell whether an order that is selected would be watched, if it were still a draft of this patient."""
    gone = (
        one
        for one in request.draft_orders
        if one.selected and not _is_live(one.resource, request.patient_id, knowledge)
    )
    return any(study_of(order.resource, knowledge, site)[0] in knowledge.watched for order in gone)


def _is_live(order: Json, patient_id: str, knowledge: Knowledge) -> bool:
    """Tell whether a draft may still become an order of this patient."""
    can_go_on = knowledge.refused["ServiceRequest.status"].isdisjoint(status_codes(order.get("status")))
    return can_go_on and order.get("doNotPerform") is not True and is_of(patient_id, order)


def _has_reason(order: DraftOrder, wanted: str, reader: Reader) -> bool:
    """Tell whether the order's own reason is the presentation that is asked for, and no reason asks anything else.

    Nothing is fetched to know it.
    """
    said = [one for reason in reasons(order.resource, reader.known) for one in reader.once(_signs, reason)]
    if any(one.kind is FindingKind.OTHER_QUESTION for one in said):
        return False
    return any(one.kind is FindingKind.PRESENTATION and one.means == wanted for one in said)


def _signs(reader: Reader, reason: Json) -> list[Finding]:
    return list(signs.in_reason(reader, reason, reader.terms(reason))) if reader.stands(reason) else []

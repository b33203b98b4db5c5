"""Step 1: the body of a call -> HookRequest."""

from typing import Any

from cds_service.decision.codings import last_segment, members, reference_of, text_of
from cds_service.errors import NotAHookCall
from cds_service.model import DraftOrder, HookRequest, Json
from cds_service.schemas import first_fault
from cds_service.schemas.quick import is_call

_ORDERS = ("ServiceRequest", "ProcedureRequest")
"""ProcedureRequest is what ServiceRequest was called up to STU3."""


def read_hook(body: Any, hook: str) -> HookRequest:
    """Return the call, or raise NotAHookCall naming the first member that is wrong."""
    if not is_call(body) and (fault := first_fault("hook_call", body)):
        message = f"This is not a CDS Hooks call: {fault}."
        raise NotAHookCall(message)
    if body["hook"] != hook:
        message = f"This service answers the hook {hook}, and the call is of another one."
        raise NotAHookCall(message)
    context = body["context"]
    selections = context.get("selections") if hook == "order-select" else None
    draft_orders = context.get("draftOrders") or {}
    return HookRequest(
        hook=hook,
        patient_id=context["patientId"].removeprefix("Patient/"),
        draft_orders=tuple(_draft_orders(draft_orders, selections)),
        prefetch=body.get("prefetch") or {},
        drafts=draft_orders,
        fhir_server=body.get("fhirServer") or None,
        access_token=(body.get("fhirAuthorization") or {}).get("access_token") or None,
    )


def _draft_orders(bundle: Json, selections: Any) -> list[DraftOrder]:
    chosen = [text for text in map(text_of, selections or []) if text]
    orders = []
    for entry in members(bundle.get("entry")):
        resource = entry.get("resource")
        if isinstance(resource, dict) and resource.get("resourceType") in _ORDERS:
            orders.append(DraftOrder(resource, reference_of(resource), _is_chosen(entry, resource, chosen)))
    return orders


def _is_chosen(entry: Json, resource: Json, chosen: list[str]) -> bool:
    if not chosen:
        return True
    own_id, full_url = text_of(resource.get("id")), text_of(entry.get("fullUrl"))
    return any(full_url == one or (own_id and _names(one, resource["resourceType"], own_id)) for one in chosen)


def _names(selection: str, kind: str, own_id: str) -> bool:
    """Tell whether a selection (`Type/id`, a bare id, an absolute URL) names this order."""
    if last_segment(selection) != own_id:
        return False
    path = selection.split("/_history/", maxsplit=1)[0].split("/")
    return len(path) == 1 or path[-2] == kind

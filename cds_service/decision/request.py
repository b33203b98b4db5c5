"""Step 1: the body of a call -> HookRequest (CDS Hooks 2.0.1, Calling a CDS Service)."""

from typing import Any

from cds_service.decision.fhir_fields import last_segment, members, reference_of, text_of
from cds_service.errors import NotAHookCall, TooLarge
from cds_service.model import DraftOrder, HookRequest, Json
from cds_service.schemas import first_fault, is_hook_call

_ORDERS = ("ServiceRequest", "ProcedureRequest")
"""ProcedureRequest is what ServiceRequest was called up to STU3."""

MOST_ORDERS = 200
"""Orders per call: many times what one session drafts; each may bring a card with copies of the order."""

MOST_SELECTIONS = 1000
"""Of a call: any of its drafts may be selected, and a selected draft need not be an order."""


_STRIPPED = (
    "The hook requires it. The likely cause is in the EHR: this service's address is not registered there as an "
    "endpoint of the hook, or its access does not include unsigned orders (a scope), so that the call is sent without "
    "its data."
)


def read_hook(body: Any, hook: str) -> HookRequest:
    """Return the call, or raise NotAHookCall naming the first member that is wrong, or TooLarge.

    CDS Hooks 2.0.1, "HTTP Request", and the contexts of order-select and order-sign.
    """
    if not is_hook_call(body) and (fault := first_fault("hook_call", body)):
        message = f"This is not a CDS Hooks call: {fault}."
        if _is_stripped(body, hook):
            message = f"{message[:-1]}, and so is context.draftOrders. {_STRIPPED}"
        raise NotAHookCall(message, fault)
    if body["hook"] != hook:
        message = f"This service answers the hook {hook}, and the call is of another one."
        raise NotAHookCall(message, "hook is that of another service")
    context = body["context"]
    if context.get("draftOrders") is None:
        fault = "context.draftOrders is missing"
        message = f"{fault}. {_STRIPPED}"
        raise NotAHookCall(message, fault)
    selections = (context.get("selections") or []) if hook == "order-select" else []
    _check_count(len(selections), MOST_SELECTIONS, "selections")
    drafts, selections_read = context["draftOrders"], _Selections(selections)
    draft_orders = _draft_orders(drafts, selections_read)
    return HookRequest(
        hook=hook,
        patient_id=context["patientId"].removeprefix("Patient/"),
        draft_orders=draft_orders,
        prefetch=body.get("prefetch") or {},
        drafts=drafts,
        names_a_draft=any(order.selected for order in draft_orders) or selections_read.includes_any_draft(drafts),
        fhir_server=body.get("fhirServer") or None,
        access_token=(body.get("fhirAuthorization") or {}).get("access_token") or None,
    )


def user_of(body: Json) -> str:
    """Return `context.userId` of a call that `read_hook` took, or no text where it names no user (`Type/id`)."""
    user_id = text_of(body["context"].get("userId")).strip()
    return "" if user_id.endswith("/") else user_id


def _is_stripped(body: Any, hook: str) -> bool:
    """Return whether a call of the hook came without its context, or with one that names no patient and no orders."""
    if not isinstance(body, dict) or body.get("hook") != hook or not body.get("hookInstance"):
        return False
    context = body.get("context", {})
    return isinstance(context, dict) and context.keys().isdisjoint(("patientId", "draftOrders"))


def _draft_orders(bundle: Json, selections_read: "_Selections") -> tuple[DraftOrder, ...]:
    order_entries = _orders(bundle)
    _check_count(len(order_entries), MOST_ORDERS, "draft orders")
    orders = [
        DraftOrder(resource, reference_of(resource), selections_read.includes(entry, resource), position)
        for position, (entry, resource) in enumerate(order_entries, 1)
    ]
    return tuple(orders)


def _orders(bundle: Json) -> list[tuple[Json, Json]]:
    """Return the entries that are orders, each with its resource."""
    order_entries: list[tuple[Json, Json]] = []
    for entry in members(bundle.get("entry")):
        resource = entry.get("resource")
        if isinstance(resource, dict) and resource.get("resourceType") in _ORDERS:
            order_entries.append((entry, resource))
    return order_entries


def _check_count(count: int, limit: int, name: str) -> None:
    if count > limit:
        message = (
            f"The call has {count} {name}, and this service reads at most {limit}. "
            "Send those that the clinician is working on alone, or go on without advice."
        )
        raise TooLarge(message)


class _Selections:
    """The selections of a call, parsed once for all orders: each is `Type/id`, a bare id or an absolute URL."""

    def __init__(self, selections: list[Any]) -> None:
        self._texts = {text for text in selections if isinstance(text, str) and text}
        self._names = {(_kind_in(text), last_segment(text)) for text in self._texts}

    def includes(self, entry: Json, order: Json) -> bool:
        """Return whether an order is selected; without selections all are."""
        if not self._texts or text_of(entry.get("fullUrl")) in self._texts:
            return True
        own_id = text_of(order.get("id"))
        return own_id != "" and not self._names.isdisjoint(
            ((None, own_id), (text_of(order.get("resourceType")), own_id))
        )

    def includes_any_draft(self, bundle: Json) -> bool:
        """Return whether any draft of any type is selected; without selections all are."""
        if not self._texts:
            return True
        entries = ((entry, entry.get("resource")) for entry in members(bundle.get("entry")))
        return any(isinstance(resource, dict) and self.includes(entry, resource) for entry, resource in entries)


def _kind_in(selection: str) -> str | None:
    """Return the type before the id of a selection, or None for a bare id."""
    path = selection.split("/_history/", maxsplit=1)[0].split("/")
    return path[-2] if len(path) > 1 else None

"""The draft orders that a suggestion carries: the order with another study in it, or a new one beside it."""

from collections.abc import Mapping
from typing import Any

from cds_service.decision.codings import members, text_of
from cds_service.model import HookRequest, Json

_OF_THE_OLD_STUDY = ("bodySite", "bodyStructure", "text")
"""They spoke of the lumbar spine: the body site, what R5 has in its place, and the narrative."""

PAMA_RATING = "http://fhir.org/argonaut/Extension/pama-rating"
"""The Argonaut extension that rates the study of an order."""

_TAKEN_OVER = (
    "category",
    "priority",
    "subject",
    "encounter",
    "context",
    "occurrenceDateTime",
    "occurrencePeriod",
    "occurrenceTiming",
    "requester",
    "reasonCode",
    "reasonReference",
    "reason",  # R5
    *("scheduledDateTime", "scheduledPeriod", "scheduledTiming", "orderer", "reasonCodeableConcept"),  # DSTU2
)


def replaced(order: Json, proposal: Mapping[str, Any], *, rated: bool) -> dict[str, Any]:
    """Return the whole draft order with the proposed code in place of its own, and all else as it came."""
    kept = {name: value for name, value in order.items() if name not in _OF_THE_OLD_STUDY}
    kept["code"] = _code(order, proposal)
    extensions = _extensions(order, proposal.get("pama_rating"), rated=rated)
    if extensions == []:
        kept.pop("extension", None)
    elif extensions is not None:
        kept["extension"] = extensions
    return kept


def _code(order: Json, proposal: Mapping[str, Any]) -> Any:
    """Return the proposed code in the shape of the order's own: R5 has the concept inside a CodeableReference."""
    for one in members(order.get("code")):
        if "concept" in one:
            return {"concept": proposal["code"]}
    return proposal["code"]


def _extensions(order: Json, rating: Json | None, *, rated: bool) -> Any:
    """Return the extensions with our rating in place of one that spoke of the old study; None where none change."""
    came = order.get("extension")
    if came is not None and not isinstance(came, list):
        return None
    others = [one for one in came or [] if not isinstance(one, dict) or one.get("url") != PAMA_RATING]
    if rated and rating:
        return [*others, rating]
    return None if len(others) == len(came or []) else others


def added(order: Json, request: HookRequest, proposal: Mapping[str, Any], *, rated: bool) -> dict[str, Any]:
    """Return a new draft order for the proposed study, for the same reason and at the same time as `order`."""
    new = {
        "resourceType": order["resourceType"],
        "status": "draft",
        "intent": text_of(order.get("intent")) or "order",
        "code": _code(order, proposal),
    }
    if rated and "pama_rating" in proposal:
        new["extension"] = [proposal["pama_rating"]]
    new |= {name: order[name] for name in _TAKEN_OVER if order.get(name)}
    if not members(new.get("subject")):
        new["subject"] = {"reference": f"Patient/{request.patient_id}"}
    return _with_contained(new, order)


def _with_contained(new: dict[str, Any], order: Json) -> dict[str, Any]:
    """Take over those contained resources that a member of the new order still refers to."""
    if not order.get("contained"):
        return new
    wanted = {reference[1:] for reference in _references(new) if reference.startswith("#")}
    kept = [one for one in members(order.get("contained")) if isinstance(one.get("id"), str) and one["id"] in wanted]
    if kept:
        new["contained"] = kept
    return new


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in _references(one)]
    if not isinstance(value, dict):
        return []
    own = [text_of(value.get("reference"))]
    return own + [found for one in value.values() for found in _references(one)]

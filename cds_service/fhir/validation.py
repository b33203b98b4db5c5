"""Validation of our own resources against FHIR R4; no other module imports fhir.resources."""

from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge


def faults(resource: Any) -> list[str]:
    """Return the faults of a FHIR R4 resource, one text each (`member: error type`), without its values."""
    kind = resource["resourceType"]
    model: type[BaseModel] = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    try:
        model.model_validate(resource)
    except ValidationError as error:
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['type']}" for fault in error.errors(include_input=False)]
    return []


def check_knowledge(knowledge: Knowledge) -> None:
    """Raise KnowledgeError where the plan, a value set or a proposed order is not valid FHIR R4."""
    bare = {"resourceType": "ServiceRequest", "status": "draft", "intent": "order", "subject": {"display": "anyone"}}
    proposals = [
        bare | {"code": order["code"]} | ({"extension": [order["pama_rating"]]} if "pama_rating" in order else {})
        for order in knowledge.card["proposals"].values()
    ]
    messages = [
        f"{resource.get('id', 'a proposed order')} is not valid FHIR R4: {fault}"
        for resource in [knowledge.plan, *knowledge.value_sets.values(), *proposals]
        for fault in faults(resource)
    ]
    if messages:
        raise KnowledgeError("\n".join(messages))

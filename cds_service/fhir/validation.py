"""Whether resources of ours are valid FHIR R4."""

from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge


def faults(resource: Any) -> list[str]:
    """Return what is wrong with a FHIR R4 resource, an entry each (`member: what`); values are never in it."""
    kind = resource["resourceType"]
    model: type[BaseModel] = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    try:
        model.model_validate(resource)
    except ValidationError as error:
        return [f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors(include_input=False)]
    return []


def check_knowledge(knowledge: Knowledge) -> None:
    """Raise KnowledgeError where the plan, a value set or a proposed order is not valid FHIR R4."""
    bare = {"resourceType": "ServiceRequest", "status": "draft", "intent": "order", "subject": {"display": "anyone"}}
    proposals = [
        bare | {"code": one["code"]} | ({"extension": [one["pama_rating"]]} if "pama_rating" in one else {})
        for one in knowledge.card["proposals"].values()
    ]
    found = [
        f"{resource.get('id', 'a proposed order')} is not valid FHIR R4: {fault}"
        for resource in [knowledge.plan, *knowledge.value_sets.values(), *proposals]
        for fault in faults(resource)
    ]
    if found:
        raise KnowledgeError("\n".join(found))

"""What every body must be, as functions that return a list of faults: strict JSON, plain FHIR, an outcome.

A fault is one line: the requirement of requirements.csv that is broken, where, and what was seen there.
"""

import json
from collections.abc import Callable, Iterator

from cds_service.fhir.validation import faults as fhir_faults


def of(requirement: str, faults: list[str]) -> list[str]:
    """Return those faults that break one requirement."""
    return [fault for fault in faults if fault.startswith(requirement + " ")]


def body_faults(content: bytes) -> list[str]:
    """Return what is wrong with the bytes of a body: they must be strict JSON in UTF-8."""
    try:
        json.loads(content.decode("utf-8"), parse_constant=_not_json, object_pairs_hook=_once)
    except ValueError as error:
        return [f"G-06 body: is not strict JSON ({error})"]
    return []


def value_faults(value, path="answer") -> list[str]:
    """Return each null and each empty member, anywhere in a value."""
    if value is None:
        return [f"G-02 {path}: is null"]
    if value in ("", [], {}):
        return [f"G-03 {path}: is empty"]
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [fault for name, member in members for fault in value_faults(member, f"{path}.{name}")]


def resource_faults(resource, path="action.resource") -> list[str]:
    """Return where a resource is not FHIR R4 in its JSON form."""
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return [f"G-05 {path}: is no FHIR resource"]
    return [f"G-05 {path}: {fault}" for fault in fhir_faults(resource)]


def outcome_faults(response) -> list[str]:
    """Return what is wrong with an answer that is no success."""
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    faults = list(unless(response.status_code >= 400, "A-04 status: tells of a success"))
    faults += unless(kind in ("application/json", "application/fhir+json"), f"G-01 Content-Type: is {kind}")
    faults += (body := body_faults(response.content))
    return faults if body else faults + operation_outcome_faults(response.json())


def operation_outcome_faults(outcome) -> list[str]:
    """Return what is wrong with a body that should be an OperationOutcome with words for people."""
    if not isinstance(outcome, dict) or outcome.get("resourceType") != "OperationOutcome":
        return ["A-05 body: is no OperationOutcome"]
    faults = [f"A-05 {fault}" for fault in resource_faults(outcome, "outcome")]
    is_explained = all(is_text(issue.get("diagnostics")) for issue in outcome.get("issue", []))
    return [*faults, *unless(is_explained, "A-05 outcome.issue: says nothing")]


def unless(right, fault: str) -> Iterator[str]:
    """Yield the fault unless all is right."""
    return iter(() if right else (fault,))


def is_text(value) -> bool:
    """Tell whether a value is a text that says something."""
    return isinstance(value, str) and bool(value.strip())


def _not_json(name: str) -> Callable:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _once(pairs: list) -> dict:
    if len(dict(pairs)) < len(pairs):
        message = "a member comes twice"
        raise ValueError(message)
    return dict(pairs)

"""The suggestions of a card: replace the order, add the proposed study, or order another one (contract section 7)."""

from collections.abc import Callable, Mapping
from typing import Any

from cds_service.decision.fhir_fields import members, text_of
from cds_service.decision.rendering import fill, render_sources, render_treatment
from cds_service.knowledge import Knowledge
from cds_service.model import FindingKind, Findings, HookRequest, Json, Recommendation, Site

_PAMA_RATING = "http://fhir.org/argonaut/Extension/pama-rating"
"""The Argonaut extension that rates the study of an order."""

_OTHER_STUDIES = ("without_contrast", "alternative")
"""The suggestions of a study other than the proposed one; card.json names the study of each."""

_UPDATES = ("replace", *_OTHER_STUDIES)
"""The suggestions whose action updates the draft order; all others create an order."""

_PREGNANCY = "pregnancy"
_CT_CONTRAST_CAUTIONS = ("contrast_allergy", "renal", "acute_renal", "egfr")
"""The contrast cautions that also hold for the contrast of a CT."""

_DROPPED_MEMBERS = ("bodySite", "bodyStructure", "text")
"""What describes the replaced study: its body site, what R5 has in its place, and the narrative."""

_COPIED_MEMBERS = (
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
"""What a new order takes from the draft order: subject, encounter, requester, reasons, priority and timing."""


def build_suggestions(
    recommendation: Recommendation,
    request: HookRequest,
    knowledge: Knowledge,
    site: Site,
    new_id: Callable[[], str],
) -> list[dict[str, Any]]:
    """Return the suggestions of the card, each with one action (CDS Hooks 2.0.1, Suggestion)."""
    texts, findings = knowledge.card, recommendation.findings
    short, full = short_names(recommendation, knowledge), full_names(recommendation, knowledge)
    treatment = _treatment_note(findings, texts)
    suggestions = []
    for kind in suggestion_kinds(recommendation, knowledge):
        wording = texts["suggestions"][kind]
        description = fill(wording["action"], **full) + treatment
        if kind == "alternative":
            description += _iodine_note(findings, texts)
        suggestion: dict[str, Any] = {"label": fill(wording["label"], **short), "uuid": new_id()}
        if kind == recommendation.recommended:
            suggestion["isRecommended"] = True
        action_type, resource = _action(kind, recommendation, request, knowledge, site)
        suggestion["actions"] = [{"type": action_type, "description": description, "resource": resource}]
        suggestions.append(suggestion)
    return suggestions


def suggestion_kinds(recommendation: Recommendation, knowledge: Knowledge) -> list[str]:
    """Return the kinds in watched_orders.csv in that order, and those that a caution calls for.

    Without a recommended suggestion, those that add an order come before those that replace one (contract section 6).
    An order without an id cannot be updated, so it gets no suggestion that replaces it.
    """
    order, findings = recommendation.order, recommendation.findings
    kinds = [*knowledge.watched[order.study].suggestions]
    if not recommendation.recommended:
        kinds.sort(key=lambda kind: kind in _UPDATES)
    contrast = findings.of(FindingKind.CONTRAST)
    # An order of the plexus MRI without contrast already is what would be offered.
    if contrast and order.study != knowledge.card["without_contrast"]:
        kinds.append("without_contrast")
    if findings.of(FindingKind.DEVICE) and not any(caution.means == _PREGNANCY for caution in contrast):
        kinds.append("alternative")
    return [kind for kind in kinds if order.order.resource.get("id") or kind not in _UPDATES]


def proposed_study(kind: str, recommendation: Recommendation, knowledge: Knowledge) -> str:
    """Return the study that a suggestion of a kind is for."""
    study: str = knowledge.card[kind] if kind in _OTHER_STUDIES else recommendation.order.proposed
    return study


def replacement_order(order: Json, proposal: Mapping[str, Any], *, rated: bool) -> dict[str, Any]:
    """Return the whole draft order with the proposed code; every other member stays as it came, the id included."""
    replacement = {name: value for name, value in order.items() if name not in _DROPPED_MEMBERS}
    replacement["code"] = _code(order, proposal)
    extensions = _extensions(order, proposal.get("pama_rating"), rated=rated)
    if extensions == []:
        replacement.pop("extension", None)
    elif extensions is not None:
        replacement["extension"] = extensions
    return replacement


def additional_order(order: Json, patient_id: str, proposal: Mapping[str, Any], *, rated: bool) -> dict[str, Any]:
    """Return a new draft order of the proposed study, for the same reason and time as `order` (contract section 7)."""
    new_order = {
        "resourceType": order["resourceType"],
        "status": "draft",
        "intent": text_of(order.get("intent")) or "order",
        "code": _code(order, proposal),
    }
    if rated and "pama_rating" in proposal:
        new_order["extension"] = [proposal["pama_rating"]]
    new_order |= {name: order[name] for name in _COPIED_MEMBERS if order.get(name)}
    if not members(new_order.get("subject")):
        new_order["subject"] = {"reference": f"Patient/{patient_id}"}
    return _with_contained(new_order, order)


def short_names(recommendation: Recommendation, knowledge: Knowledge) -> dict[str, str]:
    """Return the names of the studies for a button, by placeholder."""
    proposals, wording = knowledge.card["proposals"], knowledge.card["orders"][recommendation.order.study]
    # An order that nearly is the proposed study has its own short name of it in card.json.
    proposed = wording.get("proposed") or proposals[recommendation.order.proposed]["short"]
    other_studies = {kind: proposals[knowledge.card[kind]]["short"] for kind in _OTHER_STUDIES}
    return {"order": wording["short"], "proposed": proposed, **other_studies}


def full_names(recommendation: Recommendation, knowledge: Knowledge) -> dict[str, str]:
    """Return the full names of the studies for the description of an action, by placeholder."""
    proposals, wording = knowledge.card["proposals"], knowledge.card["orders"][recommendation.order.study]
    studies = {"proposed": recommendation.order.proposed, **{kind: knowledge.card[kind] for kind in _OTHER_STUDIES}}
    return {"order": wording["name"], **{name: proposals[study]["code"]["text"] for name, study in studies.items()}}


def _treatment_note(findings: Findings, texts: Mapping[str, Any]) -> str:
    """Return the earlier radiotherapy as a note for radiology, or no text."""
    treatment = render_treatment(findings, texts)
    return fill(texts["notes"]["treatment"], treatment=treatment) if treatment else ""


def _iodine_note(findings: Findings, texts: Mapping[str, Any]) -> str:
    """Return the cautions on the contrast of a CT as a note for radiology, or no text."""
    contrast = [caution for caution in findings.of(FindingKind.CONTRAST) if caution.means in _CT_CONTRAST_CAUTIONS]
    cautions = [*findings.of(FindingKind.IODINE), *contrast]
    return fill(texts["notes"]["iodine"], findings=render_sources(cautions, texts["check_first"])) if cautions else ""


def _action(
    kind: str, recommendation: Recommendation, request: HookRequest, knowledge: Knowledge, site: Site
) -> tuple[str, dict[str, Any]]:
    """Return the type of the action and its resource.

    The order is rated on a warning and, as the CDS Hooks Sandbox needs it, in development mode (contract section 7).
    """
    proposal = _proposal(proposed_study(kind, recommendation, knowledge), knowledge, site)
    resource, rated = recommendation.order.order.resource, recommendation.indicator == "warning" or site.development
    if kind in _UPDATES:
        return "update", replacement_order(resource, proposal, rated=rated)
    return "create", additional_order(resource, request.patient_id, proposal, rated=rated)


def _proposal(study: str, knowledge: Knowledge, site: Site) -> Mapping[str, Any]:
    """Return a proposed study of card.json, with the site's own codings first."""
    proposal: Mapping[str, Any] = knowledge.card["proposals"][study]
    own = site.proposed_codings.get(study)
    if not own:
        return proposal
    code = proposal["code"]
    return {**proposal, "code": {**code, "coding": [*own, *code["coding"]]}}


def _code(order: Json, proposal: Mapping[str, Any]) -> Any:
    """Return the proposed code in the form of the order's own: in R5 the concept is in a CodeableReference."""
    if any("concept" in code for code in members(order.get("code"))):
        return {"concept": proposal["code"]}
    return proposal["code"]


def _extensions(order: Json, rating: Json | None, *, rated: bool) -> Any:
    """Return the order's extensions with our rating in place of that of the replaced study; None for no change."""
    extensions = order.get("extension")
    if extensions is not None and not isinstance(extensions, list):
        return None
    other_extensions = [
        extension
        for extension in extensions or []
        if not isinstance(extension, dict) or extension.get("url") != _PAMA_RATING
    ]
    if rated and rating:
        return [*other_extensions, rating]
    return None if len(other_extensions) == len(extensions or []) else other_extensions


def _with_contained(new_order: dict[str, Any], order: Json) -> dict[str, Any]:
    """Copy the contained resources that the new order still refers to."""
    if not order.get("contained"):
        return new_order
    ids = {reference[1:] for reference in _references(new_order) if reference.startswith("#")}
    contained = [
        resource
        for resource in members(order.get("contained"))
        if isinstance(resource.get("id"), str) and resource["id"] in ids
    ]
    if contained:
        new_order["contained"] = contained
    return new_order


def _references(value: Any) -> list[str]:
    """Return every `reference` within a JSON value, in no order."""
    references, waiting = [], [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            references.append(text_of(value.get("reference")))
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return references

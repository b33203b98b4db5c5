"""The suggestions of a card: to replace the order, to add the proposed study, or to take another one."""

from collections.abc import Callable, Mapping
from typing import Any

from cds_service.decision.fhir_fields import members, text_of
from cds_service.decision.rendering import fill, filled, sources, treatment
from cds_service.knowledge import Knowledge
from cds_service.model import FindingKind, HookRequest, Json, Recommendation, Site

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


_OTHER_STUDIES = ("without_contrast", "alternative")
"""The suggestions of another study than the one proposed; each is named in card.json."""

_UPDATES = ("replace", *_OTHER_STUDIES)
_PREGNANCY = "pregnancy"
_ALSO_OF_CT = ("contrast_allergy", "renal", "acute_renal", "egfr")
"""The contrast cautions that hold for the contrast of a CT, too."""


def suggestions(
    recommendation: Recommendation,
    request: HookRequest,
    knowledge: Knowledge,
    site: Site,
    new_id: Callable[[], str],
) -> list[dict[str, Any]]:
    """Return the suggestions of the card."""
    texts = knowledge.card["suggestions"]
    short, whole = _short(recommendation, knowledge), _whole(recommendation, knowledge)
    return [
        _suggestion(
            filled(texts[kind]["label"], short),
            filled(texts[kind]["action"], whole) + _notes(kind, recommendation, knowledge),
            _action(kind, recommendation, request, knowledge, site),
            new_id(),
            recommended=kind == recommendation.recommended,
        )
        for kind in kinds(recommendation, knowledge)
    ]


def _short(recommendation: Recommendation, knowledge: Knowledge) -> dict[str, str]:
    """Return what a button calls the studies; an order that is nearly the proposed study has a word of its own."""
    proposals, said = knowledge.card["proposals"], knowledge.card["orders"][recommendation.order.study]
    proposed = said.get("proposed") or proposals[recommendation.order.proposed]["short"]
    others = {kind: proposals[knowledge.card[kind]]["short"] for kind in _OTHER_STUDIES}
    return {"order": said["short"], "proposed": proposed, **others}


def _whole(recommendation: Recommendation, knowledge: Knowledge) -> dict[str, str]:
    """Return the whole names of the studies, for the description of an action."""
    proposals, said = knowledge.card["proposals"], knowledge.card["orders"][recommendation.order.study]
    studies = {"proposed": recommendation.order.proposed, **{kind: knowledge.card[kind] for kind in _OTHER_STUDIES}}
    return {"order": said["name"], **{name: proposals[study]["code"]["text"] for name, study in studies.items()}}


def kinds(recommendation: Recommendation, knowledge: Knowledge) -> list[str]:
    """Return the kinds of watched_orders.csv in its order, and those that a caution asks for.

    Where nothing is recommended, what adds an order stands before what replaces one (contract section 6). An order
    without an id cannot be updated, so those that replace it are left out.
    """
    order, findings = recommendation.order, recommendation.findings
    listed = [*knowledge.watched[order.study].suggestions]
    if not recommendation.recommended:
        listed.sort(key=lambda kind: kind in _UPDATES)
    contrast = findings.of(FindingKind.CONTRAST)
    # A plexus MRI that is ordered without contrast is itself what would be offered.
    if contrast and order.study != knowledge.card["without_contrast"]:
        listed.append("without_contrast")
    if findings.of(FindingKind.DEVICE) and not any(one.means == _PREGNANCY for one in contrast):
        listed.append("alternative")
    return [kind for kind in listed if order.order.resource.get("id") or kind not in _UPDATES]


def _notes(kind: str, recommendation: Recommendation, knowledge: Knowledge) -> str:
    """Return what radiology needs to know of earlier treatment, and what speaks against the contrast of a CT."""
    texts, findings, notes = knowledge.card, recommendation.findings, ""
    if courses := treatment(findings, texts):
        notes += fill(texts["notes"]["treatment"], treatment=courses)
    if kind == "alternative":
        contrast = [one for one in findings.of(FindingKind.CONTRAST) if one.means in _ALSO_OF_CT]
        if cautions := [*findings.of(FindingKind.IODINE), *contrast]:
            notes += fill(texts["notes"]["iodine"], what=sources(cautions, texts["check_first"]))
    return notes


def _action(
    kind: str, recommendation: Recommendation, request: HookRequest, knowledge: Knowledge, site: Site
) -> tuple[str, dict[str, Any]]:
    """Return the type of the action and its resource; a rating stands on warnings, and where the Sandbox needs it."""
    study = knowledge.card[kind] if kind in _OTHER_STUDIES else recommendation.order.proposed
    proposal = _proposal(study, knowledge, site)
    resource, rated = recommendation.order.order.resource, recommendation.indicator == "warning" or site.development
    if kind in _UPDATES:
        return "update", replaced(resource, proposal, rated=rated)
    return "create", added(resource, request, proposal, rated=rated)


def _proposal(study: str, knowledge: Knowledge, site: Site) -> Mapping[str, Any]:
    """Return a proposed study with the site's own codes before ours."""
    proposal: Mapping[str, Any] = knowledge.card["proposals"][study]
    own = site.proposed_codings.get(study)
    if not own:
        return proposal
    code = proposal["code"]
    return {**proposal, "code": {**code, "coding": [*own, *code["coding"]]}}


def _suggestion(
    label: str,
    description: str,
    action: tuple[str, dict[str, Any]],
    uuid: str,
    *,
    recommended: bool,
) -> dict[str, Any]:
    suggestion: dict[str, Any] = {"label": label, "uuid": uuid}
    if recommended:
        suggestion["isRecommended"] = True
    kind, resource = action
    return suggestion | {"actions": [{"type": kind, "description": description, "resource": resource}]}

"""The suggestions of a card: to replace the order, to add the proposed study, or to take the alternative."""

from collections.abc import Callable, Mapping
from typing import Any

from cds_service.decision.phrases import filled
from cds_service.decision.proposal import added, replaced
from cds_service.knowledge import Knowledge
from cds_service.model import HookRequest, Recommendation, Site
from cds_service.vocabulary import FindingKind

_UPDATES = ("replace", "alternative")


def suggestions(
    recommendation: Recommendation,
    request: HookRequest,
    knowledge: Knowledge,
    site: Site,
    new_id: Callable[[], str],
) -> list[dict[str, Any]]:
    """Return the suggestions of the card."""
    order, texts = recommendation.order, knowledge.card
    names = {
        "proposed": texts["proposals"][order.proposed]["code"]["text"],
        "alternative": texts["proposals"][texts["alternative"]]["code"]["text"],
        "order": texts["orders"][order.study]["name"],
    }
    return [
        _suggestion(
            texts["suggestions"][kind],
            names,
            _action(kind, recommendation, request, knowledge, site),
            new_id(),
            recommended=kind == recommendation.recommended,
        )
        for kind in kinds(recommendation, knowledge)
    ]


def kinds(recommendation: Recommendation, knowledge: Knowledge) -> list[str]:
    """Return the kinds of watched_orders.csv in its order, and the alternative where a device may forbid MRI.

    Where nothing is recommended, what adds an order stands before what replaces one (contract section 6). An order
    without an id cannot be updated, so those that replace it are left out.
    """
    order = recommendation.order
    listed = [*knowledge.watched[order.study].suggestions]
    if not recommendation.recommended:
        listed.sort(key=lambda kind: kind in _UPDATES)
    if recommendation.findings.of(FindingKind.DEVICE):
        listed.append("alternative")
    return [kind for kind in listed if order.order.resource.get("id") or kind not in _UPDATES]


def _action(
    kind: str, recommendation: Recommendation, request: HookRequest, knowledge: Knowledge, site: Site
) -> tuple[str, dict[str, Any]]:
    """Return the type of the action and its resource; a rating stands on warnings, and where the Sandbox needs it."""
    study = knowledge.card["alternative"] if kind == "alternative" else recommendation.order.proposed
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
    texts: Mapping[str, str],
    names: Mapping[str, str],
    action: tuple[str, dict[str, Any]],
    uuid: str,
    *,
    recommended: bool,
) -> dict[str, Any]:
    suggestion: dict[str, Any] = {"label": filled(texts["label"], names), "uuid": uuid}
    if recommended:
        suggestion["isRecommended"] = True
    kind, resource = action
    description = filled(texts["action"], names)
    return suggestion | {"actions": [{"type": kind, "description": description, "resource": resource}]}

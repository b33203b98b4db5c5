"""Dialects: finished cards -> the form that a kind of client applies. The shape of an answer alone, never the decision.

* `standard`: CDS Hooks 2.0.1, and the Da Vinci extension that names the order.
* `crd`: the same, with the list of system actions that clients of Da Vinci CRD want in each answer to order-sign.
* `epic`: suggestions of one create or delete of a ServiceRequest, by the site's own code, any of which may be taken.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cds_service.decision.fhir_fields import text_of
from cds_service.decision.rendering import fill
from cds_service.decision.suggestions import additional_order, full_names, proposed_study, short_names, suggestion_kinds
from cds_service.knowledge import Knowledge
from cds_service.model import Decision, Dialect, Recommendation, Site

_ASSOCIATED_RESOURCE = "davinci-crd.associated-resource"
"""Da Vinci CRD 2.1, CDSHookServiceResponseExtensionAssociatedResource: References to the orders of a card."""

_CREATED = "ServiceRequest"
"""The one type of order that Epic creates and deletes for a suggestion."""

_REPLACE = "replace"

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
"""An id (FHIR R4, Datatypes)."""


class Answer(NamedTuple):
    """The answer to a hook call in the dialect of its client."""

    cards: tuple[dict[str, Any], ...] = ()
    kinds: tuple[tuple[str, ...], ...] = ()
    """The kind of each suggestion, for each card."""
    unmapped: tuple[str, ...] = ()
    """The studies without a suggestion, because the site file has no code for them."""
    has_system_actions: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """Return the body of the response."""
        return {"cards": self.cards, "systemActions": []} if self.has_system_actions else {"cards": self.cards}


class _Shape(NamedTuple):
    """One card in a dialect."""

    card: dict[str, Any]
    kinds: tuple[str, ...]
    unmapped: tuple[str, ...] = ()


def answer(
    decision: Decision,
    hook: str,
    dialect: Dialect,
    knowledge: Knowledge,
    site: Site,
    new_id: Callable[[], str],
) -> Answer:
    """Return the answer to one call of `hook`: the decision's cards in the client's dialect."""
    shapes = [
        _epic(recommendation, card, decision.patient_id, knowledge, site, new_id)
        if dialect == "epic"
        else _standard(recommendation, card, knowledge)
        for recommendation, card in _recommended_cards(decision)
    ]
    return Answer(
        cards=tuple(shape.card for shape in shapes),
        kinds=tuple(shape.kinds for shape in shapes),
        unmapped=tuple(dict.fromkeys(study for shape in shapes for study in shape.unmapped)),
        has_system_actions=dialect == "crd" and hook == "order-sign",
    )


def unmapped_proposals(knowledge: Knowledge, site: Site) -> list[str]:
    """Return the studies that a client of the Epic dialect is never offered: the site file has no code for them."""
    return [study for study in knowledge.card["proposals"] if not site.proposed_codings.get(study)]


def _recommended_cards(decision: Decision) -> Iterator[tuple[Recommendation, dict[str, Any]]]:
    """Yield each card with its recommendation; none in shadow mode."""
    if decision.cards:
        recommendations = [outcome for outcome in decision.outcomes if isinstance(outcome, Recommendation)]
        yield from zip(recommendations, decision.cards, strict=True)


def _standard(recommendation: Recommendation, card: dict[str, Any], knowledge: Knowledge) -> _Shape:
    """Return a card with the extension that names its order, where a reference can."""
    kinds = tuple(suggestion_kinds(recommendation, knowledge))
    if _has_id(recommendation):
        reference = recommendation.order.order.reference
        card = card | {"extension": {_ASSOCIATED_RESOURCE: [{"reference": reference}]}}
    return _Shape(card, kinds)


def _epic(
    recommendation: Recommendation,
    card: dict[str, Any],
    patient_id: str,
    knowledge: Knowledge,
    site: Site,
    new_id: Callable[[], str],
) -> _Shape:
    """Return a card each of whose suggestions creates or deletes one order; without suggestions where it has none."""
    kinds = _epic_kinds(recommendation, knowledge)
    studies = {kind: proposed_study(kind, recommendation, knowledge) for kind in kinds}
    offered = [kind for kind in kinds if site.proposed_codings.get(studies[kind])]
    unmapped = tuple(dict.fromkeys(studies[kind] for kind in kinds if kind not in offered))
    if _is_replaceable(recommendation, knowledge) and kinds and kinds[0] in offered:
        # Never without the study in its place, nor by a reference that a client might read as another order.
        offered.insert(1, "delete")
    shown = {name: value for name, value in card.items() if name not in ("suggestions", "selectionBehavior")}
    if offered:
        shown["suggestions"] = [
            _epic_suggestion(kind, recommendation, patient_id, knowledge, site) | {"uuid": new_id()} for kind in offered
        ]
        shown["selectionBehavior"] = "any"
    return _Shape(shown, tuple(offered), unmapped)


def _epic_kinds(recommendation: Recommendation, knowledge: Knowledge) -> list[str]:
    """Return the kinds of the suggestions that create an order, that of the proposed study first."""
    if recommendation.order.order.resource.get("resourceType") != _CREATED:
        return []
    kinds = suggestion_kinds(recommendation, knowledge)
    proposed = recommendation.order.proposed
    others = [kind for kind in kinds if proposed_study(kind, recommendation, knowledge) != proposed]
    return ["add", *others] if len(others) < len(kinds) else others


def _is_replaceable(recommendation: Recommendation, knowledge: Knowledge) -> bool:
    """Return whether the standard card offers to replace the order, and a reference names it."""
    return _REPLACE in suggestion_kinds(recommendation, knowledge) and _has_id(recommendation)


def _has_id(recommendation: Recommendation) -> bool:
    """Return whether the order has an id as FHIR allows it."""
    return _ID.fullmatch(text_of(recommendation.order.order.resource.get("id"))) is not None


def _epic_suggestion(
    kind: str, recommendation: Recommendation, patient_id: str, knowledge: Knowledge, site: Site
) -> dict[str, Any]:
    """Return a suggestion without its id; it is recommended where the standard card recommends the study in it."""
    texts, order = knowledge.card["create_and_delete"][kind], recommendation.order.order
    study = proposed_study(kind, recommendation, knowledge)
    action: dict[str, Any] = {"description": fill(texts["action"], **full_names(recommendation, knowledge))}
    suggestion: dict[str, Any] = {"label": fill(texts["label"], **short_names(recommendation, knowledge))}
    if kind == "delete":
        action |= {"type": "delete", "resourceId": order.reference}
    else:
        proposal = {"code": {"coding": [*site.proposed_codings[study]]}}
        resource = additional_order(order.resource, patient_id, proposal, rated=False)
        action |= {"type": "create", "resource": resource}
        if kind == "add" and recommendation.recommended in suggestion_kinds(recommendation, knowledge):
            suggestion["isRecommended"] = True
    return suggestion | {"actions": [action]}

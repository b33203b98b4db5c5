"""Step 6: Recommendation -> the card: card.json with its $holes filled."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from cds_service.decision.phrases import fill, finding_words, told
from cds_service.decision.proposal import added, replaced
from cds_service.knowledge import Knowledge
from cds_service.model import HookRequest, PatientRecord, Recommendation, Site


def say(
    recommendation: Recommendation,
    request: HookRequest,
    record: PatientRecord,
    knowledge: Knowledge,
    site: Site,
    today: date,
    new_id: Callable[[], str],
) -> dict[str, Any]:
    """Return the card as the client receives it (CDS Hooks 2.0.1, Card Attributes)."""
    texts, order = knowledge.card, recommendation.order
    proposed = texts["proposals"][order.proposed]["code"]["text"]
    return {
        "uuid": new_id(),
        "summary": fill(texts["summary"][recommendation.indicator], proposed=proposed),
        "indicator": recommendation.indicator,
        "detail": _detail(recommendation, request, record, knowledge, today),
        "source": texts["source"],
        "suggestions": _suggestions(recommendation, request, knowledge, site, new_id),
        "selectionBehavior": "at-most-one",
        "overrideReasons": texts["override_reasons"],
        "links": [link | {"url": fill(link["url"], public_url=site.public_url)} for link in texts["links"]],
    }


def _detail(
    recommendation: Recommendation,
    request: HookRequest,
    record: PatientRecord,
    knowledge: Knowledge,
    today: date,
) -> str:
    texts, order = knowledge.card, recommendation.order
    said, rating = texts["orders"][order.study], knowledge.ratings[order.proposed]
    holes = {
        "about": _about(recommendation, request, texts),
        "findings": _lines(recommendation, texts, today),
        "misses": said["misses"],
        "keep": said["keep"],
        "category": rating["category"],
        "radiation": rating["radiation"],
        "incomplete": _incomplete(record, texts["incomplete"]),
    }
    paragraphs = (fill(paragraph, **holes) for paragraph in texts["detail"])
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _about(recommendation: Recommendation, request: HookRequest, texts: Mapping[str, Any]) -> str:
    """Name the order that the card is about, where the call has several."""
    drafts, order = request.draft_orders, recommendation.order
    if len(drafts) == 1:
        return ""
    position = next(number for number, draft in enumerate(drafts, 1) if draft is order.order)
    name = order.name or texts["orders"][order.study]["name"]
    return fill(texts["about"], order=name, position=position, count=len(drafts))


def _lines(recommendation: Recommendation, texts: Mapping[str, Any], today: date) -> str:
    said = texts["findings"]
    findings = told(recommendation.findings)
    shown = [finding_words(one, said, texts["durations"], today) for one in findings[: said["at_most"]]]
    if left := len(findings) - len(shown):
        shown.append(fill(said["more"], count=left))
    return "\n".join(fill(said["line"], finding=words) for words in shown)


def _incomplete(record: PatientRecord, texts: Mapping[str, str]) -> str:
    missing = [texts[f"{part.key}_partly" if part.partly else part.key] for part in record.unread]
    if record.skipped:
        missing.append(fill(texts["skipped"], count=record.skipped))
    return fill(texts["line"], missing=" ".join(missing)) if missing else ""


def _suggestions(
    recommendation: Recommendation,
    request: HookRequest,
    knowledge: Knowledge,
    site: Site,
    new_id: Callable[[], str],
) -> list[dict[str, Any]]:
    """Return the suggestions of watched_orders.csv in its order; an order without id cannot be updated."""
    order, texts = recommendation.order, knowledge.card
    names = {
        "proposed": texts["proposals"][order.proposed]["code"]["text"],
        "order": texts["orders"][order.study]["name"],
    }
    suggestions = []
    for kind in knowledge.watched[order.study].suggestions:
        if kind == "replace" and not order.order.resource.get("id"):
            continue
        action = _action(kind, recommendation, request, knowledge, site)
        recommended = kind == "replace" and recommendation.recommended
        suggestions.append(_suggestion(texts["suggestions"][kind], names, action, new_id(), recommended=recommended))
    return suggestions


def _action(
    kind: str, recommendation: Recommendation, request: HookRequest, knowledge: Knowledge, site: Site
) -> tuple[str, dict[str, Any]]:
    """Return the type of the action and its resource; a rating stands on warnings, and where the Sandbox needs it."""
    proposal = knowledge.card["proposals"][recommendation.order.proposed]
    resource, rated = recommendation.order.order.resource, recommendation.indicator == "warning" or site.development
    if kind == "replace":
        return "update", replaced(resource, proposal, rated=rated)
    return "create", added(resource, request, proposal, rated=rated)


def _suggestion(
    texts: Mapping[str, str],
    names: Mapping[str, str],
    action: tuple[str, dict[str, Any]],
    uuid: str,
    *,
    recommended: bool,
) -> dict[str, Any]:
    suggestion: dict[str, Any] = {"label": fill(texts["label"], **names), "uuid": uuid}
    if recommended:
        suggestion["isRecommended"] = True
    kind, resource = action
    description = fill(texts["action"], **names)
    return suggestion | {"actions": [{"type": kind, "description": description, "resource": resource}]}

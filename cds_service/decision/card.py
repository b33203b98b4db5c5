"""Step 6: Recommendation -> the card: card.json with its $holes filled."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from cds_service.decision.rendering import fill, filled, render_findings, sources
from cds_service.decision.suggestions import kinds, suggestions
from cds_service.knowledge import Knowledge
from cds_service.knowledge.placeholders import SUMMARY_LIMIT
from cds_service.model import FindingKind, Findings, HookRequest, PatientRecord, Recommendation, Site


def summary(recommendation: Recommendation, texts: Mapping[str, Any]) -> str:
    """Return the first wording of card.json that is short enough for what was found."""
    order, findings = recommendation.order, recommendation.findings
    said, proposed = texts["orders"][order.study], texts["proposals"][order.proposed]["code"]["text"]
    if recommendation.indicator == "info":
        return filled(said["info"], {"proposed": proposed})
    sign = _sign(findings, texts["summary"])
    holes = {"proposed": proposed, "sign": sign, **_history(findings, texts["summary"])}
    wordings = [filled(one, holes) for one in said["warning" if sign else "warning_without_sign"]]
    return next((one for one in wordings if len(one) <= SUMMARY_LIMIT), wordings[-1])


def _sign(findings: Findings, texts: Mapping[str, Any]) -> str:
    """Return the plexopathy where it is named, else the first sign, and no text where there is none."""
    signs = [one.wording for one in findings.presentations]
    if not set(signs).isdisjoint(texts["plexopathy"]["named_by"]):
        told: str = texts["plexopathy"]["told"]
        return told
    return signs[0] if signs else ""


def _history(findings: Findings, texts: Mapping[str, Any]) -> dict[str, str]:
    """Return what the sign came after, in general and by name; cancer only where it is on record."""
    cancers = [one for one in findings.malignancies if not one.as_typed]
    general = texts["cancer"] if cancers else texts["radiotherapy"]
    names = {texts["cancers"].get(one.wording, "") for one in cancers}
    # A metastasis whose origin is not in its name tells of no other cancer, but two names tell of two.
    nameless = any(not one.metastatic and one.wording not in texts["cancers"] for one in cancers)
    [name, *others] = sorted(names - {""}) or [""]
    return {"history": general, "cancer": general if nameless or others or not name else name}


def build_card(
    recommendation: Recommendation,
    request: HookRequest,
    record: PatientRecord,
    knowledge: Knowledge,
    site: Site,
    today: date,
    new_id: Callable[[], str],
) -> dict[str, Any]:
    """Return the card as the client receives it (CDS Hooks 2.0.1, Card Attributes)."""
    texts = knowledge.card
    return {
        "uuid": new_id(),
        "summary": summary(recommendation, texts),
        "indicator": recommendation.indicator,
        "detail": _detail(recommendation, request, record, knowledge, today),
        "source": texts["source"],
        "suggestions": suggestions(recommendation, request, knowledge, site, new_id),
        "selectionBehavior": "at-most-one",
        "overrideReasons": texts["override_reasons"],
        "links": [link | {"url": fill(link["url"], public_url=site.public_url)} for link in texts["links"]],
    }


def _detail(
    recommendation: Recommendation, request: HookRequest, record: PatientRecord, knowledge: Knowledge, today: date
) -> str:
    texts = knowledge.card
    said = texts["orders"][recommendation.order.study]
    holes = {
        "about": _about(recommendation, request, texts),
        "findings": render_findings(recommendation.findings, texts, today),
        "misses": said["misses"],
        "rating": _rating(recommendation, knowledge),
        "check_first": _check_first(recommendation, knowledge),
        "keep": said["keep"] + _spine(recommendation, texts),
        "incomplete": _incomplete(record, texts["incomplete"]),
    }
    paragraphs = [filled(paragraph, holes) for paragraph in texts["detail"]]
    return "\n\n".join(filter(None, paragraphs))


def _about(recommendation: Recommendation, request: HookRequest, texts: Mapping[str, Any]) -> str:
    """Name the order that the card is about, where the call has several."""
    drafts, order = request.draft_orders, recommendation.order
    if len(drafts) == 1:
        return ""
    name = order.name or texts["orders"][order.study]["name"]
    return fill(texts["about"], order=name, position=order.order.position, count=len(drafts))


def _rating(recommendation: Recommendation, knowledge: Knowledge) -> str:
    """Rate the proposed study in a line; where alternatives matter, all studies that our sources rate in a table."""
    texts, order = knowledge.card["rating"], recommendation.order
    alternatives_matter = knowledge.watched[order.study].only_for or recommendation.findings.of(FindingKind.DEVICE)
    if not alternatives_matter:
        row = knowledge.ratings[order.proposed]
        return fill(texts["line"], category=row["category"], radiation=row["radiation"])
    rows = (
        fill(texts["table_row"], name=row["name"], category=row["category"], radiation=row["radiation"])
        for row in knowledge.ratings.values()
    )
    return "\n".join([texts["table_head"], "|---|---|---|", *rows])


def _spine(recommendation: Recommendation, texts: Mapping[str, Any]) -> str:
    """Name what asks for the spine, where that is why nothing is recommended."""
    if not {"spine_named", "cord_sign"}.intersection(recommendation.against):
        return ""
    named = [one for kind in (FindingKind.SPINE, FindingKind.CORD_SIGN) for one in recommendation.findings.of(kind)]
    return fill(texts["notes"]["spine"], what=sources(named, texts["check_first"]))


def _check_first(recommendation: Recommendation, knowledge: Knowledge) -> str:
    """Name each caution in a paragraph of its own; that on iodine only where the CT is offered."""
    findings, texts = recommendation.findings, knowledge.card["check_first"]
    found = {"device": findings.of(FindingKind.DEVICE), "contrast": findings.of(FindingKind.CONTRAST)}
    if "alternative" in kinds(recommendation, knowledge):
        found["iodine"] = findings.of(FindingKind.IODINE)
    return "\n\n".join([fill(texts[name], what=sources(these, texts)) for name, these in found.items() if these])


def _incomplete(record: PatientRecord, texts: Mapping[str, str]) -> str:
    missing = [texts[f"{part.holds or part.key}{'_partly' if part.partly else ''}"] for part in record.unread]
    if record.skipped:
        missing.append(fill(texts["skipped"], count=record.skipped))
    if record.not_sent:
        missing.append(fill(texts["not_sent"], count=record.not_sent))
    return fill(texts["line"], missing=" ".join(missing)) if missing else ""

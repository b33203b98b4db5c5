"""Step 6: Recommendation -> the card: card.json with its $placeholders filled (contract section 7)."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from cds_service.decision.rendering import fill, render_findings, render_sources
from cds_service.decision.suggestions import build_suggestions, suggestion_kinds
from cds_service.knowledge import Knowledge
from cds_service.knowledge.text_validation import SUMMARY_LIMIT
from cds_service.model import (
    RECOMMENDED_BESIDE,
    FindingKind,
    Findings,
    HookRequest,
    PatientRecord,
    Recommendation,
    Site,
)


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
        "summary": render_summary(recommendation, texts),
        "indicator": recommendation.indicator,
        "detail": _render_detail(recommendation, request, record, knowledge, today),
        "source": texts["source"],
        "suggestions": build_suggestions(recommendation, request, knowledge, site, new_id),
        "selectionBehavior": "at-most-one",
        "overrideReasons": texts["override_reasons"],
        "links": [link | {"url": fill(link["url"], public_url=site.public_url)} for link in texts["links"]],
    }


def render_summary(recommendation: Recommendation, texts: Mapping[str, Any]) -> str:
    """Return the first wording in card.json that fits into a summary: less than 140 characters (CDS Hooks 2.0.1).

    An `info` card asks; a `warning` names the sign and the history on this record (contract section 7).
    """
    order, findings = recommendation.order, recommendation.findings
    wording, proposed = texts["orders"][order.study], texts["proposals"][order.proposed]["code"]["text"]
    if recommendation.indicator == "info":
        return fill(wording["info"], proposed=proposed)
    sign = _sign(findings, texts["summary"])
    values = {"proposed": proposed, "sign": sign, **_history(findings, texts["summary"])}
    summaries = [fill(text, **values) for text in wording["warning" if sign else "warning_without_sign"]]
    return next((summary for summary in summaries if len(summary) <= SUMMARY_LIMIT), summaries[-1])


def _sign(findings: Findings, texts: Mapping[str, Any]) -> str:
    """Return the plexopathy if it is named, else the first sign, or no text if there is none."""
    signs = [finding.wording for finding in findings.presentations]
    if not set(signs).isdisjoint(texts["plexopathy"]["named_by"]):
        plexopathy: str = texts["plexopathy"]["wording"]
        return plexopathy
    return signs[0] if signs else ""


def _history(findings: Findings, texts: Mapping[str, Any]) -> dict[str, str]:
    """Return the `history` in general and the `cancer` by name; cancer only if it is on record by code."""
    cancers = [finding for finding in findings.malignancies if not finding.as_typed]
    general = texts["cancer"] if cancers else texts["radiotherapy"]
    names = {texts["cancers"].get(finding.wording, "") for finding in cancers}
    # A metastasis of unnamed origin is no evidence of a second cancer, but two names are.
    has_unnamed = any(not finding.metastatic and finding.wording not in texts["cancers"] for finding in cancers)
    [name, *other_names] = sorted(names - {""}) or [""]
    return {"history": general, "cancer": general if has_unnamed or other_names or not name else name}


def _render_detail(
    recommendation: Recommendation, request: HookRequest, record: PatientRecord, knowledge: Knowledge, today: date
) -> str:
    """Return the detail as Markdown: the paragraphs of card.json, without those that are empty."""
    texts = knowledge.card
    wording = texts["orders"][recommendation.order.study]
    values = {
        "about": _about(recommendation, request, texts),
        "findings": render_findings(recommendation.findings, texts, today),
        "misses": wording["misses"],
        "rating": _rating(recommendation, knowledge),
        "check_first": _check_first(recommendation, knowledge),
        "keep": wording["keep"] + _spine_findings(recommendation, texts),
        "incomplete": _incomplete(record, texts["incomplete"]),
    }
    paragraphs = [fill(paragraph, **values) for paragraph in texts["detail"]]
    return "\n\n".join(filter(None, paragraphs))


def _about(recommendation: Recommendation, request: HookRequest, texts: Mapping[str, Any]) -> str:
    """Return which order the card is about, if the call has several, and that the study is recommended for another."""
    drafts, order = request.draft_orders, recommendation.order
    if len(drafts) == 1:
        return ""
    name = order.name or texts["orders"][order.study]["name"]
    about = fill(texts["about"], order=name, position=order.order.position, count=len(drafts))
    return about + (texts["notes"]["beside"] if RECOMMENDED_BESIDE in recommendation.against else "")


def _rating(recommendation: Recommendation, knowledge: Knowledge) -> str:
    """Return the ACR rating of the proposed study in a line or, if alternatives matter, of all studies in a table."""
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


def _spine_findings(recommendation: Recommendation, texts: Mapping[str, Any]) -> str:
    """Return the findings that point to the spine, if they are why nothing is recommended (contract section 6)."""
    if not {"spine_named", "cord_sign"}.intersection(recommendation.against):
        return ""
    findings = recommendation.findings
    spinal = [*findings.of(FindingKind.SPINE), *findings.of(FindingKind.CORD_SIGN)]
    return fill(texts["notes"]["spine"], findings=render_sources(spinal, texts["check_first"]))


def _check_first(recommendation: Recommendation, knowledge: Knowledge) -> str:
    """Return a paragraph per caution; the one on iodinated contrast only if the CT is offered."""
    findings, texts = recommendation.findings, knowledge.card["check_first"]
    cautions = {"device": findings.of(FindingKind.DEVICE), "contrast": findings.of(FindingKind.CONTRAST)}
    iodine = findings.of(FindingKind.IODINE)
    if iodine and "alternative" in suggestion_kinds(recommendation, knowledge):
        cautions["iodine"] = iodine
    return "\n\n".join(
        [fill(texts[name], findings=render_sources(of_kind, texts)) for name, of_kind in cautions.items() if of_kind]
    )


def _incomplete(record: PatientRecord, texts: Mapping[str, str]) -> str:
    """Return a sentence on each part of the record that could not be read, or no text."""
    names = (
        f"{part.holds or part.key}{'_partly' if part.partly or part.others_read else ''}" for part in record.unread
    )
    missing = [texts[name] for name in dict.fromkeys(names)]
    if record.skipped:
        missing.append(fill(texts["skipped"], count=record.skipped))
    if record.not_sent:
        missing.append(fill(texts["not_sent"], count=record.not_sent))
    return fill(texts["line"], missing=" ".join(missing)) if missing else ""

"""The summary of a card: an `info` asks, and a `warning` says what on this record fits (contract section 7)."""

from collections.abc import Mapping
from typing import Any

from cds_service.decision.phrases import filled
from cds_service.knowledge.holes import SUMMARY_LIMIT
from cds_service.model import Findings, Recommendation


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

"""Findings as text in the wording of card.json (contract section 7)."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from string import Template
from typing import Any

from cds_service.decision.fhir_fields import months_since
from cds_service.model import Field, Finding, FindingKind, Findings, PartialDate

Texts = Mapping[str, str]


@cache
def _format(text: str) -> str:
    """Return a text of card.json as a `%` format: a card fills some thirty, each in an eighth of the time."""
    return Template.pattern.sub(_format_placeholder, text.replace("%", "%%"))


def _format_placeholder(match: re.Match[str]) -> str:
    name = match["named"] or match["braced"]
    return f"%({name})s" if name else "$"


def fill(text: str, /, **values: object) -> str:
    """Return a text of card.json with its $placeholders filled; values without a placeholder are ignored."""
    return _format(text) % values


def card_findings(findings: Findings) -> list[Finding]:
    """Return the findings that a card lists: presentation, radiotherapy, malignancy (contract section 7)."""
    return [*findings.presentations, *findings.radiotherapy, *findings.malignancies]


def render_findings(findings: Findings, texts: Mapping[str, Any], today: date) -> str:
    """Return the card's findings as Markdown list lines, at most `at_most` of them and a count of the rest.

    Each latency of radiotherapy is explained once.
    """
    wording, listed = texts["findings"], card_findings(findings)
    lines: list[str] = []
    explained: set[str] = set()
    for finding in listed[: wording["at_most"]]:
        line = render_finding(finding, wording, texts["durations"], today)
        latency = _latency(finding, wording["latency"], today)
        lines.append(line if latency in explained else line + latency)
        explained.add(latency)
    if rest := len(listed) - len(lines):
        lines.append(fill(wording["more"], count=rest))
    return "\n".join(fill(wording["line"], finding=line) for line in lines)


def is_dated_radiotherapy(finding: Finding) -> bool:
    """Return whether a finding is finished radiotherapy with a date; a history code is not."""
    return (
        finding.kind is FindingKind.RADIOTHERAPY
        and finding.from_procedure
        and not finding.status
        and finding.until is not None
    )


def render_treatment(findings: Findings, texts: Mapping[str, Any]) -> str:
    """Return fields and dates of the radiotherapy as one phrase, without the time since then."""
    wording = texts["findings"]
    courses = findings.radiotherapy[: wording["at_most"]]
    return "; ".join(dict.fromkeys(_render_course(course, wording["radiotherapy"]) for course in courses))


def render_sources(findings: Iterable[Finding], texts: Texts) -> str:
    """Return the wordings of findings for use in a sentence, grouped by source: the order's reason, or the record."""
    all_findings = list(findings)
    by_source = {
        "from_order": dict.fromkeys(finding.wording for finding in all_findings if finding.from_order),
        "on_record": dict.fromkeys(finding.wording for finding in all_findings if not finding.from_order),
    }
    return ", ".join(fill(texts[source], names=", ".join(names)) for source, names in by_source.items() if names)


def render_finding(finding: Finding, texts: Mapping[str, Texts], durations: Texts, today: date) -> str:
    """Return one finding as a clinician reads it: what, where, since when."""
    if finding.kind is FindingKind.RADIOTHERAPY:
        return _render_radiotherapy(finding, texts["radiotherapy"], durations, today)
    return _render_condition(finding, texts.get(finding.kind, texts["presentation"]))


def render_duration(then: PartialDate, texts: Texts, today: date) -> str:
    """Return the time since a date in years and months, or in years if only its year is known."""
    years, months = divmod(months_since(then, today), 12)
    if len(then.text) == len("2024"):
        years = today.year - then.last.year
        return _count_units(years, "year", texts) or texts["this_year"]
    units = [_count_units(years, "year", texts), _count_units(months, "month", texts)]
    return " ".join(filter(None, units)) or texts["moments"]


def _latency(finding: Finding, texts: Mapping[str, Any], today: date) -> str:
    """Return what the time since a course of radiotherapy implies; no text without a date (contract section 7)."""
    if not is_dated_radiotherapy(finding) or finding.until is None:
        return ""
    late = months_since(finding.until, today) > texts["early_months"]
    latency: str = texts["late" if late else "early"]
    return latency


def _render_course(finding: Finding, texts: Texts) -> str:
    """Return what was irradiated and when; a history code has only the date of its recording."""
    course = finding.wording + _render_field(finding, texts)
    if source := _render_source(finding, texts):
        return course + source
    if not finding.from_procedure:
        return course + (_recorded(finding, texts) if finding.field is Field.UNKNOWN else _since(finding, texts))
    if finding.status:
        return course + fill(texts["status"], status=finding.status) + _since(finding, texts)
    if finding.until is None:
        return course
    return course + fill(texts["performed" if finding.since == finding.until else "until"], until=finding.until.text)


def _render_field(finding: Finding, texts: Texts) -> str:
    """Return where radiotherapy was given: its site, the treated tumor, or that the field is not known."""
    if finding.site:
        return fill(texts["site"], site=finding.site)
    if finding.treats:
        return fill(texts["treats"], treats=finding.treats)
    if finding.field is not Field.UNKNOWN or not finding.from_procedure:
        return ""
    return texts["unread_field" if finding.site_unread else "unknown_field"]


def _render_source(finding: Finding, texts: Texts) -> str:
    """Return the source of a finding that is from the order's reason or from typed text, else no text."""
    if finding.as_typed:
        return texts["as_typed" if finding.from_order else "as_typed_on_record"]
    return texts["from_order"] if finding.from_order else ""


def _recorded(finding: Finding, texts: Texts) -> str:
    """Return the date of recording or, without one, the onset."""
    recorded = finding.recorded or finding.since
    return fill(texts["recorded"], recorded=recorded.text) if recorded else ""


def _since(finding: Finding, texts: Texts) -> str:
    if finding.since:
        return fill(texts["since"], since=finding.since.text)
    return _recorded(finding, texts)


def _render_radiotherapy(finding: Finding, texts: Texts, durations: Texts, today: date) -> str:
    course = _render_course(finding, texts)
    if finding.from_order or not is_dated_radiotherapy(finding) or finding.until is None:
        return course
    return course + fill(texts["ago"], ago=render_duration(finding.until, durations, today))


def _render_condition(finding: Finding, texts: Texts) -> str:
    status = fill(texts["status"], status=finding.status) if finding.status else ""
    return finding.wording + status + _since(finding, texts) + _render_source(finding, texts)


def _count_units(count: int, unit: str, texts: Texts) -> str:
    if count == 0:
        return ""
    return fill(texts[unit if count == 1 else f"{unit}s"], count=count)

"""Findings in the words of card.json: a line each."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from string import Template
from typing import Any

from cds_service.decision.fhir_fields import months_since
from cds_service.model import Field, Finding, FindingKind, Findings, PartialDate

Texts = Mapping[str, str]


_template = cache(Template)
"""The templates of card.json, each parsed once."""


def fill(text: str, **values: object) -> str:
    """Return a text of card.json with its $holes filled."""
    return filled(text, values)


def filled(text: str, values: Mapping[str, object]) -> str:
    """Return a text of card.json with its $holes filled from values that fill others, too."""
    return _template(text).substitute(values)


def told(findings: Findings) -> list[Finding]:
    """Return the findings that a card tells, in its order: presentation, radiotherapy, malignancy."""
    return [*findings.presentations, *findings.radiotherapy, *findings.malignancies]


def render_findings(findings: Findings, texts: Mapping[str, Any], today: date) -> str:
    """Return the findings as a list of at most so many lines; each latency is explained once."""
    said, all_told = texts["findings"], told(findings)
    shown, explained = [], set()
    for one in all_told[: said["at_most"]]:
        words, latency = render_finding(one, said, texts["durations"], today), _latency(one, said["latency"], today)
        shown.append(words if latency in explained else words + latency)
        explained.add(latency)
    if left := len(all_told) - len(shown):
        shown.append(fill(said["more"], count=left))
    return "\n".join(fill(said["line"], finding=words) for words in shown)


def _latency(finding: Finding, texts: Mapping[str, Any], today: date) -> str:
    """Return what the time since a course of radiotherapy means, and no text where it is not known."""
    if not is_dated_radiotherapy(finding) or finding.until is None:
        return ""
    late = months_since(finding.until, today) > texts["early_months"]
    words: str = texts["late" if late else "early"]
    return words


def is_dated_radiotherapy(finding: Finding) -> bool:
    """Tell whether a finding is radiotherapy whose latency is known: a history code never is."""
    return (
        finding.kind is FindingKind.RADIOTHERAPY
        and finding.from_procedure
        and not finding.status
        and finding.until is not None
    )


def treatment(findings: Findings, texts: Mapping[str, Any]) -> str:
    """Return fields and dates of radiotherapy as one phrase, without the time since."""
    said = texts["findings"]
    courses = findings.radiotherapy[: said["at_most"]]
    return "; ".join(dict.fromkeys(_course(one, said["radiotherapy"]) for one in courses))


def sources(findings: Iterable[Finding], texts: Texts) -> str:
    """Return the wordings of findings within a sentence, each with where it stands: in the order, or on record."""
    found = list(findings)
    named = {
        "from_order": dict.fromkeys(one.wording for one in found if one.from_order),
        "on_record": dict.fromkeys(one.wording for one in found if not one.from_order),
    }
    return ", ".join(fill(texts[where], what=", ".join(these)) for where, these in named.items() if these)


def render_finding(finding: Finding, texts: Mapping[str, Texts], durations: Texts, today: date) -> str:
    """Return one finding as a clinician reads it: what, where, since when."""
    if finding.kind is FindingKind.RADIOTHERAPY:
        return _radiotherapy(finding, texts["radiotherapy"], durations, today)
    return _condition(finding, texts.get(finding.kind, texts["presentation"]))


def _radiotherapy(finding: Finding, texts: Texts, durations: Texts, today: date) -> str:
    words = _course(finding, texts)
    if finding.from_order or not is_dated_radiotherapy(finding) or finding.until is None:
        return words
    return words + fill(texts["ago"], ago=duration(finding.until, durations, today))


def _course(finding: Finding, texts: Texts) -> str:
    """Return what was irradiated and when; of a history code only when it was recorded is known."""
    words = finding.wording + _place(finding, texts)
    if stands := _stands(finding, texts):
        return words + stands
    if not finding.from_procedure:
        return words + (_recorded(finding, texts) if finding.field is Field.UNKNOWN else _since(finding, texts))
    if finding.status:
        return words + fill(texts["status"], status=finding.status) + _since(finding, texts)
    if finding.until is None:
        return words
    return words + fill(texts["performed" if finding.since == finding.until else "until"], until=finding.until.text)


def _place(finding: Finding, texts: Texts) -> str:
    if finding.site:
        return fill(texts["site"], site=finding.site)
    if finding.treats:
        return fill(texts["treats"], treats=finding.treats)
    if finding.field is not Field.UNKNOWN or not finding.from_procedure:
        return ""
    return texts["unread_field" if finding.site_unread else "unknown_field"]


def _condition(finding: Finding, texts: Texts) -> str:
    words = finding.wording
    if finding.status:
        words += fill(texts["status"], status=finding.status)
    return words + _since(finding, texts) + _stands(finding, texts)


def _stands(finding: Finding, texts: Texts) -> str:
    """Return where a finding stands, if that is in the order or in typed words."""
    if finding.as_typed:
        return texts["as_typed" if finding.from_order else "as_typed_on_record"]
    return texts["from_order"] if finding.from_order else ""


def _since(finding: Finding, texts: Texts) -> str:
    if finding.since:
        return fill(texts["since"], since=finding.since.text)
    return _recorded(finding, texts)


def _recorded(finding: Finding, texts: Texts) -> str:
    """Return when an entry was recorded; an onset is the nearest to it where no such date is given."""
    when = finding.recorded or finding.since
    return fill(texts["recorded"], recorded=when.text) if when else ""


def duration(then: PartialDate, texts: Texts, today: date) -> str:
    """Return the time since a date in years and months, in years alone where only its year is known."""
    years, months = divmod(months_since(then, today), 12)
    if len(then.text) == len("2024"):
        years = today.year - then.last.year
        return _counted(years, "year", texts) or texts["this_year"]
    parts = [_counted(years, "year", texts), _counted(months, "month", texts)]
    return " ".join(part for part in parts if part) or texts["moments"]


def _counted(count: int, unit: str, texts: Texts) -> str:
    if count == 0:
        return ""
    return fill(texts[unit if count == 1 else f"{unit}s"], count=count)

"""Findings in the words of card.json: a line each."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from string import Template
from typing import Any

from cds_service.decision.dates import months_since
from cds_service.model import Finding, Findings, PartialDate
from cds_service.vocabulary import Field, FindingKind

Texts = Mapping[str, str]


class _AsHole(dict[str, str]):
    """Has each $hole as a hole of Python's % format."""

    def __missing__(self, name: str) -> str:
        return f"%({name})s"


@cache
def _format(text: str) -> str:
    """Return a text of card.json as a % format, which is filled in a tenth of the time."""
    return Template(text.replace("%", "%%")).substitute(_AsHole())


def fill(text: str, **values: object) -> str:
    """Return a text of card.json with its $holes filled."""
    return filled(text, values)


def filled(text: str, values: Mapping[str, object]) -> str:
    """Return a text of card.json with its $holes filled from values that fill others, too."""
    return _format(text) % values


def told(findings: Findings) -> list[Finding]:
    """Return the findings that a card tells, in its order: presentation, radiotherapy, malignancy."""
    return [*findings.presentations, *findings.radiotherapy, *findings.malignancies]


def finding_lines(findings: Findings, texts: Mapping[str, Any], today: date) -> str:
    """Return the findings as a list of at most so many lines; the latency is explained once."""
    said, all_told = texts["findings"], told(findings)
    shown, latency = [], said["radiotherapy"]["latency"]
    for one in all_told[: said["at_most"]]:
        words = finding_words(one, said, texts["durations"], today)
        if is_dated_radiotherapy(one):
            words, latency = words + latency, ""
        shown.append(words)
    if left := len(all_told) - len(shown):
        shown.append(fill(said["more"], count=left))
    return "\n".join(fill(said["line"], finding=words) for words in shown)


def is_dated_radiotherapy(finding: Finding) -> bool:
    """Tell whether a finding is radiotherapy whose latency is known: a history code never is."""
    return (
        finding.kind is FindingKind.RADIOTHERAPY
        and finding.from_procedure
        and not finding.status
        and finding.until is not None
    )


def listed(findings: Iterable[Finding]) -> str:
    """Return the wordings of findings within a sentence."""
    return ", ".join(dict.fromkeys(one.wording for one in findings))


def finding_words(finding: Finding, texts: Mapping[str, Texts], durations: Texts, today: date) -> str:
    """Return one finding as a clinician reads it: what, where, since when."""
    if finding.kind is FindingKind.RADIOTHERAPY:
        return _radiotherapy(finding, texts["radiotherapy"], durations, today)
    return _condition(finding, texts.get(finding.kind, texts["presentation"]))


def _radiotherapy(finding: Finding, texts: Texts, durations: Texts, today: date) -> str:
    words = finding.wording + _place(finding, texts)
    if finding.from_order:
        return words + texts["from_order"]
    if not finding.from_procedure:
        return words + _since(finding, texts)
    if finding.status:
        return words + fill(texts["status"], status=finding.status) + _since(finding, texts)
    if finding.until is None:
        return words
    dated = "performed" if finding.since == finding.until else "until"
    ago = duration(finding.until, durations, today)
    return words + fill(texts[dated], until=finding.until.text) + fill(texts["ago"], ago=ago)


def _place(finding: Finding, texts: Texts) -> str:
    if finding.site:
        return fill(texts["site"], site=finding.site)
    if finding.treats:
        return fill(texts["treats"], treats=finding.treats)
    if finding.site_not_read:
        return texts.get("site_not_read", "")
    return texts["unknown_field"] if finding.field is Field.UNKNOWN and finding.from_procedure else ""


def _condition(finding: Finding, texts: Texts) -> str:
    words = finding.wording
    if finding.status:
        words += fill(texts["status"], status=finding.status)
    words += _since(finding, texts)
    return words + (texts["from_order"] if finding.from_order else "")


def _since(finding: Finding, texts: Texts) -> str:
    if finding.since:
        return fill(texts["since"], since=finding.since.text)
    return fill(texts["recorded"], recorded=finding.recorded.text) if finding.recorded else ""


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

"""Members of FHIR resources of any version, whatever their type: codings, texts, statuses, references and dates."""

import re
from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

from cds_service.model import Json, PartialDate

_NO_SYSTEMS: Mapping[str, str] = MappingProxyType({})
_CERTAINTY_URL = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
_CODE_AND_CERTAINTY = re.compile(r"[A-Z]\d\d\S*\s+([A-Z])\s*")
_MAX_CODE_LENGTH = 100
"""Characters of a code after which a letter may tell its certainty."""

_MAX_CONCEPTS = _MAX_CODINGS = 100
"""Of a list of CodeableConcepts, and of codings in one, that are read; real lists have fewer, and text takes time."""

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T.*)?)?)?", re.DOTALL)
_DAY_LENGTH = len("2024-08-01")


def members(value: Any, most: int | None = None) -> list[Json]:
    """Return the objects in a member that may hold one, a list of them, or neither; of a list the first `most`."""
    if isinstance(value, list):
        is_one = len(value) == 1 and isinstance(value[0], dict)
        return value if is_one else [item for item in value[:most] if isinstance(item, dict)]
    return [value] if isinstance(value, dict) else []


def text_of(value: Any) -> str:
    """Return a string as it is, and anything else as no text."""
    return value if isinstance(value, str) else ""


def concepts_of(value: Any) -> list[Json]:
    """Return the CodeableConcepts in a member that may hold one or a list, bare or in CodeableReferences (R5)."""
    if isinstance(value, dict) and "concept" not in value:
        return [value]
    concepts: list[Json] = []
    for item in members(value, _MAX_CONCEPTS):
        if "concept" in item:
            concepts += members(item["concept"])
        elif item:
            concepts.append(item)
    return concepts


def codings(concepts: Any, own: Mapping[str, str] = _NO_SYSTEMS) -> list[tuple[str, str]]:
    """Return (system, code) of every coding in one CodeableConcept or a list of them (contract section 3).

    `own` has the code system for each of the site's own names; a coding under such a name gets that system.
    """
    pairs = []
    for concept in concepts_of(concepts):
        for coding in members(concept.get("coding"), _MAX_CODINGS):
            system, code = coding.get("system"), coding.get("code")
            if system and code and isinstance(system, str) and isinstance(code, str):
                pairs.append((system, code))
    return [(own.get(system, system), code) for system, code in pairs] if own else pairs


def own_study(
    pairs: Iterable[tuple[str, str]], studies: Mapping[tuple[str, str], str], names: Mapping[str, str]
) -> str | None:
    """Return the study that a code of the site's own asks for, or None (contract section 2).

    `studies` has the study by (system, code), `names` the canonical name of each spelling of a code system.
    """
    if not studies:
        return None
    return next(
        (studies[pair] for system, code in pairs if (pair := (names.get(system, system), code)) in studies), None
    )


def certainties(concepts: Any) -> list[str]:
    """Return the certainty flags of codes, in small letters: by an extension, or by a letter after the code.

    German Diagnosesicherheit: `a` is excluded, `v` suspected (contract section 3).
    """
    flags = []
    for concept in concepts_of(concepts):
        for coding in members(concept.get("coding"), _MAX_CODINGS):
            for extension in members(coding.get("extension")):
                if extension.get("url") == _CERTAINTY_URL:
                    coded = extension.get("valueCoding")
                    flags.append(text_of(coded.get("code")) if isinstance(coded, dict) else "")
                    flags.append(text_of(extension.get("valueCode")))
            if letter := _CODE_AND_CERTAINTY.fullmatch(text_of(coding.get("code"))[:_MAX_CODE_LENGTH]):
                flags.append(letter[1])
    return [certainty.lower() for certainty in flags if certainty]


def words_of(concepts: Any) -> str:
    """Return the text and the displays of one CodeableConcept or a list of them, each once."""
    texts = []
    for concept in concepts_of(concepts):
        texts.append(text_of(concept.get("text")))
        texts += [text_of(coding.get("display")) for coding in members(concept.get("coding"), _MAX_CODINGS)]
    return " | ".join(filter(None, dict.fromkeys(texts)))


def typed_text(concepts: Any, known_systems: Collection[str]) -> str:
    """Return what was typed in one CodeableConcept or a list of them: texts, and displays of codes that we don't know.

    The display of a system that is `known` is that system's wording of the code (contract section 4).
    """
    texts: list[str] = []
    for concept in concepts_of(concepts):
        if text := text_of(concept.get("text")):
            texts.append(text)
        for coding in members(concept.get("coding"), _MAX_CODINGS):
            display = text_of(coding.get("display"))
            if display and display != text and not _is_known(coding, known_systems):
                texts.append(display)
    return texts[0] if len(texts) == 1 else " | ".join(dict.fromkeys(texts))


def status_codes(value: Any, *, reads_displays: bool = True) -> list[str]:
    """Return the codes of a status in small letters: a string up to STU3, a CodeableConcept since R4.

    A text stands in for missing codings; where displays are read, they stand in for missing codes, and a text for
    codings that have neither.
    """
    if isinstance(value, str):
        return [_as_status(value)]
    codes = []
    for concept in members(value):
        coded = [
            _as_status(text_of(coding.get("code")) or text_of(reads_displays and coding.get("display")))
            for coding in members(concept.get("coding"), _MAX_CODINGS)
        ]
        has_status = any(coded) if reads_displays else bool(coded)
        codes += coded if has_status else [_as_status(text_of(concept.get("text")))]
    return codes


def resources_of(bundle: Json) -> Iterator[Json]:
    """Yield the resources of a Bundle, whatever else is among its entries."""
    for entry in members(bundle.get("entry")):
        yield from members(entry.get("resource"))


def reference_of(resource: Json) -> str:
    """Return `Type/id` of a resource, or only its type where it has no id."""
    kind, own_id = text_of(resource.get("resourceType")), text_of(resource.get("id"))
    return f"{kind}/{own_id}" if own_id else kind


def last_segment(reference: str) -> str:
    """Return the id that a reference ends with: of `Type/id`, an absolute URL, a version of it, or a bare id."""
    return reference.split("/_history/", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1].removeprefix("urn:uuid:")


def is_of(patient_id: str, resource: Json) -> bool:
    """Return whether a resource is this patient's; one that names no patient is (contract section 3)."""
    subject = resource.get("subject") or resource.get("patient")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if reference == f"Patient/{patient_id}" or not isinstance(reference, str) or not reference:
        return True
    return reference.startswith("#") or last_segment(reference) == patient_id


def partial_date(value: Any, today: date) -> PartialDate | None:
    """Return a FHIR date or dateTime, or None for anything else; a future date is today."""
    if not isinstance(value, str):
        return None
    stated = _parse_date(value)
    return stated if stated is None or stated.first <= today else PartialDate(today.isoformat(), today, today)


def period(resource: Any, names: tuple[str, ...], today: date) -> tuple[PartialDate | None, PartialDate | None]:
    """Return (first, last) of the first of the members `names` that is dated: a dateTime or a Period."""
    for name in names:
        value = resource.get(name)
        if value is None:
            continue
        if isinstance(value, dict):
            first, last = partial_date(value.get("start"), today), partial_date(value.get("end"), today)
        else:
            first = last = partial_date(value, today)
        if first or last:
            return first or last, last or first
    return None, None


def first_day(value: Any) -> date | None:
    """Return the first day that a date, dateTime or the start (else the end) of a Period can mean, future days too."""
    text = value.get("start") or value.get("end") if isinstance(value, dict) else value
    stated = partial_date(text, date.max)
    return stated.first if stated else None


def months_since(then: PartialDate, today: date) -> int:
    """Return the whole months from a date to today, 0 or more, at the precision of the date."""
    months = (today.year - then.last.year) * 12 + today.month - then.last.month
    return max(0, months - (len(then.text) == _DAY_LENGTH and then.last.day > today.day))


def _is_known(coding: Json, known_systems: Collection[str]) -> bool:
    system = coding.get("system")
    return isinstance(system, str) and system in known_systems


def _as_status(text: str) -> str:
    """Return a status in the spelling of a code."""
    return "-".join(text.lower().split())


def _parse_date(text: str) -> PartialDate | None:
    """Return a date of any precision; a day in plain digits, as nearly every date is, in a third of the time."""
    if text[7:8] != "-" or text[10:11] not in ("", "T"):
        return _parse_parts(text)
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        return _parse_parts(text)
    return PartialDate(text[:10], day, day)


def _parse_parts(text: str) -> PartialDate | None:
    match = _DATE.fullmatch(text)
    try:
        return _days_meant(*(int(part) for part in match.groups() if part)) if match else None
    except ValueError:
        return None


def _days_meant(year: int, month: int | None = None, day: int | None = None) -> PartialDate:
    if month is None:
        return PartialDate(f"{year:04}", date(year, 1, 1), date(year, 12, 31))
    if day is None:
        first = date(year, month, 1)
        return PartialDate(f"{year:04}-{month:02}", first, first.replace(day=monthrange(year, month)[1]))
    exact = date(year, month, day)
    return PartialDate(exact.isoformat(), exact, exact)

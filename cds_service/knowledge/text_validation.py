"""Validation of the texts of a card and of the page behind it: placeholders, lengths, and required rows."""

from collections import Counter
from collections.abc import Iterator
from string import Template
from typing import Any

from cds_service.knowledge.about import ATTRIBUTE_PLACEHOLDERS
from cds_service.knowledge.card_files import CardFiles, numbered
from cds_service.model import OPTIONAL_KEYS, History, Presentation

PLACEHOLDERS: dict[str, dict[str, set[str]]] = {
    "detail": {"": {"about", "findings", "misses", "rating", "check_first", "keep", "incomplete"}},
    "about": {"": {"order", "position", "count"}},
    "rating": {"line": {"category", "radiation"}, "table_row": {"name", "category", "radiation"}},
    "summary": {},
    "orders": {
        "info": {"proposed"},
        "warning": {"proposed", "sign", "history", "cancer"},
        "warning_without_sign": {"proposed", "history", "cancer"},
    },
    "findings": {
        "line": {"finding"},
        "more": {"count"},
        "performed": {"until"},
        **{name: {name} for name in ("site", "treats", "until", "ago", "recorded", "status", "since")},
    },
    "check_first": {
        **{name: {"findings"} for name in ("device", "contrast", "iodine")},
        **{name: {"names"} for name in ("on_record", "from_order")},
    },
    "durations": {"years": {"count"}, "months": {"count"}},
    "incomplete": {"skipped": {"count"}, "not_sent": {"count"}, "line": {"missing"}},
    "suggestions": {name: {"proposed", "alternative", "without_contrast", "order"} for name in ("label", "action")},
    "create_and_delete": {
        name: {"proposed", "alternative", "without_contrast", "order"} for name in ("label", "action")
    },
    "notes": {"treatment": {"treatment"}, "iodine": {"findings"}, "spine": {"findings"}, "beside": set()},
    "links": {"url": {"public_url"}},
}
"""What the code fills, by the part of card.json and the name of the text in it; other texts have no placeholders."""

SUMMARY_LIMIT = 139
"""CDS Hooks 2.0.1, Card: a summary has fewer than 140 characters."""

WORDING_LIMIT = 60
"""Characters of our wording of a code on a card."""

_SECTIONS = {
    *("in_short", "next_steps", "rule", "pitfalls", "protocol", "ratings", "decisions", "silences", "limits"),
    *("record", "unknowns", "intended_use", "signatures", "contact", "attributes", "sources"),
}

_ATTRIBUTES = {
    *("bibliographic_citation", "developer", "funding_source", "release_and_revision_dates", "race", "ethnicity"),
    *("language", "sexual_orientation", "gender_identity", "sex", "date_of_birth", "social_determinants_of_health"),
    "health_status_assessments",
}

_TERMS = {
    *(f"history.{name}" for name in History),
    *(f"presentation.{name}" for name in Presentation),
    *("indicator.info", "indicator.warning", "answer.silent", "answer.not_watched", "policy.broad", "policy.focused"),
    *(f"optional.{key}" for key in OPTIONAL_KEYS),
    *("optional.conditions", "optional.none", "site.off", "site.shadow"),
    *("contact.none", "signature.none", "signature.current", "signature.changed"),
}
"""The terms that the page shows, beside the suggestions of card.json."""


def card_text_faults(card: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each unknown placeholder, each stray dollar, and each summary that is too long."""
    for part, filled in PLACEHOLDERS.items():
        for name, text in _texts(card[part]):
            template, location = Template(text), f"{part} {name}".rstrip()
            if not template.is_valid():
                yield f"card.json: a $ in {location} starts no placeholder; write $$ for a dollar sign"
            elif unknown := set(template.get_identifiers()) - filled.get(name, set()):
                yield f"card.json: unknown placeholder ${', $'.join(sorted(unknown))} in {location}; remove it"
    yield from _summary_faults(card)


def page_text_faults(card_files: CardFiles) -> Iterator[str]:
    """Yield a sentence for each contradiction in the texts of the page."""
    suggestions = {f"suggestion.{name}" for name in card_files.card["suggestions"]}
    yield from _page_row_faults(card_files, "about_sections", "section", _SECTIONS)
    yield from _page_row_faults(card_files, "source_attributes", "attribute", _ATTRIBUTES)
    yield from _page_row_faults(card_files, "about_words", "term", _TERMS | suggestions)
    yield from _statement_faults(card_files)
    yield from _attribute_faults(card_files)


def _summary_faults(card: dict[str, Any]) -> Iterator[str]:
    """Yield the summaries that are too long whatever was found: of several wordings the last one has to fit."""
    texts = card["summary"]
    general = max(texts["cancer"], texts["radiotherapy"], key=len)
    filling = {
        "sign": max("x" * WORDING_LIMIT, texts["plexopathy"]["wording"], key=len),
        "history": general,
        "cancer": max(general, *texts["cancers"].values(), key=len),
        "proposed": max((proposal["code"]["text"] for proposal in card["proposals"].values()), key=len),
    }
    for study, order in card["orders"].items():
        warnings = [(name, order[name][-1]) for name in ("warning", "warning_without_sign")]
        for name, text in (("info", order["info"]), *warnings):
            length = len(Template(text).safe_substitute(filling))
            if length > SUMMARY_LIMIT:
                location = f"the {name.replace('_', ' ')} summary of {study}"
                yield f"card.json: {location} has {length} characters; shorten it to {SUMMARY_LIMIT}"


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _texts(member, key)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member, name)


def _page_row_faults(card_files: CardFiles, table: str, column: str, needed: set[str]) -> Iterator[str]:
    """Yield the rows that the page asks for and that are missing, not known or there twice."""
    times = Counter(row[column] for row in card_files.tables[table])
    for name in sorted(needed - set(times)):
        yield f"{table}.csv: no row for {name}"
    for line, row in numbered(card_files.tables[table]):
        if row[column] not in needed:
            yield f"{table}.csv: line {line}: nothing on the page asks for {row[column]}"
        elif times[row[column]] > 1:
            yield f"{table}.csv: line {line}: {row[column]} is on more than one line; keep one"


def _statement_faults(card_files: CardFiles) -> Iterator[str]:
    titled = {row["section"] for row in card_files.tables["about_sections"]}
    for line, row in numbered(card_files.tables["about"]):
        location = f"about.csv: line {line}: {row['topic']}"
        if row["section"] not in titled:
            yield f"{location} is of the section {row['section']}, which about_sections.csv does not have"
        for citation in row["citations"].split():
            if citation not in card_files.citation_labels:
                yield f"{location} cites {citation}, which is no label of a relatedArtifact in plan_definition.json"


def _attribute_faults(card_files: CardFiles) -> Iterator[str]:
    for line, row in numbered(card_files.tables["source_attributes"]):
        template, location = Template(row["value"]), f"source_attributes.csv: line {line}: {row['attribute']}"
        if not template.is_valid():
            yield f"{location} has a $ that starts no placeholder; write $$ for a dollar sign"
        elif unknown := set(template.get_identifiers()) - set(ATTRIBUTE_PLACEHOLDERS):
            placeholders = ", $".join(ATTRIBUTE_PLACEHOLDERS)
            yield f"{location}: unknown placeholder ${', $'.join(sorted(unknown))}; use one of ${placeholders}"

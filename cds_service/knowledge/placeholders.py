"""The $placeholders of card.json: each must be one that the code fills, and a filled summary must fit."""

from collections.abc import Iterator
from string import Template
from typing import Any

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
    "check_first": {name: {"what"} for name in ("device", "contrast", "iodine", "on_record", "from_order")},
    "durations": {"years": {"count"}, "months": {"count"}},
    "incomplete": {"skipped": {"count"}, "not_sent": {"count"}, "line": {"missing"}},
    "suggestions": {name: {"proposed", "alternative", "without_contrast", "order"} for name in ("label", "action")},
    "notes": {"treatment": {"treatment"}, "iodine": {"what"}, "spine": {"what"}},
    "links": {"url": {"public_url"}},
}
"""What the code fills, by the part of card.json and the name of the text in it; other texts have no placeholders."""

SUMMARY_LIMIT = 139
"""CDS Hooks 2.0.1, Card: a summary has fewer than 140 characters."""

WORDING_LIMIT = 60
"""What may stand for a code on a card, in characters."""


def placeholder_faults(card: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each unknown placeholder, each stray dollar, and each summary that is too long."""
    for part, filled in PLACEHOLDERS.items():
        for name, text in _texts(card[part]):
            template, where = Template(text), f"{part} {name}".rstrip()
            if not template.is_valid():
                yield f"card.json: a $ in {where} starts no placeholder; write $$ for a dollar sign"
            elif unknown := set(template.get_identifiers()) - filled.get(name, set()):
                yield f"card.json: unknown placeholder ${', $'.join(sorted(unknown))} in {where}; remove it"
    yield from _summary_faults(card)


def _summary_faults(card: dict[str, Any]) -> Iterator[str]:
    """Yield the summaries that are too long whatever was found: of several wordings the last one has to fit."""
    texts = card["summary"]
    general = max(texts["cancer"], texts["radiotherapy"], key=len)
    filling = {
        "sign": max("x" * WORDING_LIMIT, texts["plexopathy"]["told"], key=len),
        "history": general,
        "cancer": max(general, *texts["cancers"].values(), key=len),
        "proposed": max((proposal["code"]["text"] for proposal in card["proposals"].values()), key=len),
    }
    for study, order in card["orders"].items():
        for name, text in (("info", order["info"]), *((n, order[n][-1]) for n in ("warning", "warning_without_sign"))):
            length = len(Template(text).safe_substitute(filling))
            if length > SUMMARY_LIMIT:
                where = f"the {name.replace('_', ' ')} summary of {study}"
                yield f"card.json: {where} has {length} characters; shorten it to {SUMMARY_LIMIT}"


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _texts(member, key)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member, name)

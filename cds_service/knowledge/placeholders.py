"""The $holes of card.json: each must be one that the code fills, and a filled summary must not be too long."""

from collections.abc import Iterator
from string import Template
from typing import Any

FILLED: dict[str, dict[str, set[str]]] = {
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
"""What the code fills, by the part of card.json and the name of the text in it; other texts have no holes."""

SUMMARY_LIMIT = 139
"""CDS Hooks 2.0.1, Card: a summary has fewer than 140 characters."""

WORDING_LIMIT = 60
"""What may stand for a code on a card, in characters."""


def hole_faults(card: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each hole that nothing fills, each stray dollar, and each summary that is too long."""
    for part, filled in FILLED.items():
        for name, text in _texts(card[part]):
            template, where = Template(text), f"{part} {name}".rstrip()
            if not template.is_valid():
                yield f"card.json: a dollar that is no hole in {where} (write $$ for a dollar)"
            elif unknown := set(template.get_identifiers()) - filled.get(name, set()):
                yield f"card.json: nothing fills ${', $'.join(sorted(unknown))} in {where}"
    yield from _summary_faults(card)


def _summary_faults(card: dict[str, Any]) -> Iterator[str]:
    """Yield the summaries that are too long whatever was found: of several wordings the last one has to fit."""
    said = card["summary"]
    general = max(said["cancer"], said["radiotherapy"], key=len)
    filling = {
        "sign": max("x" * WORDING_LIMIT, said["plexopathy"]["told"], key=len),
        "history": general,
        "cancer": max(general, *said["cancers"].values(), key=len),
        "proposed": max((one["code"]["text"] for one in card["proposals"].values()), key=len),
    }
    for study, order in card["orders"].items():
        for name, text in (("info", order["info"]), *((n, order[n][-1]) for n in ("warning", "warning_without_sign"))):
            length = len(Template(text).safe_substitute(filling))
            if length > SUMMARY_LIMIT:
                where = f"the {name.replace('_', ' ')} summary of {study}"
                yield f"card.json: {where} has {length} characters, {SUMMARY_LIMIT} may stand"


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, name)

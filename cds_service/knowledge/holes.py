"""The $holes of card.json: each must be one that the code fills, and a filled summary must not be too long."""

from collections.abc import Iterator
from itertools import product
from string import Template
from typing import Any

FILLED: dict[str, dict[str, set[str]]] = {
    "detail": {"": {"about", "findings", "misses", "rating", "check_first", "keep", "incomplete"}},
    "about": {"": {"order", "position", "count"}},
    "rating": {"line": {"category", "radiation"}, "table_row": {"name", "category", "radiation"}},
    "orders": {"info": {"proposed"}, "warning": {"proposed"}},
    "findings": {
        "line": {"finding"},
        "more": {"count"},
        "performed": {"until"},
        **{name: {name} for name in ("site", "treats", "until", "ago", "recorded", "status", "since")},
    },
    "check_first": {"device": {"what"}, "contrast": {"what"}},
    "durations": {"years": {"count"}, "months": {"count"}},
    "incomplete": {"skipped": {"count"}, "not_sent": {"count"}, "line": {"missing"}},
    "suggestions": {name: {"proposed", "alternative", "order"} for name in ("label", "action")},
    "links": {"url": {"public_url"}},
}
"""What the code fills, by the part of card.json and the name of the text in it; other texts have no holes."""

SUMMARY_LIMIT = 139
"""CDS Hooks 2.0.1, Card: a summary has fewer than 140 characters."""


def hole_faults(card: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each hole that nothing fills, each stray dollar, and each summary that is too long."""
    for part, filled in FILLED.items():
        for name, text in _texts(card[part]):
            template, where = Template(text), f"{part} {name}".rstrip()
            if not template.is_valid():
                yield f"card.json: a dollar that is no hole in {where} (write $$ for a dollar)"
            elif unknown := set(template.get_identifiers()) - filled.get(name, set()):
                yield f"card.json: nothing fills ${', $'.join(sorted(unknown))} in {where}"
    for (study, order), proposal, indicator in product(
        card["orders"].items(), card["proposals"].values(), ("info", "warning")
    ):
        said = Template(order[indicator]).safe_substitute(proposed=proposal["code"]["text"])
        if len(said) > SUMMARY_LIMIT:
            yield f"card.json: the {indicator} summary of {study} has {len(said)} characters, {SUMMARY_LIMIT} may stand"


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, name)

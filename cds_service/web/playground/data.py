"""The choices of the playground: vignettes, orders, and the terms of the value sets with a code each."""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from cds_service import examples
from cds_service.knowledge import Knowledge
from cds_service.knowledge.terminology import WORDING, extension
from cds_service.model import CONDITION_FAMILIES
from cds_service.review.review_page import SYSTEMS

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


def html(markdown: str) -> str:
    """Return Markdown as HTML; HTML within the Markdown is escaped."""
    return str(_markdown().render(markdown))


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - slow, and no answer to a call needs it

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


_CHOICES = {
    "reasons": ("presentation", "emergency", "trauma", "upper_limb", "spine"),
    "conditions": CONDITION_FAMILIES,
    "procedures": ("radiotherapy", "device", "order"),
    "sites": ("body_site",),
}
"""The families of value sets of each list."""


def data(knowledge: Knowledge, hooks: dict[str, str], today: date, keys: Iterable[str]) -> dict[str, Any]:
    """Return what the page needs at start, dated from `today`; its patients have no data for the optional `keys`."""
    return {
        "today": today.isoformat(),
        "services": {hook: service for service, hook in hooks.items()},
        "vignettes": [_with_empty_keys(vignette, dict.fromkeys(keys)) for vignette in examples.vignettes(today)],
        "orders": [_order(name, today) for name in examples.names("orders")],
        "choices": {name: _choices(knowledge, families) for name, families in _CHOICES.items()},
    }


def _with_empty_keys(vignette: dict[str, Any], empty: dict[str, None]) -> dict[str, Any]:
    """Return a vignette whose call has null for each optional key, where it has a record at all."""
    call = vignette["call"]
    return vignette | {"call": call | {"prefetch": empty | call["prefetch"]}} if call.get("prefetch") else vignette


def _order(name: str, today: date) -> dict[str, Any]:
    order = examples.example("orders", name, today)
    text = order["code"].get("text") or name.replace("-", " ")
    return {"name": name, "title": f"{text} ({_code_of(order)})", "order": order}


def _code_of(order: dict[str, Any]) -> str:
    codings = (coding for coding in order["code"].get("coding", ()) if coding)
    return next(
        (f"{SYSTEMS.get(coding['system'], coding['system'])} {coding['code']}" for coding in codings), "no code"
    )


def _choices(knowledge: Knowledge, families: tuple[str, ...]) -> list[dict[str, str]]:
    """Return each term of these families once, with its first code, in alphabetical order."""
    choices: dict[str, dict[str, str]] = {}
    for family in families:
        for term in _terms(knowledge, family):
            choices.setdefault(term["words"], term)
    return sorted(choices.values(), key=lambda term: term["words"].lower())


def _terms(knowledge: Knowledge, family: str) -> Iterator[dict[str, str]]:
    """Yield the terms of a family with a code: single codes before categories; patterns are no codes."""
    members = knowledge.terminology.families[family]
    value_sets = {member.term.value_set for member in members if member.kind != "pattern"}
    includes = [
        include for name in knowledge.value_sets if name in value_sets for include in _includes(knowledge, name)
    ]
    for member, key in (("concept", "code"), ("filter", "value")):
        for include in includes:
            for entry in include.get(member, ())[:1]:
                if entry.get("op") != "regex":
                    yield {"words": extension(include, WORDING), "system": include["system"], "code": entry[key]}


def _includes(knowledge: Knowledge, value_set: str) -> Any:
    return knowledge.value_sets[value_set]["compose"]["include"]

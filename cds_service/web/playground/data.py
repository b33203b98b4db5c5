"""What the playground offers to choose from: vignettes, orders, and the words of the value sets with a code each."""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from cds_service import examples
from cds_service.knowledge import Knowledge
from cds_service.knowledge.terminology import WORDING, extension
from cds_service.review.review_page import SYSTEMS

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


def html(markdown: str) -> str:
    """Return Markdown as HTML that cannot hold more than the Markdown said."""
    return str(_markdown().render(markdown))


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - slow, and no answer to a call needs it

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


_CHOICES = {
    "reasons": ("presentation", "emergency", "trauma", "upper_limb", "spine"),
    "conditions": (
        "malignancy",
        "radiation_history",
        "presentation",
        "emergency",
        "trauma",
        "upper_limb",
        "device",
        "contrast",
        "spine",
        "other_explanation",
    ),
    "procedures": ("radiotherapy", "device", "order"),
    "sites": ("body_site",),
}
"""The families of value sets that each list of choices is made of."""


def data(knowledge: Knowledge, hooks: dict[str, str], today: date, keys: Iterable[str]) -> dict[str, Any]:
    """Return all that the page needs to begin with, dated from a day; its patients have none of the site's `keys`."""
    return {
        "today": today.isoformat(),
        "services": {hook: service for service, hook in hooks.items()},
        "vignettes": [_sent(one, dict.fromkeys(keys)) for one in examples.vignettes(today)],
        "orders": [_order(name, today) for name in examples.names("orders")],
        "choices": {name: _choices(knowledge, families) for name, families in _CHOICES.items()},
    }


def _sent(vignette: dict[str, Any], none: dict[str, None]) -> dict[str, Any]:
    """Return a vignette whose call says that there is none of what the site asks for, where it has a record at all."""
    call = vignette["call"]
    return vignette | {"call": call | {"prefetch": none | call["prefetch"]}} if call.get("prefetch") else vignette


def _order(name: str, today: date) -> dict[str, Any]:
    order = examples.example("orders", name, today)
    words = order["code"].get("text") or name.replace("-", " ")
    return {"name": name, "title": f"{words} ({_coded_as(order)})", "order": order}


def _coded_as(order: dict[str, Any]) -> str:
    codings = [one for one in order["code"].get("coding", ()) if one]
    return next((f"{SYSTEMS.get(one['system'], one['system'])} {one['code']}" for one in codings), "no code")


def _choices(knowledge: Knowledge, families: tuple[str, ...]) -> list[dict[str, str]]:
    """Return each wording of these families once, with the first code that it has, in the order of the alphabet."""
    chosen: dict[str, dict[str, str]] = {}
    for family in families:
        for one in _coded(knowledge, family):
            chosen.setdefault(one["words"], one)
    return sorted(chosen.values(), key=lambda one: one["words"].lower())


def _coded(knowledge: Knowledge, family: str) -> Iterator[dict[str, str]]:
    """Yield the wordings of a family with a code; single codes come before categories, and patterns are no codes."""
    listed = knowledge.terminology.families[family]
    named = {member.term.value_set for member in listed if member.kind != "pattern"}
    includes = [one for name in knowledge.value_sets if name in named for one in _includes(knowledge, name)]
    for member, key in (("concept", "code"), ("filter", "value")):
        for include in includes:
            for one in include.get(member, ())[:1]:
                if one.get("op") != "regex":
                    yield {"words": extension(include, WORDING), "system": include["system"], "code": one[key]}


def _includes(knowledge: Knowledge, value_set: str) -> Any:
    return knowledge.value_sets[value_set]["compose"]["include"]

"""The playground: select a patient and an order, and see the card and the steps of its decision.

The page sends hook calls and feedback to the service itself, as an EHR would; what only the page needs (its choices,
and the explanation of a decision) comes from here.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, jsonify, request

from cds_service import examples
from cds_service.decision.order_select import decide
from cds_service.explanation import describe
from cds_service.knowledge import Knowledge
from cds_service.knowledge.terminology import WORDING, extension
from cds_service.model import CONDITION_FAMILIES, FetchFault, HookRequest, Pages, Search
from cds_service.review.review_page import SYSTEMS
from cds_service.web.pages import page as render_page
from cds_service.web.request_body import json_body
from cds_service.web.services import current_services

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

blueprint = Blueprint("playground", __name__)

_CHOICES = {
    "reasons": ("presentation", "emergency", "trauma", "upper_limb", "spine"),
    "conditions": CONDITION_FAMILIES,
    "procedures": ("radiotherapy", "device", "order"),
    "sites": ("body_site",),
}
"""The families of value sets of each list."""


@blueprint.before_request
def require_playground() -> None:
    """Return 404 where the playground is turned off."""
    if not current_services().features.playground:
        abort(404)


@blueprint.get("/")
def page() -> Response:
    """Show the playground."""
    return render_page("playground.html")


@blueprint.get("/playground/data.json")
def choices() -> Response:
    """Return the sample cases, and everything else that can be selected."""
    services = current_services()
    response = jsonify(
        _page_data(services.knowledge, services.hooks, services.clock.today(), services.site.optional_keys)
    )
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.post("/playground/explanations/<service>")
def explain(service: str) -> Response:
    """Decide a hook call again, and return the steps of the decision and the details of the cards as HTML.

    Only JSON is accepted: a page of another origin cannot send that without a preflight. No FHIR server is read, as
    the endpoint has no authentication.
    """
    services = current_services()
    hook, today, site = services.hook_of(service), services.clock.today(), services.site
    body = json_body(request.environ, services.body_limit, services.body_depth)
    started = time.perf_counter()
    decision = decide(body, hook, services.knowledge, site, today=today, fetch=_no_fetch, new_id=services.new_id)
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    steps = describe(decision, body, hook, services.knowledge, site, today)
    return jsonify(
        {"milliseconds": milliseconds, "details": [_html(card["detail"]) for card in decision.cards], "steps": steps}
    )


def _no_fetch(_request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
    return [Pages((), FetchFault.NOT_ASKED) for _ in searches]


def _html(markdown: str) -> str:
    """Return Markdown as HTML; HTML within the Markdown is escaped."""
    return str(_markdown().render(markdown))


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - slow, and no answer to a call needs it

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def _page_data(knowledge: Knowledge, hooks: dict[str, str], today: date, keys: Iterable[str]) -> dict[str, Any]:
    """Return what the page needs at start, dated from `today`; its patients have no data for the optional `keys`."""
    return {
        "today": today.isoformat(),
        "services": {hook: service for service, hook in hooks.items()},
        "vignettes": [_with_empty_keys(vignette, dict.fromkeys(keys)) for vignette in examples.vignettes(today)],
        "orders": [_order(name, today) for name in examples.names("orders")],
        "words": {term: word.name for term, word in knowledge.about.words.items()},
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

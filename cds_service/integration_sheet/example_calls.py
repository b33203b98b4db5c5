"""The synthetic patients of the sheet: their calls in the form of the client, and the answers that it will get."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import UUID

from cds_service import examples
from cds_service.config.site_file import PROBLEM_LIST
from cds_service.decision.fhir_fields import text_of
from cds_service.decision.order_select import decide
from cds_service.decision.studies import study_of
from cds_service.errors import CallError
from cds_service.integration_sheet.configuration import Configuration
from cds_service.model import MAIN_KEYS, FetchFault, HookRequest, Json, Pages, Search, Silence
from cds_service.review.review_page import SYSTEMS
from cds_service.web.dialects import answer
from cds_service.web.discovery import prefetch_templates
from cds_service.web.error_handlers import error_response

CASES = (
    *("article", "rectal-cancer", "pacemaker", "plexus-without-contrast", "order-sign"),
    *("no-cancer", "another-spine", "emergency", "nothing-prefetched"),
)
"""The rows of fixtures/vignettes.csv on the sheet: each kind of card, each kind of silence, and a refusal."""

_ENTRY_DATES = {
    "onsetDateTime": "since",
    "abatementDateTime": "until",
    "performedDateTime": "on",
    "recordedDate": "recorded",
}


class Suggestion(NamedTuple):
    """A suggestion of an expected card."""

    label: str
    description: str
    is_recommended: bool


class ExpectedCard(NamedTuple):
    """A card as the client will get it."""

    summary: str
    indicator: str
    suggestions: tuple[Suggestion, ...]


class ExampleCase(NamedTuple):
    """A synthetic patient with an order, and the answer to its call."""

    name: str
    title: str
    proves: str
    hook: str
    orders: tuple[str, ...]
    entries: tuple[str, ...]
    """What to enter in the chart of a test patient."""
    status: int
    cards: tuple[ExpectedCard, ...]
    why_none: str
    """The reason for no card; no text where there is one."""


def example_cases(configuration: Configuration) -> list[ExampleCase]:
    """Return the cases of the sheet; the card is on and shown, whatever the site file says of the moment."""
    rows = {row["name"]: row for row in examples.vignettes(configuration.today)}
    return [_case(rows[name], configuration) for name in CASES]


def call_of(name: str, configuration: Configuration) -> dict[str, Any]:
    """Return the call of a row of fixtures/vignettes.csv with the client's prefetch keys and the site's order codes.

    It names no FHIR server, so that none is read for it.
    """
    rows = {row["name"]: row["call"] for row in examples.vignettes(configuration.today)}
    return _adapted(rows[name], configuration)


def _case(row: dict[str, Any], configuration: Configuration) -> ExampleCase:
    call = _adapted(row["call"], configuration)
    status, cards, why_none = _answer(call, configuration)
    orders, entries = tuple(map(_order, _orders(call))), tuple(_entries(row["call"]))
    return ExampleCase(row["name"], row["title"], row["proves"], call["hook"], orders, entries, status, cards, why_none)


def _answer(call: dict[str, Any], configuration: Configuration) -> tuple[int, tuple[ExpectedCard, ...], str]:
    """Return status and cards of the answer to a call, and the reason where it has none."""
    hook, knowledge = call["hook"], configuration.knowledge
    site = replace(configuration.site, is_off=False, is_shadow=False)
    try:
        decision = decide(call, hook, knowledge, site, today=configuration.today, fetch=_no_fetch, new_id=_no_id)
    except CallError as error:
        return error_response(error).status, (), str(error)
    cards = answer(decision, hook, site.dialect, knowledge, site, _no_id).cards
    reasons = [outcome.reason for outcome in decision.outcomes if isinstance(outcome, Silence)]
    why_none = "" if cards else " ".join(knowledge.silences[reason] for reason in reasons)
    return HTTPStatus.OK, tuple(map(_expected, cards)), why_none


def _no_fetch(_request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
    return [Pages((), FetchFault.NO_SERVER) for _ in searches]


def _no_id() -> str:
    return str(UUID(int=0))


def _expected(card: Json) -> ExpectedCard:
    suggestions = (
        Suggestion(suggestion["label"], action["description"], bool(suggestion.get("isRecommended")))
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
    )
    return ExpectedCard(card["summary"], card["indicator"], tuple(suggestions))


def _orders(call: Json) -> list[Any]:
    return [entry["resource"] for entry in call["context"]["draftOrders"]["entry"]]


def _adapted(call: Json, configuration: Configuration) -> dict[str, Any]:
    """Return a call as this client would send it: its own names of the keys, its own order codes, no FHIR server."""
    adapted = {name: value for name, value in call.items() if name not in ("fhirServer", "fhirAuthorization")}
    entries = [{"resource": _with_own_code(order, configuration)} for order in _orders(call)]
    adapted["context"] = call["context"] | {"draftOrders": call["context"]["draftOrders"] | {"entry": entries}}
    if call.get("prefetch"):
        adapted["prefetch"] = _own_keys(call["prefetch"], configuration)
    return adapted


def _with_own_code(order: dict[str, Any], configuration: Configuration) -> dict[str, Any]:
    """Return a draft order by the site's first code for its study, if it is a monitored one that the site maps."""
    study, _ = study_of(order, configuration.knowledge, configuration.site)
    own = next((mapped for mapped in configuration.site_file.orders if mapped.study == study), None)
    if own is None or study not in configuration.knowledge.watched:
        return order
    return order | {"code": {**order["code"], "coding": [{"system": own.system, "code": own.code}]}}


def _own_keys(prefetch: Json, configuration: Configuration) -> dict[str, Any]:
    """Return the prefetch under the names that the client uses; what the example has no data for is empty."""
    site = configuration.site
    values = dict.fromkeys(prefetch_templates(configuration.knowledge, site), examples.searchset(())) | dict(prefetch)
    if site.condition_keys:
        problems = next(key for key, category in site.condition_keys.items() if category == PROBLEM_LIST)
        values[problems] = values["conditions"] if problems == "conditions" else values.pop("conditions")
    named: dict[str, Any] = {}
    for key, value in values.items():
        name, *other_parts = site.prefetch_parts.get(key, (site.prefetch_aliases.get(key, key),))
        named |= {name: value, **dict.fromkeys(other_parts, examples.searchset(()))}
    return named


def _order(order: Json) -> str:
    """Return a line such as `MRI lumbar spine without contrast (CPT 72148); reason: Leg weakness`."""
    reasons = ", ".join(map(_name, order.get("reasonCode", ())))
    return f"{_name(order['code'])}; reason: {reasons}" if reasons else _name(order["code"])


def _entries(call: Json) -> Iterator[str]:
    """Yield a line for each Condition and Procedure of a call: what an analyst enters for a test patient.

    Entries that differ by their date alone have one line.
    """
    prefetch = call.get("prefetch") or {}
    dates: dict[str, list[str]] = defaultdict(list)
    for key in MAIN_KEYS:
        for entry in (prefetch.get(key) or {}).get("entry", ()):
            dates[_entry(entry["resource"])].append(_dates(entry["resource"]))
    for line, listed in dates.items():
        count = f"{len(listed)} entries, " if len(listed) > 1 else ""
        yield "; ".join(filter(None, (line, count + " to ".join(dict.fromkeys((listed[0], listed[-1]))))))


def _dates(resource: Json) -> str:
    """Return the dates of an entry, to the day."""
    period = resource.get("performedPeriod", {})
    dates = [f"{words} {resource[name][:10]}" for name, words in _ENTRY_DATES.items() if name in resource]
    return ", ".join([*dates, *filter(None, [" to ".join(filter(None, map(period.get, ("start", "end"))))])])


def _entry(resource: Json) -> str:
    """Return a line such as `Condition: Malignant neoplasm of prostate (ICD-10-CM C61); remission`."""
    status = resource.get("status") or _code_of(resource.get("clinicalStatus"))
    verification = _code_of(resource.get("verificationStatus"))
    parts = [
        status,
        verification if verification != "confirmed" else "",
        *(f"site: {_name(site)}" for site in resource.get("bodySite", ())),
    ]
    return "; ".join([f"{resource['resourceType']}: {_name(resource.get('code', {}))}", *filter(None, parts)])


def _code_of(concept: Any) -> str:
    return next((text_of(coding.get("code")) for coding in (concept or {}).get("coding", ())), "")


def _name(concept: Json) -> str:
    """Return a concept's text with its codes: `Malignant neoplasm of prostate (ICD-10-CM C61)`."""
    codings = [coding for coding in concept.get("coding", ()) if coding and coding.get("code")]
    text = concept.get("text") or next((coding["display"] for coding in codings if "display" in coding), "")
    codes = ", ".join(f"{SYSTEMS.get(coding['system'], coding['system'])} {coding['code']}" for coding in codings)
    return f"{text} ({codes})" if text and codes else text or codes or "no code"

"""What each dialect asks of an answer, as functions that return a list of faults.

`epic` is from Epic's public tutorial on CDS Hooks; `crd` from Inferno's test kit for Da Vinci CRD and from CRD 2.1.
"""

import re
from collections.abc import Iterator
from typing import Any

from tests.spec.body_checks import resource_faults
from tests.spec.checks import answer_faults
from tests.spec.inferno import check_3_4_05, check_3_4_06, check_3_4_12

Json = dict[str, Any]
ASSOCIATED = "davinci-crd.associated-resource"
PROMISES = ("with the reason", "timing of", "stay as", "For radiology")
"""What a description must not promise where the code of the order is all that is applied."""


def standard_faults(answer: Json, call: Json) -> list[str]:
    """Return what breaks CDS Hooks 2.0.1, and each card that does not name its order."""
    return [*answer_faults(answer), *_unnamed_orders(answer, call)]


def crd_faults(answer: Json, call: Json) -> list[str]:
    """Return what Inferno's kit refuses: it wants a list of system actions at order-sign, even an empty one."""
    faults = [*check_3_4_05(answer), *check_3_4_06(answer), *check_3_4_12(answer, call), *_unnamed_orders(answer, call)]
    if (answer.get("systemActions") == []) != (call["hook"] == "order-sign"):
        faults.append("answer.systemActions: belongs into answers to order-sign")
    return faults + answer_faults({name: value for name, value in answer.items() if name != "systemActions"})


def epic_faults(answer: Json, call: Json) -> list[str]:
    """Return what Epic does not show or apply."""
    drafts = _draft_names(call)
    faults = [f"answer.{name}: is not used" for name in answer.keys() - {"cards"}]
    for card in answer["cards"]:
        faults += _epic_card(card, drafts)
    return faults


def _epic_card(card: Json, drafts: set[str]) -> Iterator[str]:
    suggestions = card.get("suggestions", [])
    if "extension" in card:
        yield "card.extension: is not used"
    if not re.fullmatch("[A-Za-z0-9]{1,100}", card["source"]["topic"]["code"]):
        yield "card.source.topic.code: is not alphanumeric"
    if card.get("selectionBehavior") != ("any" if suggestions else None):
        yield "card.selectionBehavior: is not any, or is there without suggestions"
    if "suggestions" in card and not suggestions:
        yield "card.suggestions: is empty"
    recommended = [suggestion for suggestion in suggestions if "isRecommended" in suggestion]
    if (
        len(recommended) > 1
        or recommended[1:] != []
        or any(_type(suggestion) != "create" for suggestion in recommended)
    ):
        yield "card.suggestions: what is preselected is no single create"
    types = [_type(suggestion) for suggestion in suggestions]
    if types.count("delete") > 1 or types[:1] == ["delete"]:
        yield "card.suggestions: the order is deleted twice, or before another one is offered"
    for suggestion in suggestions:
        yield from _epic_suggestion(suggestion, drafts)


def _epic_suggestion(suggestion: Json, drafts: set[str]) -> Iterator[str]:
    if not suggestion.get("label") or not suggestion.get("uuid"):
        yield "suggestion: lacks label or uuid"
    [action] = suggestion["actions"]
    yield from (f"action.description: promises {text!r}" for text in PROMISES if text in action["description"])
    if action["type"] == "delete":
        if action.get("resourceId") not in drafts or "resource" in action:
            yield "delete: names no draft order by resourceId alone"
    elif action["type"] == "create":
        yield from _epic_create(action["resource"])
    else:
        yield f"action.type: is {action['type']}"


def _epic_create(resource: Json) -> Iterator[str]:
    yield from resource_faults(resource)
    if resource["resourceType"] != "ServiceRequest" or "id" in resource:
        yield "create: is no new ServiceRequest"
    if set(resource["code"]) != {"coding"} or len(resource["code"]["coding"]) != 1:
        yield "create: has more than the one code of the site's preference list"


def _type(suggestion: Json) -> str:
    return suggestion["actions"][0]["type"]


def _unnamed_orders(answer: Json, call: Json) -> Iterator[str]:
    drafts = _draft_names(call)
    for card in answer["cards"]:
        named = [reference["reference"] for reference in card.get("extension", {}).get(ASSOCIATED, [])]
        if len(named) != (1 if drafts else 0) or not drafts.issuperset(named):
            yield f"card.extension: names {named}, and no order of the call"


def _draft_names(call: Json) -> set[str]:
    drafts = (entry["resource"] for entry in call["context"]["draftOrders"]["entry"])
    return {f"{draft['resourceType']}/{draft['id']}" for draft in drafts if draft.get("id")}


RULES = {"standard": standard_faults, "crd": crd_faults, "epic": epic_faults}

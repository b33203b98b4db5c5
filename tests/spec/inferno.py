"""Checks of Inferno's test kit for Da Vinci CRD servers (2.0.1) that bind us, written anew from their description.

The names are Inferno's numbers. Its profiles of CRD are left out, as are the checks of payers' coverage information:
it wants systemActions in each answer to order-sign, which would be an empty list here, and an empty list is forbidden.
"""

import re
from collections.abc import Iterator

from tests.spec.checks import INDICATORS

TEXTS = {"uuid": str, "detail": str, "suggestions": list, "overrideReasons": list, "links": list}
Faults = Iterator[str]


def check_1_03(discovery) -> Faults:
    """Find services without hook, description or id."""
    services = discovery.get("services")
    if not isinstance(services, list) or not services:
        yield "services: none are listed"
        return
    for service in services:
        yield from _texts(service, "service", "hook", "description", "id")


def check_3_4_05(answer) -> Faults:
    """Find cards without what each must have, the topic of its source included."""
    if not isinstance(answer.get("cards"), list):
        yield "cards: none are listed"
        return
    for card in answer["cards"]:
        yield from _texts(card, "card", "summary")
        if len(card.get("summary", "")) >= 140:
            yield "card.summary: is too long"
        if card.get("indicator") not in INDICATORS:
            yield "card.indicator: is not known"
        source = card.get("source", {})
        yield from _texts(source, "source", "label")
        yield from _texts(source.get("topic", {}), "source.topic", "code", "system")


def check_3_4_06(answer) -> Faults:
    """Find optional members of cards that are there and not well-formed."""
    for card in answer["cards"]:
        yield from (f"card.{name}: has another type" for name, kind in TEXTS.items() if not _is(card, name, kind))
        if card.get("suggestions") and card.get("selectionBehavior") not in ("at-most-one", "any"):
            yield "card.selectionBehavior: is not known"
        for reason in card.get("overrideReasons", []):
            yield from _texts(reason, "overrideReason", "code", "system", "display")
        for link in card.get("links", []):
            yield from _link(link)
        for suggestion in card.get("suggestions", []):
            yield from _suggestion(suggestion)


def check_3_4_07(answer) -> Faults:
    """Find an answer none of whose cards leads to the outside, by absolute links alone."""
    outward = [card for card in answer["cards"] if {link["type"] for link in card.get("links", [])} == {"absolute"}]
    if not outward:
        yield "cards: none leads to an external reference"


def check_3_4_12(answer, call) -> Faults:
    """Find what is proposed instead of an order that the call does not have, or is of another type."""
    entries = call["context"]["draftOrders"]["entry"]
    orders = {f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in entries}
    for suggestion in (suggestion for card in answer["cards"] for suggestion in card.get("suggestions", [])):
        actions = suggestion.get("actions", [])
        created = {action["resource"]["resourceType"] for action in actions if action["type"] == "create"}
        for action in actions:
            if action["type"] == "update" and _name(action["resource"]) not in orders:
                yield "update: of an order that the call does not have"
            if action["type"] == "delete" and action["resourceId"] not in orders:
                yield "delete: of an order that the call does not have"
            if action["type"] == "delete" and action["resourceId"].partition("/")[0] not in created:
                yield "delete: without a new order of that type"


def _link(link) -> Faults:
    yield from _texts(link, "link", "label", "url", "type")
    if not re.match(r"https?://[^/]", str(link.get("url"))):
        yield "link.url: is not absolute"
    if link.get("type") not in ("absolute", "smart"):
        yield "link.type: is not known"
    if link.get("type") == "absolute" and "appContext" in link:
        yield "link.appContext: on an absolute link"


def _suggestion(suggestion) -> Faults:
    yield from _texts(suggestion, "suggestion", "label")
    actions = suggestion.get("actions", [{"type": "create", "description": "a", "resource": {"resourceType": "A"}}])
    if not isinstance(actions, list) or not actions:
        yield "suggestion.actions: is no list, or an empty one"
        return
    for action in actions:
        yield from _texts(action, "action", "type", "description")
        if action.get("type") in ("create", "update"):
            if "resourceType" not in (action.get("resource") or {}):
                yield "action.resource: is no resource"
        elif action.get("type") != "delete":
            yield "action.type: is not known"
        elif not re.fullmatch(r"[A-Za-z]+/[A-Za-z0-9.-]+", str(action.get("resourceId"))):
            yield "action.resourceId: is no reference"


def _name(resource) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _is(found, name, kind) -> bool:
    return isinstance(found.get(name, kind()), kind)


def _texts(found, path, *names) -> Faults:
    return (f"{path}.{name}: is no text" for name in names if not isinstance(found.get(name), str) or not found[name])

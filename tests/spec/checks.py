"""What CDS Hooks 2.0.1 asks of an answer and its cards, as functions that return a list of faults.

A fault is one line: the requirement of requirements.csv that is broken, where, and what was seen there.
"""

import re
from collections import Counter
from collections.abc import Iterator

from tests.spec.body_checks import is_text, resource_faults, unless, value_faults

INDICATORS = ("info", "warning", "critical")
ACTIONS = ("delete", "create", "update")
"""In the order in which a client applies them."""
MEMBERS = {
    "answer": "cards systemActions extension",
    "card": "uuid summary detail indicator source suggestions selectionBehavior overrideReasons links extension",
    "source": "label url icon topic extension",
    "suggestion": "label uuid isRecommended actions actionSelectionBehavior extension",
    "action": "type description resource resourceId extension",
    "link": "label url type appContext autolaunchable extension",
}
"""All members that the specification knows, so that a misspelled one is found."""
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Faults = Iterator[str]


def answer_faults(answer) -> list[str]:
    """Return what is wrong with the answer to a hook call, its cards included."""
    if not isinstance(answer, dict) or not isinstance(answer.get("cards"), list):
        return ["A-01 answer: is no object with a list of cards"]
    cards = answer["cards"]
    uuids = Counter(card.get("uuid") for card in cards if isinstance(card, dict))
    faults = [*_unknown(answer, "answer"), *_extension(answer, "answer")]
    faults += [f"C-01 answer.cards: {count} cards have one UUID" for count in uuids.values() if count > 1]
    faults += ["C-30 answer: has systemActions, which nobody agreed on"] * ("systemActions" in answer)
    return faults + [fault for card in cards for fault in card_faults(card)]


def card_faults(card) -> list[str]:
    """Return what is wrong with one card."""
    return [
        *value_faults(card, "card"),
        *_unknown(card, "card"),
        *_extension(card, "card"),
        *_uuid("C-01", card, "card"),
        *_summary(card),
        *_detail(card),
        *unless(card.get("indicator") in INDICATORS, "C-05 card.indicator: is none of the three"),
        *_source(card),
        *_suggestions(card),
        *_override_reasons(card),
        *_links(card),
    ]


def _summary(card) -> Faults:
    summary = card.get("summary")
    if not is_text(summary):
        yield "C-02 card.summary: is missing"
    elif len(summary) >= 140 or "\n" in summary:
        yield f"C-02 card.summary: has {len(summary)} characters, or more than one line"


def _detail(card) -> Faults:
    detail = card.get("detail", "text")
    if not is_text(detail):
        yield "C-03 card.detail: is no text"
    elif found := re.search(r"<[a-zA-Z/!?]", detail):
        yield f"C-04 card.detail: holds HTML at {found.start()}, which a client may render"


def _source(card) -> Faults:
    source = card.get("source")
    if not isinstance(source, dict):
        yield "C-06 card.source: is no object"
        return
    yield from [*_unknown(source, "source"), *_extension(source, "source")]
    yield from _texts("C-13", source, "source", "label")
    yield from unless(_is_url(source.get("url", "https://a")), "C-14 source.url: is not absolute")
    yield from unless("?" not in str(source.get("url")), "C-14 source.url: drills down by a query")
    yield from unless(_is_url(source.get("icon", "https://a")), "C-15 source.icon: is not absolute")
    topic = source.get("topic")
    if not isinstance(topic, dict):
        yield "C-16 source.topic: is no Coding"
    else:
        yield from _texts("C-31", topic, "source.topic", "code", "system")


def _suggestions(card) -> Faults:
    suggestions, behavior = card.get("suggestions"), card.get("selectionBehavior")
    if suggestions is None:
        yield from unless(behavior is None, "C-08 card.selectionBehavior: is there without suggestions")
        return
    if not _are_objects(suggestions):
        yield "C-07 card.suggestions: is no list of objects"
        return
    if behavior != "at-most-one":
        yield f"C-08 card.selectionBehavior: is {behavior!r}; all versions know at-most-one alone"
    recommended = [suggestion for suggestion in suggestions if suggestion.get("isRecommended") is True]
    yield from unless(len(recommended) < 2, "C-19 card.suggestions: several are recommended, one may be taken")
    for suggestion in suggestions:
        yield from _suggestion(suggestion)


def _suggestion(suggestion) -> Faults:
    yield from [*_unknown(suggestion, "suggestion"), *_extension(suggestion, "suggestion")]
    yield from _texts("C-17", suggestion, "suggestion", "label")
    yield from _uuid("C-18", suggestion, "suggestion")
    is_flag = isinstance(suggestion.get("isRecommended", True), bool)
    yield from unless(is_flag, "C-19 suggestion.isRecommended: is neither true nor false")
    if "actionSelectionBehavior" in suggestion:
        yield "G-07 suggestion: has actionSelectionBehavior, which this client may not know"
        yield "C-21 suggestion: has actionSelectionBehavior, though all its actions belong together"
    actions = suggestion.get("actions")
    if not _are_objects(actions):
        yield "C-20 suggestion.actions: is no list of objects"
        return
    order = [ACTIONS.index(action["type"]) for action in actions if action.get("type") in ACTIONS]
    yield from unless(order == sorted(order), "C-20 suggestion.actions: are not deletes, creates, updates")
    for action in actions:
        yield from _action(action)


def _action(action) -> Faults:
    yield from [*_unknown(action, "action"), *_extension(action, "action")]
    yield from _texts("C-23", action, "action", "description")
    kind, resource = action.get("type"), action.get("resource")
    if kind not in ACTIONS:
        yield f"C-22 action.type: is {kind!r}"
    elif kind == "delete":
        named = re.fullmatch(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}", str(action.get("resourceId")))
        yield from unless(named and resource is None, "C-26 action: names no resource by resourceId alone")
    else:
        requirement = "C-24" if kind == "create" else "C-25"
        whole = isinstance(resource, dict) and "resourceType" in resource
        yield from unless(whole, f"{requirement} action.resource: is no resource")
        known = kind == "create" or (whole and is_text(resource.get("id")))
        yield from unless(known, "C-25 action.resource: has no id, so it updates nothing")
        yield from resource_faults(resource)


def _override_reasons(card) -> Faults:
    reasons = card.get("overrideReasons", [{"code": "a", "system": "b", "display": "c"}])
    if not _are_objects(reasons):
        yield "C-10 card.overrideReasons: is no list of Codings"
        return
    for reason in reasons:
        yield from _texts("C-31", reason, "card.overrideReasons", "code", "system")
        yield from _texts("C-11", reason, "card.overrideReasons", "display")


def _links(card) -> Faults:
    links = card.get("links", [{"label": "a", "url": "https://a", "type": "absolute"}])
    if not _are_objects(links):
        yield "C-12 card.links: is no list of objects"
        return
    for link in links:
        yield from [*_unknown(link, "link"), *_extension(link, "link")]
        yield from _texts("C-27", link, "link", "label")
        yield from unless(_is_url(link.get("url")), "C-27 link.url: is not absolute")
        yield from unless(link.get("type") in ("absolute", "smart"), "C-27 link.type: is none of the two")
        wrong = "appContext" in link and link.get("type") != "smart"
        yield from unless(not wrong, "C-28 link.appContext: is on a link that launches no SMART app")
        quiet = link.get("autolaunchable") is True
        yield from unless(not quiet, "C-29 link.autolaunchable: hides the card, and our links launch no app")


def _extension(found, path) -> Faults:
    extension = found.get("extension", {"org.example": {}})
    if not isinstance(extension, dict):
        yield f"E-01 {path}.extension: is no object"
        return
    for name in extension:
        yield from unless(re.fullmatch(r"[\w-]+(\.[\w-]+)+", name), f"E-02 {path}.extension.{name}: not unique")


def _unknown(found, element) -> Faults:
    strangers = found.keys() - set(MEMBERS[element].split())
    return (f"E-01 {element}.{name}: is not defined, and additions belong in `extension`" for name in strangers)


def _uuid(requirement, found, path) -> Faults:
    is_uuid = isinstance(found.get("uuid"), str) and re.fullmatch(UUID, found["uuid"])
    return unless(is_uuid, f"{requirement} {path}.uuid: is no UUID, so there is no feedback on it")


def _texts(requirement, found, path, *names) -> Faults:
    return (f"{requirement} {path}.{name}: is no text" for name in names if not is_text(found.get(name)))


def _is_url(value) -> bool:
    return isinstance(value, str) and re.fullmatch(r"https?://[^\s/?#]+[^\s]*", value) is not None


def _are_objects(value) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)

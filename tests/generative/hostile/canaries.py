"""Canaries: words found nowhere else, in every place where patient data can stand, and the hunt for them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cds_service.store import Store
from cds_service.store.tables import METADATA
from tests.generative.hostile.planting import planted
from tests.support.notation import PATIENT
from tests.support.odd_server import Play, answers, http, sends
from tests.support.service import ORDER_SELECT, Client

WORD = "canary7q"
FEEDBACK = f"{ORDER_SELECT}/feedback"


def canary(place: str) -> str:
    """Return the canary of a place; it is one word, so that no path or header cuts it."""
    return f"{WORD}-{''.join(letter if letter.isalnum() else '-' for letter in place)}"


def call(hook: str = "order-select", **changes: Any) -> dict[str, Any]:
    """Return a call that gets two cards, with a canary in every place, the patient's id among them."""
    text = json.dumps(planted(canary, hook)).replace(f'"{PATIENT}"', f'"{canary("patient")}"')
    return json.loads(text.replace(f"Patient/{PATIENT}", f"Patient/{canary('patient')}")) | changes


def unread(server: str = "", **prefetch: Any) -> dict[str, Any]:
    """Return a call of whose record nothing speaks and something is missing."""
    return call(prefetch=prefetch, fhirServer=server)


def in_context(**changes: Any) -> dict[str, Any]:
    """Return a call with some members of its context replaced."""
    body = call()
    return body | {"context": body["context"] | changes}


OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "exception", "diagnostics": canary("outcome"), "details": {"text": WORD}}],
}
MANY = [{"url": canary("link")}, {"relation": "next", "url": f"https://{canary('next')}.example/fhir"}]

BODIES: dict[str, tuple[int, Any]] = {
    # what is answered, and the body
    "cards": (200, call()),
    "cards of order-sign": (200, call("order-sign")),
    "no JSON": (400, json.dumps(call()).encode()[:-1]),
    "no JSON but a word": (400, canary("word").encode()),
    "bad UTF-8": (400, json.dumps(call()).encode() + b"\xff"),
    "a number too large": (400, json.dumps(call()).encode().replace(b"{", b'{"%s": 1e999,' % WORD.encode(), 1)),
    "text": (422, canary("text")),
    "list": (422, [call()]),
    "no members": (422, {canary("name"): canary("value")}),
    "another hook": (422, call(hook=canary("hook"))),
    "prefetch is a text": (422, call(prefetch=canary("prefetch"))),
    "two patients": (422, in_context(patientId=f"{canary('one')},{canary('two')}")),
    "selections are a text": (422, in_context(selections=canary("selections"))),
    "drafts are a text": (422, in_context(draftOrders=canary("drafts"))),
    "entry is a text": (422, in_context(draftOrders={"entry": canary("entry")})),
    "server is a list": (422, call(fhirServer=[canary("server")])),
    "token is a list": (422, call(fhirAuthorization={"access_token": [canary("token")]})),
    "nothing prefetched": (412, unread()),
    "text prefetched": (412, unread(conditions=canary("conditions"), procedures=canary("procedures"))),
    "outcome prefetched": (412, unread(conditions=OUTCOME, procedures=OUTCOME)),
    "next page elsewhere": (412, unread(conditions={"resourceType": "Bundle", "link": MANY}, procedures=None)),
    "server not listed": (412, unread(f"https://user:{canary('password')}@{canary('host')}.example/{canary('path')}")),
}

PLAYS: dict[str, Play] = {
    "401": answers(OUTCOME, 401, WWW_Authenticate=f'Bearer realm="{canary("realm")}"'),
    "404": sends(http(canary("not found").encode(), 404, Content_Type=f"text/{WORD}")),
    "redirect": sends(http(b"", 302, Location=f"https://{canary('location')}.example/")),
    "no JSON": sends(http(canary("no json").encode())),
    "no Bundle": answers({"resourceType": canary("type"), "id": canary("id")}),
    "outcome": answers({"resourceType": "Bundle", "entry": [{"resource": OUTCOME}]}),
    "next page elsewhere": answers({"resourceType": "Bundle", "link": MANY}),
    "no HTTP": sends(canary("no http").encode() + b"\r\n\r\n"),
    "odd header": sends(f"HTTP/1.1 200 {WORD}\r\nContent-Length: {WORD}\r\n{WORD}\r\n\r\n".encode()),
}
"""What the FHIR server answers, in bodies, headers and status lines."""


def report(card: str, suggestion: str, **changes: Any) -> dict[str, Any]:
    """Return a report of feedback in which all that a clinician or an EHR can write is a canary."""
    reason = {name: canary(f"reason {name}") for name in ("system", "code", "display")}
    override = {"reason": reason, "userComment": canary("comment"), "extension": [{"url": canary("extension")}]}
    fields = {
        "card": card,
        "outcome": "overridden",
        "overrideReason": override,
        "overrideReasons": [override | {"extension": {"x": {"reasonDisplay": canary("reason text")}}}],
        "acceptedSuggestions": [{"id": suggestion}, {"id": canary("suggestion")}],
        "outcomeTimestamp": "2026-11-22T10:00:00Z",
        canary("member"): canary("member value"),
    }
    return fields | changes


def feedback(card: dict[str, Any]) -> dict[str, tuple[int, Any]]:
    """Return feedback on a card, and what is answered."""
    ids = (card["uuid"], card["suggestions"][0]["uuid"])
    return {
        "whole": (200, {"feedback": [report(*ids), report(*ids, outcome="accepted")]}),
        "alone": (200, report(*ids, outcomeTimestamp=canary("when"))),
        "not usable": (200, {"feedback": [report(canary("card"), WORD), report(*ids, outcome=canary("outcome"))]}),
        "no JSON": (400, canary("feedback").encode()),
        "text": (422, {"feedback": canary("feedback")}),
    }


HEADERS = {
    "Authorization": f"Bearer {canary('authorization')}",
    "Cookie": f"session={canary('cookie')}",
    "User-Agent": canary("agent"),
    "Referer": f"https://{canary('referer')}.example/",
    "X-Forwarded-For": canary("forwarded"),
    "X-Request-Id": canary("request id"),
}
"""Origin has none: that of a listed page is answered, as CORS asks."""

ADDRESSES = (
    ("GET", f"/{canary('path')}"),
    ("GET", f"/cds-services?x={canary('query')}"),
    ("POST", f"/cds-services/{canary('service')}"),
    ("POST", f"/cds-services/{canary('service')}/feedback"),
    ("PUT", f"{ORDER_SELECT}?patient={canary('query')}"),
    ("GET", f"/cards/{canary('card')}"),
    ("GET", f"/static/{canary('file')}"),
    ("GET", f"/readyz?x={canary('query')}"),
)


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Send a request with canaries among its headers."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": "application/json", **HEADERS, **headers}
    return client.session.request(
        method, client.base + path, data=content, headers=given, timeout=20, allow_redirects=False
    )


def shown(response: Any) -> str:
    """Return all of an answer but the orders in its suggestions, which are the client's own."""
    body = response.text
    if response.ok and '"cards"' in body:
        answer = response.json()
        for action in (
            action for card in answer["cards"] for suggestion in card["suggestions"] for action in suggestion["actions"]
        ):
            del action["resource"]
        for card in answer["cards"]:
            card.pop("extension", None)  # it names the order, by the client's own id
        body = json.dumps(answer)
    return f"{response.status_code} {response.reason} {dict(response.headers)} {body}"


def files(*folders: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the bytes of each file in some folders."""
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                yield str(file.relative_to(folder)), file.read_bytes().decode("latin-1")


def rows(url: str) -> str:
    """Return all that the tables of a store hold."""
    store = Store(url)
    with store.reading() as connection:
        held = [repr(row) for table in METADATA.sorted_tables for row in connection.execute(table.select())]
    store.close()
    return "\n".join(held)


def found(sinks: dict[str, str], *more: str) -> list[str]:
    """Return where canaries are, with what stands around them; `more` are other texts that are to be nowhere."""
    places = ((sink, text, text.find(word)) for sink, text in sinks.items() for word in (WORD, *more))
    return [f"{sink}: {text[max(0, at - 40) : at + 60]!r}" for sink, text, at in places if at >= 0]

"""A clinician tries the service in the CDS Hooks Sandbox: what its imaging screen sends, step by step."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from tests.support.service import ORDER_SELECT, ORDER_SIGN

SHAPES = Path(__file__).parent / "shapes"
ORIGIN = "https://sandbox.cds-hooks.org"
FEEDBACK = f"{ORDER_SELECT}/feedback"
RATING = "http://fhir.org/argonaut/Extension/pama-rating"
TOKEN = ".".join(["eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9", "eyJpc3MiOiJzYW5kYm94In0", "c2lnbmF0dXJl" * 10])
HEADERS = {"Origin": ORIGIN, "Accept": "application/json", "Authorization": f"Bearer {TOKEN}"}
LUMBAR = {"code": "72148", "display": "MRI of the lumbar spine", "system": "http://www.ama-assn.org/go/cpt"}
REASON = {"code": "128196005", "display": "Lumbar radiculopathy", "system": "http://snomed.info/sct"}


def shape(name: str):
    """Return one of the JSON files of shapes/, which are ours, in the shape that a client sends."""
    return json.loads((SHAPES / f"{name}.json").read_text(encoding="utf-8"))


def sent(service, body, path: str = ORDER_SELECT):
    """POST as the Sandbox does and return the JSON of the answer, which its page must be allowed to read."""
    response = service.session.post(service.base + path, json=body, headers=HEADERS, timeout=10)
    assert response.status_code == 200, response.text
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    return response.json()


def chosen(study, reasons=(), prefetch=None) -> dict:
    """Return the call after a study and reasons were chosen on the imaging screen."""
    body = shape("sandbox-nothing-selected")
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["code"] = {"coding": [study], "text": study["display"]}
    order["reasonCode"] = [{"coding": [reason], "text": reason["display"]} for reason in reasons]
    return body | ({"prefetch": shape(prefetch)} if prefetch else {})


def applied(card) -> dict:
    """Take over a card's first update as the imaging screen does; fails where its code throws."""
    actions = [action for suggestion in card["suggestions"] for action in suggestion["actions"]]
    resource = next(action["resource"] for action in actions if action["type"] == "update")
    rating = next(extension for extension in resource["extension"] if extension["url"] == RATING)
    return {
        "rating": rating["valueCodeableConcept"]["coding"][0]["code"],
        "study": resource["code"]["coding"][0],
        "reasons": [concept["coding"][0] for concept in resource["reasonCode"]],
    }


def as_update(resource) -> dict:
    """Return a card with one update."""
    return {"suggestions": [{"actions": [{"type": "update", "resource": resource}]}]}


def preflight(service, path: str, method: str, origin: str = ORIGIN):
    """Ask, as a browser does, whether a page of another origin may call a server on this machine."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    return service.session.options(service.base + path, headers=asked, timeout=10)


@pytest.mark.parametrize(
    ("path", "method"),
    [("/cds-services", "GET"), (ORDER_SELECT, "POST"), (ORDER_SIGN, "POST"), (FEEDBACK, "POST")],
)
def test_preflight(path, method, service):
    """A browser may call discovery, service and feedback from the Sandbox's page, on a private network too."""
    response = preflight(service, path, method)
    headers = response.headers
    allowed = headers["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
    assert response.status_code == 200
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method in headers["Access-Control-Allow-Methods"]
    assert {"authorization", "content-type"} <= set(allowed)
    assert headers["Access-Control-Allow-Private-Network"] == "true"


@pytest.mark.parametrize("origin", ["https://example.org", "https://sandbox.cds-hooks.org.example.org", "null"])
def test_preflight_of_others(origin, service):
    """A page of another origin is not let in."""
    assert "Access-Control-Allow-Origin" not in preflight(service, ORDER_SELECT, "POST", origin).headers


def test_discovery(service):
    """Discovery answers a call that carries a token as one without; each service has a URL of its own."""
    response = service.get("/cds-services", headers=HEADERS)
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    services = response.json()["services"]
    assert services == service.get("/cds-services").json()["services"]
    assert len({service["id"] for service in services}) == len(services) == 2


def test_first_call(service):
    """Before anything is chosen there is nothing to say, and no record is asked for."""
    assert sent(service, shape("sandbox-nothing-selected")) == {"cards": []}


@pytest.mark.parametrize("reasons", [[], [REASON]], ids=["no reason yet", "a reason"])
@pytest.mark.parametrize("prefetch", ["sandbox-prefetch-dstu2", "sandbox-prefetch-r4"])
def test_study_chosen(prefetch, reasons, service):
    """With a lumbar MRI chosen for a patient with cancer comes a card, whose update the screen can apply."""
    (card,) = sent(service, chosen(LUMBAR, reasons, prefetch))["cards"]
    assert card["uuid"]
    assert "2023-05-02" in card["detail"]
    screen = applied(card)
    assert screen["rating"] == "appropriate"
    assert "plexus" in screen["study"]["display"]
    assert screen["reasons"] == reasons


@pytest.mark.parametrize("prefetch", ["sandbox-prefetch-dstu2", "sandbox-prefetch-r4"])
def test_silent_after_accepting(prefetch, service):
    """Once the update is taken over there is nothing more to say: to the order as sent, or as the screen shows it."""
    body = chosen(LUMBAR, [REASON], prefetch)
    (card,) = sent(service, body)["cards"]
    updated = deepcopy(body)
    updated["context"]["draftOrders"]["entry"][0]["resource"] = card["suggestions"][0]["actions"][0]["resource"]
    assert sent(service, updated) == {"cards": []}
    screen = applied(card)
    assert sent(service, chosen(screen["study"], screen["reasons"], prefetch)) == {"cards": []}


def test_the_last_answer_counts(service):
    """Each change is answered for itself: a study taken back takes the card back."""
    asked = [
        shape("sandbox-nothing-selected"),
        chosen(LUMBAR, [], "sandbox-prefetch-r4"),
        shape("sandbox-nothing-selected"),
    ]
    assert [len(sent(service, body)["cards"]) for body in asked] == [0, 1, 0]


@pytest.mark.parametrize("missing", ["extension", "reasonCode", "code"])
def test_the_screen_throws(missing, service):
    """The imaging screen would throw without the rating, the reasons or the code, and `applied` does so here."""
    (card,) = sent(service, chosen(LUMBAR, [REASON], "sandbox-prefetch-r4"))["cards"]
    resource = card["suggestions"][0]["actions"][0]["resource"]
    assert applied(as_update(resource)) == applied(card)
    with pytest.raises(KeyError):
        applied(as_update({name: value for name, value in resource.items() if name != missing}))


def test_accepted(service):
    """The Sandbox's report of an accepted suggestion is taken."""
    (card,) = sent(service, chosen(LUMBAR, [], "sandbox-prefetch-r4"))["cards"]
    suggestion = {"id": card["suggestions"][0]["uuid"]}
    report = {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": [suggestion]}
    assert sent(service, {"feedback": [report | {"outcomeTimestamp": "2026-11-22T10:15:30.123Z"}]}, FEEDBACK) == {}


@pytest.mark.parametrize("members", [("code", "system"), ("code",)], ids=["with system", "code alone"])
def test_overridden(members, service):
    """The Sandbox's report of an overridden card is taken: a reason without its display, and a comment."""
    (card,) = sent(service, chosen(LUMBAR, [], "sandbox-prefetch-r4"))["cards"]
    reason = {name: card["overrideReasons"][0][name] for name in members}
    report = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:15:30.123Z"}
    report["overrideReason"] = {"reason": reason, "userComment": "Spine first."}
    assert sent(service, {"feedback": [report]}, FEEDBACK) == {}


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("order-select-2.0", ORDER_SELECT, 200),
        ("order-sign-1.x", ORDER_SIGN, 200),
        ("sandbox-nothing-selected", ORDER_SELECT, 200),
        ("sandbox-study-chosen", ORDER_SELECT, 412),
        ("order-select-2.0", ORDER_SIGN, 422),
    ],
)
def test_shape(name, path, status, service):
    """Calls in the shapes of every version get a 200, or the documented error with an OperationOutcome."""
    response = service.post(shape(name), path)
    assert response.status_code == status
    if status == 200:
        assert [len(card["suggestions"]) for card in response.json()["cards"]] == ([] if "nothing" in name else [2])
    else:
        assert response.json()["resourceType"] == "OperationOutcome"


def test_session(service):
    """A whole session in the bodies that the Sandbox sent: nothing chosen, a study, a reason, and its reports."""
    session = shape("sandbox-session")
    nothing, study, reason = (sent(service, call)["cards"] for call in session["calls"])
    assert nothing == []
    (of_study,), (of_reason,) = study, reason
    assert "this order's reason" not in of_study["detail"]
    assert "Lumbar radiculopathy (this order's reason)" in of_reason["detail"]
    assert "Keep the lumbar-spine MRI" in of_reason["detail"]
    assert [suggestion["label"] for suggestion in of_reason["suggestions"]] == [
        "Add plexus MRI, keep the lumbar MRI",
        "Order plexus MRI instead",
    ]
    assert applied(of_reason)["reasons"] == [REASON]
    for name in ("accepted", "overridden"):
        assert sent(service, session[name], FEEDBACK) == {}


def test_labels_in_the_guide(service):
    """The guide names the card's buttons and first override reasons as the Sandbox shows them."""
    guide = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    (card,) = sent(service, shape("sandbox-session")["calls"][-1])["cards"]
    for suggestion in card["suggestions"]:
        assert f"*{suggestion['label']}*" in guide
    assert f"*Override: {card['overrideReasons'][0]['display']}*" in guide

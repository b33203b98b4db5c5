"""Answers of the service to many calls: all of fixtures/calls as both hooks, and each invented patient's MRI."""

from dataclasses import dataclass
from functools import cache

import requests

from cds_service import examples
from tests.support.service import ORDER_SELECT, ORDER_SIGN, TODAY

PATHS = {"order-select": ORDER_SELECT, "order-sign": ORDER_SIGN}
WATCHED = ("mri-lumbar-spine-without-contrast", "mri-lumbar-spine-without-and-with-contrast")


@dataclass(frozen=True)
class Answer:
    """A call, and what came of it."""

    name: str
    call: dict
    response: requests.Response

    @property
    def cards(self) -> list:
        """Return the cards, none where the answer is no success."""
        return self.response.json()["cards"] if self.response.ok else []

    @property
    def orders(self) -> dict:
        """Return the draft orders of the call by `Type/id`."""
        drafts = (entry["resource"] for entry in self.call["context"]["draftOrders"]["entry"])
        return {f"{draft['resourceType']}/{draft['id']}": draft for draft in drafts}


def call(name="article", hook="order-select", **changes) -> dict:
    """Return a call of fixtures/calls with its dates filled in, as one of `hook`, with some members replaced."""
    return as_hook(examples.example("calls", name, TODAY), hook) | changes


def as_hook(body: dict, hook: str) -> dict:
    """Return a call as one of another hook: order-sign has no selections."""
    context = {name: value for name, value in body["context"].items() if name != "selections"}
    if hook == "order-select":
        draft = context["draftOrders"]["entry"][0]["resource"]
        context["selections"] = body["context"].get("selections", [f"{draft['resourceType']}/{draft['id']}"])
    return body | {"hook": hook, "context": context}


def in_context(body: dict, **changes) -> dict:
    """Return a call with some members of its context replaced."""
    return body | {"context": body["context"] | changes}


def prefetching(body: dict, **values) -> dict:
    """Return a call with some values of its prefetch replaced; one that is `...` is left out."""
    prefetch = body.get("prefetch", {}) | values
    return body | {"prefetch": {key: value for key, value in prefetch.items() if value is not ...}}


@cache
def answers(service) -> tuple[Answer, ...]:
    """Return the service's answers to all calls."""
    return tuple(
        Answer(f"{hook} {name}", body, service.post(body, PATHS[hook])) for hook in PATHS for name, body in _calls(hook)
    )


def cards(service) -> list:
    """Return the cards of all answers, of which there are many."""
    every_card = [card for answer in answers(service) for card in answer.cards]
    assert len(every_card) > 20
    return every_card


def suggestions(service) -> list:
    """Return the suggestions of all cards."""
    return [suggestion for card in cards(service) for suggestion in card["suggestions"]]


def actions(service, kind: str) -> list:
    """Return the actions of one type of all suggestions."""
    every = [action for suggestion in suggestions(service) for action in suggestion["actions"]]
    return [action for action in every if action["type"] == kind]


def _calls(hook: str) -> list:
    fixtures = [(name, call(name, hook)) for name in examples.names("calls")]
    patients = [(name, examples.example("patients", name, TODAY)) for name in examples.names("patients")]
    orders = [(name, examples.example("orders", name, TODAY)) for name in WATCHED]
    invented = [
        (f"{patient_name}, {order_name}", examples.call(patient, [order], hook=hook))
        for patient_name, patient in patients
        for order_name, order in orders
    ]
    return fixtures + invented

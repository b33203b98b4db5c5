"""What must hold for any body that is sent to the service, as a function that returns a list of faults."""

import json
import logging
import re
from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from cds_service.config.settings import Settings
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.web.app import create_app
from cds_service.web.services import app_services
from tests.generative.hostile import oracle
from tests.generative.hostile.rendering import addresses, card_faults
from tests.generative.hostile.strategies import (
    broken_bodies,
    feedback,
    hostile_calls,
    nearly_valid_calls,
    plain_calls,
    valid_calls,
)
from tests.spec.body_checks import body_faults, outcome_faults
from tests.spec.checks import answer_faults
from tests.support.service import CLOCK, ORDER_SELECT, ORDER_SIGN

PATHS = (ORDER_SELECT, ORDER_SIGN)
REFUSED = (400, 412, 413, 422)
FIELDS = {"time", "service", "hook", "status", "outcome", "reasons", "counts", "prefetch", "fetch", "duration_ms"}
"""Of a log line; more may come, and `test_canaries.py` tells what none may hold."""

KINDS: dict[str, st.SearchStrategy] = {
    "plain": plain_calls(),
    "valid": valid_calls,
    "nearly valid": nearly_valid_calls(),
    "hostile": hostile_calls(),
    "broken": broken_bodies(),
    "feedback": feedback,
}
Faults = list[str]


class Service(logging.Handler):
    """The application with a store of its own, called in this process, and the lines that it logs."""

    def __init__(self, url: str) -> None:
        super().__init__()
        migrate(Store(url))
        app = create_app(Settings(development=True, store_url=url, calls_per_minute=0), clock=CLOCK)
        self.client, self.lines = app.test_client(), []
        self.services = app_services(app)
        self.log = logging.getLogger("plexus_cds")
        self.log.setLevel(logging.INFO)
        self.log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())

    def stop(self) -> None:
        """Write what is left, and log no more."""
        self.log.removeHandler(self)
        self.services.recorder.close()

    def post(self, path: str, content: bytes) -> SimpleNamespace:
        """Return the answer in the shape that the checks of the contract read."""
        response = self.client.post(path, data=content, headers={"Content-Type": "application/json"})
        content = response.get_data()
        return SimpleNamespace(
            status_code=response.status_code,
            headers=response.headers,
            content=content,
            json=lambda: json.loads(content),
        )


def faults(service: Service, kind: str, body: Any) -> Faults:
    """Return what is wrong with the answers to a body of one kind."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    if kind == "feedback":
        return _answered(service, f"{PATHS[0]}/feedback", content, _feedback_faults)[0]
    path = PATHS[isinstance(body, dict) and body.get("hook") == "order-sign"]
    found, first = _answered(service, path, content, lambda answer: _card_faults(kind, body, answer))
    more, again = _answered(service, path, content, lambda _: [])
    found += [] if without_uuids(first) == without_uuids(again) else ["the same call again gets another answer"]
    explained = service.post(f"/playground/explanations/{path.rpartition('/')[2]}", content)
    same = explained.status_code == first.status_code
    return found + more + ([] if same else [f"its explanation is answered {explained.status_code}"])


def _answered(
    service: Service, path: str, content: bytes, check: Callable[[SimpleNamespace], Faults]
) -> tuple[Faults, SimpleNamespace]:
    """POST a body; return what is wrong with the answer or its log line, and the answer."""
    service.lines.clear()
    answer = service.post(path, content)
    calls = [line for line in service.lines if '"store_write_failed"' not in line]  # the store's own, from its thread
    found = _log_faults(calls, answer.status_code)
    found += body_faults(answer.content)
    if answer.status_code in REFUSED:
        return found + outcome_faults(answer), answer
    if answer.status_code != 200:
        return [*found, f"the status is {answer.status_code}"], answer
    return found + check(answer), answer


def _log_faults(lines: list[str], status: int) -> Faults:
    if len(lines) != 1:
        return [f"{len(lines)} log lines: {lines}"]
    line = json.loads(lines[0])
    whole = line["event"] == "feedback" or line.keys() >= FIELDS
    return [] if whole and line["status"] == status and "\n" not in lines[0] else [f"the log line is {lines[0]}"]


def _feedback_faults(answer: SimpleNamespace) -> Faults:
    return [] if answer.json() == {} else ["feedback is answered with more than an empty object"]


def _card_faults(kind: str, body: Any, answer: SimpleNamespace) -> Faults:
    """Hold the cards against the contract, the renderers, and the oracle where the call is plain."""
    cards = answer.json()["cards"]
    found = answer_faults(answer.json() if kind in ("plain", "valid") else _with_orders_of_ours(answer.json()))
    found += [fault for card in cards for fault in card_faults(card)]
    found += [f"a link to {address}" for card in cards for address in addresses(card) if not _is_ours(address)]
    if kind == "plain" and (indicators := [card["indicator"] for card in cards]) != (
        expected := oracle.expected_indicators(body)
    ):
        found.append(f"the cards are {indicators}, and the tables say {expected}")
    return found


def _is_ours(address: str) -> bool:
    return bool(re.fullmatch(r"https://doi\.org/10\.1016/[\w.]+|http://127\.0\.0\.1:8080/cards/[a-z-]+", address))


def _with_orders_of_ours(answer: dict) -> dict:
    """Return an answer with sound orders in it: those of an odd call are as odd as they came."""
    comparable = deepcopy(answer)
    sound = {
        "resourceType": "ServiceRequest",
        "id": "o1",
        "status": "draft",
        "intent": "order",
        "subject": {"display": "x"},
    }
    for card in comparable["cards"]:
        for suggestion in card["suggestions"]:
            for action in suggestion["actions"]:
                action["resource"] = sound
    return comparable


def without_uuids(answer: SimpleNamespace) -> str:
    """Return an answer without UUIDs of ours."""
    return re.sub(rb'"uuid": ?"[0-9a-f-]{36}"', b"", answer.content).decode()

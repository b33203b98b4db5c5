"""Steady calls from several clients at once, and what became of each; bounded in number and time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import requests

from tests.support.service import ORDER_SELECT
from tests.support.serving import example

CALLERS, MOST = 4, 1000
"""How many call at once, and how often each of them does at most."""
PATIENCE = 60.0
"""Seconds, for what a busy machine does late."""
_PAUSE = 0.02

CARDS = {"article": 1, "no-cancer": 0}
"""The calls, and how many cards are the right answer to each."""


def feedback() -> dict:
    """Return a report on a card that nobody knows."""
    return {"feedback": [{"card": str(uuid4()), "outcome": "accepted", "outcomeTimestamp": "2026-11-22T08:30:00Z"}]}


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.02)


@dataclass(frozen=True)
class Answer:
    """What became of one call: its status and cards, or nothing where the connection was lost."""

    call: str
    began: float
    took: float
    status: int | None = None
    cards: tuple[str, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Tell whether there was no answer."""
        return self.status is None

    @property
    def is_right(self) -> bool:
        """Tell whether it is the answer that the call should have."""
        return self.status == requests.codes.ok and len(self.cards) == CARDS.get(self.call, 0)


@dataclass
class Load:
    """Callers at work; `answers` and `acknowledged` grow meanwhile."""

    base: str
    answers: list[Answer] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    """The cards of feedback that was answered with 200."""
    authorize: Callable[[str], dict[str, str]] = lambda _: {}
    """The headers of a call of a path."""
    verify: str | bool = True
    """The authority of the service's certificate."""
    pause: float = _PAUSE
    _ends: threading.Event = field(default_factory=threading.Event)

    def go_on_for(self, number: int) -> None:
        """Return after so many more calls had an end."""
        goal = len(self.answers) + number
        until(lambda: len(self.answers) >= goal)

    def run(self) -> None:
        """Call, in turn, for a card, for silence, and with feedback, each time on a new connection."""
        for number in range(MOST):
            if self._ends.wait(self.pause):
                return
            name = (*CARDS, "feedback")[number % 3]
            body = feedback() if name == "feedback" else example(name)
            answer = self._called(name, body)
            if name == "feedback" and answer.is_right:
                self.acknowledged.append(body["feedback"][0]["card"])
            self.answers.append(answer)

    def end(self) -> None:
        """Let the callers end."""
        self._ends.set()

    def _called(self, name: str, body: dict) -> Answer:
        path = f"{ORDER_SELECT}/feedback" if name == "feedback" else ORDER_SELECT
        began = time.monotonic()
        with requests.Session() as session:
            session.trust_env, session.verify = False, self.verify
            try:
                response = session.post(self.base + path, json=body, headers=self.authorize(path), timeout=PATIENCE)
            except requests.ConnectionError:
                return Answer(name, began, time.monotonic() - began)
        cards = tuple(card["uuid"] for card in response.json().get("cards", []))
        return Answer(name, began, time.monotonic() - began, response.status_code, cards)


@contextmanager
def steady_calls(base: str, **options) -> Iterator[Load]:
    """Let callers call one service until the end of the block, and for their last answers."""
    load = Load(base, **options)
    threads = [threading.Thread(target=load.run) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.end()
        for thread in threads:
            thread.join()

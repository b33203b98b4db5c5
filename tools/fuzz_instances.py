"""Two servers on one PostgreSQL that get each made-up body at the same moment, while one of them is killed repeatedly.

The first server answers hook calls without Flask, the second one, which is killed, with it. Both must give the same
answer, and none that is a fault of ours; no acknowledged report and no card of the first server may be lost.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import requests
from hypothesis import strategies as st

from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, FEEDBACK
from tests.generative.hostile.fuzzing import KINDS, PATHS, REFUSED, without_uuids
from tests.generative.hostile.texts import hostile_texts
from tests.spec.body_checks import body_faults, outcome_faults
from tests.support.databases import postgresql_in, rows
from tests.support.serving import COMMAND, Server

_PATIENCE = 60
"""Seconds, for an answer on a busy machine."""
_LIVES = 10
"""Seconds between a start of the second server and its end."""
_PUBLIC_URL = "http://127.0.0.1:8080"
"""Of both, so that the links of their cards are the same."""
_OUTCOMES = ("accepted", "overridden")
_MAX_SUGGESTIONS = 10
"""A report with more is not stored."""

stored_texts = hostile_texts | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=30)
"""Texts with what a database may refuse: lone surrogates and control characters."""
usable_reports = st.fixed_dictionaries(
    {
        "card": st.uuids().map(str),
        "outcome": st.sampled_from(_OUTCOMES),
        "overrideReason": st.fixed_dictionaries(
            {"userComment": stored_texts}, optional={"reason": st.fixed_dictionaries({"code": stored_texts})}
        ),
    },
    optional={
        "outcomeTimestamp": stored_texts,
        "acceptedSuggestions": st.lists(st.fixed_dictionaries({"id": st.uuids().map(str) | stored_texts}), max_size=3),
    },
)
"""Reports that must be stored, whatever their texts are."""
batches = st.fixed_dictionaries({"feedback": st.lists(usable_reports, min_size=10, max_size=60)})


class Instances:
    """The two servers, what they acknowledged, and what was lost."""

    def __init__(self, url: str) -> None:
        self.url, self.pool = url, ThreadPoolExecutor(2)
        self.first, self.second = self._start(fast_path="true"), self._start(fast_path="false")
        self.reports: set[tuple[str, str]] = set()
        """Card and outcome of each report that was acknowledged."""
        self.cards: set[str] = set()
        """The cards of the first server."""
        self.killed: list[Server] = []
        self.lost = 0
        self._ends = threading.Event()
        self._killer = threading.Thread(target=self._kill_repeatedly)
        self._killer.start()

    def _start(self, **settings: str) -> Server:
        settings |= {"store_url": self.url, "public_url": _PUBLIC_URL, "calls_per_minute": "0"}
        server = Server(COMMAND, "--development", store_comments="true", **settings)
        server.wait_until_it_answers()
        return server

    def _kill_repeatedly(self) -> None:
        while not self._ends.wait(_LIVES):
            self.killed.append(self.second)  # first, so that a call that fails knows why
            self.second.kill()
            self.second.close()
            self.second = self._start(fast_path="false")

    def check(self, kind: str, body: Any) -> list[str]:
        """Send a body to both servers at once; return what is wrong with the answers."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = PATHS[isinstance(body, dict) and body.get("hook") == "order-sign"]
        is_feedback = kind in ("feedback", "reports")
        path += "/feedback" if is_feedback else ""
        answers = [*self.pool.map(self._post, (False, True), (path, path), (content, content))]
        found = [fault for answer in answers if answer is not None for fault in answer_faults(answer)]
        first, second = answers
        if any(answer is not None and answer.ok for answer in answers):
            self.reports |= acknowledged(body) if is_feedback else set()
        if first is not None and first.ok and not is_feedback:
            self.cards |= {card["uuid"] for card in first.json()["cards"]}
        if first is not None and second is not None and without_uuids(first) != without_uuids(second):
            found.append(f"the servers answer differently: {first.status_code} and {second.status_code}")
        return found

    def _post(self, is_second: bool, path: str, content: bytes) -> requests.Response | None:  # noqa: FBT001
        """Return the answer; None where the second server was killed during the call."""
        server = self.second if is_second else self.first
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Content-Type": "application/json"}
            try:
                return session.post(server.client.base + path, content, headers=headers, timeout=_PATIENCE)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                if server not in self.killed:
                    raise
                self.lost += 1
                return None

    def end(self, store: Store) -> list[str]:
        """Stop all, and return what was acknowledged and is not in the store."""
        self._ends.set()
        self._killer.join()
        codes = [server.stop() for server in (self.first, self.second)]
        faults = [f"a server ended with {code}" for code in codes if code]
        faults += [
            "a server wrote a traceback" for server in (self.first, self.second) if "Traceback" in server.errors()
        ]
        stored = {(row.card, row.outcome) for row in rows(store, FEEDBACK)}
        faults += [f"acknowledged, and not stored: {report}" for report in sorted(self.reports - stored)]
        faults += [
            f"a card that is not stored: {card}"
            for card in sorted(self.cards - {row.uuid for row in rows(store, CARDS)})
        ]
        print(f"second server killed {len(self.killed)} times, which cost {self.lost} calls")
        print(f"acknowledged: {len(self.reports)} reports; shown by the first server: {len(self.cards)} cards")
        return faults

    def close(self) -> None:
        """End what is left, whatever happened."""
        self._ends.set()
        self._killer.join()
        self.pool.shutdown()
        for server in (self.first, self.second):
            server.kill()
            server.close()


def answer_faults(answer: requests.Response) -> list[str]:
    """Return what is wrong with an answer: a fault of ours, or a body that is not strict JSON in UTF-8."""
    if answer.ok:
        return body_faults(answer.content)
    if answer.status_code in REFUSED:
        return outcome_faults(answer)
    return [f"the status is {answer.status_code}"]


def acknowledged(body: Any) -> set[tuple[str, str]]:
    """Return card and outcome of each report that must be stored, as a client would count them."""
    content = body.get("feedback", body) if isinstance(body, dict) else []
    listed = content if isinstance(content, list) else [content]
    return {
        (str(UUID(report["card"])), report["outcome"])
        for report in listed
        if isinstance(report, dict) and _is_uuid(report.get("card")) and report.get("outcome") in _OUTCOMES
        if not isinstance(report.get("acceptedSuggestions"), list)
        or len(report["acceptedSuggestions"]) <= _MAX_SUGGESTIONS
    }


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


@contextmanager
def two_instances() -> Iterator[tuple[Any, Mapping[str, Any], list[str]]]:
    """Yield the check of two servers, the kinds of bodies, and the faults that show once both are stopped."""
    at_the_end: list[str] = []
    with TemporaryDirectory() as folder, postgresql_in(Path(folder)) as database:
        url = database.get_uri()
        with closing(Store(url)) as store:
            migrate(store)
            instances = Instances(url)
            try:
                yield instances.check, {"reports": batches} | KINDS, at_the_end
                at_the_end += instances.end(store)
            finally:
                instances.close()

"""Two servers on one PostgreSQL behind nginx, which get made-up requests while one of them is killed repeatedly.

The first server answers hook calls without Flask, the second one, which is killed, with it; nginx has the shipped lines
and sends calls to both. Each body goes to both servers and through nginx: all must give the same answer, and none that
is a fault of ours. Requests of raw bytes (fuzz_bytes.py) go the same three ways. During and after what is refused,
another client's good call on a connection that goes on must get its right card. No acknowledged report and no card of
the first server may be lost. At the end, good calls are timed, alone and while half of all calls are refused.
"""

import json
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import requests
from hypothesis import strategies as st

from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, FEEDBACK
from tests.generative.hostile.fuzzing import KINDS, PATHS, without_uuids
from tests.generative.hostile.texts import hostile_texts
from tests.integration.limits.nginx import Nginx, nginx
from tests.spec.body_checks import body_faults, outcome_faults
from tests.support.databases import rows, running_postgresql
from tests.support.service import ORDER_SELECT
from tests.support.serving import COMMAND, Server
from tools.fuzz_bytes import bodies, card_call, connect, exchange, faults, raw_requests, request_bytes
from tools.fuzz_clients import PUBLIC_URL, authorization, bearer, clients_file, session_from

_PATIENCE = 60
"""Seconds, for an answer on a busy machine."""
_LIVES = 20
"""Seconds between a start of the second server and its end; nginx asks it again ten seconds after a failure."""
_REFUSED = (400, 412, 413, 422)
_OUTCOMES = ("accepted", "overridden")
_MAX_SUGGESTIONS = 10
"""A report with more is not stored."""
_FRONT_STALLS, _FRONT_CONNECTIONS = 10, 200
"""As shipped."""
_TIMED = 600
"""Good calls that are timed with other good calls beside them, and again with refused ones."""

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


odd_values = st.one_of(
    st.sampled_from(
        ["1e400", "-1e400", "1e-400", "-0", "-0.0", "1" * 1_001, "9" * 20, "0.1e308", "NaN", "-Infinity", "01", "1."]
    ),
    st.integers().map(str),
    st.sampled_from(
        [r'"\ud800"', r'"\udc00\ud800"', r'"\u0000"', '"\0"', r'"\ud83d"', r'"\uFFFF"', '"\udcff"', r'"\x"']
    ),
    st.tuples(st.sampled_from(["[", '{"x":']), st.sampled_from([10, 61, 62, 63, 64, 65, 990, 100_000])).map(
        lambda deep: deep[0] * deep[1] + "1" + {"[": "]", '{"x":': "}"}[deep[0]] * deep[1]
    ),
    st.tuples(hostile_texts, st.sampled_from([1, 1_000, 3_000_000])).map(
        lambda text: json.dumps(text[0] * max(1, text[1] // len(json.dumps(text[0]))))
    ),
)
"""JSON values, and what is nearly one, that parsers read differently."""


@st.composite
def odd_json(draw: Any) -> bytes:
    """Draw a call with a card and one or two members more, in it or in its context, perhaps of a name that it has."""
    text = card_call().decode()
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(["x", "hook", "prefetch", "context", "patientId", "extension"]) | hostile_texts)
        member = f"{json.dumps(name)}: {draw(odd_values)}"
        places = [f"{{{member}, {text[1:]}", text.replace('"context": {', f'"context": {{{member}, ', 1)]
        text = draw(st.sampled_from([*places, f"{text[:-1]}, {member}}}"]))
    return text.encode("utf-8", "surrogateescape")


class Instances:
    """The two servers and nginx, what they acknowledged, and what was lost."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.pool = url, ThreadPoolExecutor(4)
        self.clients = clients_file(folder)
        self.first, self.second = self._start("true"), self._start("false")
        self._front = nginx(
            folder, self.first.port, self.second.port, stalls_for=_FRONT_STALLS, at_once=_FRONT_CONNECTIONS
        )
        self.front: Nginx = self._front.__enter__()
        self._tls = ssl.create_default_context(cafile=str(folder / "authority.pem"))
        self._addresses = cycle(f"127.0.1.{n}" for n in range(1, 250))
        """The limits of nginx count by address."""
        self._good_clients = [session_from(f"127.0.2.{n}", self.front.client.session.verify) for n in range(1, 5)]
        self.reports: set[tuple[str, str]] = set()
        """Card and outcome of each report that was acknowledged."""
        self.cards: set[str] = set()
        """The cards of the first server."""
        self.killed: list[Server] = []
        self.lost = 0
        self.statuses: Counter[str] = Counter()
        """Of raw requests and bodies, by the way that they took."""
        self.good_calls = 0
        self._outages: list[list[float]] = []
        """When the second server was killed, and when it answered again."""
        self._expected = self._expected_cards()
        self._ends = threading.Event()
        self._killer = threading.Thread(target=self._kill_repeatedly)
        self._killer.start()

    def _start(self, fast_path: str, port: int = 0) -> Server:
        server = Server(
            COMMAND,
            "--development",
            port=port,
            store_url=self.url,
            public_url=PUBLIC_URL,
            calls_per_minute="0",
            clients_file=str(self.clients),
            store_comments="true",
            fast_path=fast_path,
        )
        server.wait_until_it_answers()
        return server

    def _expected_cards(self) -> dict[str, str]:
        """Return the first server's answer to each body that gets one, without UUIDs; the first has a card."""
        good = {name: content for name, (content, statuses) in bodies().items() if 200 in statuses}
        answers = {name: self._post("first", ORDER_SELECT, content) for name, content in good.items()}
        expected = {name: without_uuids(answer) for name, answer in answers.items() if answer is not None}
        assert '"cards":[{' in expected["card"].replace(" ", ""), expected
        assert json.loads(expected["no card"]) == {"cards": []}, expected
        return expected

    def _kill_repeatedly(self) -> None:
        while not self._ends.wait(_LIVES):
            self._outages.append([time.monotonic(), float("inf")])
            self.killed.append(self.second)  # first, so that a call that fails knows why
            self.second.kill()
            port = self.second.port
            self.second.close()
            self.second = self._start("false", port)
            self._outages[-1][1] = time.monotonic()

    def _was_down(self, since: float) -> bool:
        return any(until > since for _, until in self._outages)

    def check(self, kind: str, body: Any) -> list[str]:
        """Send a body or a raw request to both servers and through nginx at once; return what is wrong."""
        if kind == "bytes":
            return self._check_bytes(body)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = PATHS[isinstance(body, dict) and body.get("hook") == "order-sign"]
        is_feedback = kind in ("feedback", "reports")
        path += "/feedback" if is_feedback else ""
        began = time.monotonic()
        ways = ("first", "second", "nginx")
        answers = dict(zip(ways, self.pool.map(self._post, ways, [path] * 3, [content] * 3), strict=True))
        if (front := answers["nginx"]) is not None and front.status_code == 503 and self._was_down(began):
            answers["nginx"] = None
            self.lost += 1
        came = {way: answer for way, answer in answers.items() if answer is not None}
        self.statuses.update(f"{way} {answer.status_code}" for way, answer in came.items())
        faults = [fault for answer in came.values() for fault in answer_faults(answer)]
        if any(answer.ok for answer in came.values()):
            self.reports |= acknowledged(body) if is_feedback else set()
        if (first := came["first"]).ok and not is_feedback:
            self.cards |= {card["uuid"] for card in first.json()["cards"]}
            if kind == "odd JSON" and without_uuids(first) != self._expected["card"]:
                faults.append("another card than without the added members")
        faults += [
            f"another answer from {way} than from the first server: {answer.status_code} and {first.status_code}"
            for way, answer in came.items()
            if without_uuids(answer) != without_uuids(first)
        ]
        return faults if first.ok else faults + self._good_call()

    def _post(self, way: str, path: str, content: bytes) -> requests.Response | None:
        """Return the answer; None where the second server was killed during the call."""
        server = self.second if way == "second" else self.first
        base = self.front.client.base if way == "nginx" else server.client.base
        headers = {"Content-Type": "application/json", "Authorization": bearer("bodies", path)}
        with session_from(next(self._addresses), self.front.client.session.verify) as session:
            try:
                return session.post(base + path, content, headers=headers, timeout=_PATIENCE)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                if server not in self.killed:
                    raise
                self.lost += 1
                return None

    def _check_bytes(self, case: Mapping[str, Any]) -> list[str]:
        """Send raw bytes the three ways, with a good call through nginx meanwhile and another one after them."""
        sent = [self.pool.submit(self._exchange, way, case) for way in ("first", "second", "nginx")]
        meanwhile = self._good_call()
        faults = [fault for future in sent for fault in future.result()]
        return faults + meanwhile + self._good_call()

    def _exchange(self, way: str, case: Mapping[str, Any]) -> list[str]:
        server, began = self.second if way == "second" else self.first, time.monotonic()
        content = request_bytes(case, authorization(case["token"], self.first.client.base))
        probe = "GET /cds-services HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\nConnection: close\r\n\r\n"
        try:
            plain = connect(self.front.port if way == "nginx" else server.port, next(self._addresses))
            with closing(
                self._tls.wrap_socket(plain, server_hostname="localhost") if way == "nginx" else plain
            ) as line:
                answers = exchange(line, case, content, probe.format(bearer("bodies", "/cds-services")).encode())
        except OSError:
            if server not in self.killed:
                raise
            answers = []
        self.statuses.update(f"{way} {answer.status}" for answer in answers[:1])
        is_down = way == "second" or any(answer.status == 503 for answer in answers)
        if way != "first" and is_down and (server in self.killed or self._was_down(began)):
            self.lost += 1
            return []
        return [f"{way}: {fault}" for fault in faults(case, answers, self._expected, behind_nginx=way == "nginx")]

    def _good_call(self) -> list[str]:
        """Return what is wrong with the answer to another client's good call, on a connection that goes on."""
        began = time.monotonic()
        self.good_calls += 1
        client = self._good_clients[self.good_calls % len(self._good_clients)]
        headers = {"Content-Type": "application/json", "Authorization": bearer("good", ORDER_SELECT)}
        try:
            answer = client.post(self.front.client.base + ORDER_SELECT, card_call(), headers=headers, timeout=_PATIENCE)
        except requests.ConnectionError as error:
            return [f"a good call of another client broke: {type(error).__name__}"]
        if answer.status_code == 503 and self._was_down(began):
            self.lost += 1
            return []
        is_right = answer.ok and without_uuids(answer) == self._expected["card"]
        return [] if is_right else [f"a good call of another client is answered {answer.status_code}, or wrongly"]

    def end(self, store: Store) -> list[str]:
        """Time good calls, stop all, and return what was acknowledged and is not in the store."""
        self._ends.set()
        self._killer.join()
        print(f"good calls of another client, during and after refused ones: {self.good_calls}")
        self._print_times()
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
        print("answers: " + ", ".join(f"{way} {times}" for way, times in sorted(self.statuses.items())))
        return faults

    def _print_times(self) -> None:
        """Print how long good calls take through nginx, beside other good calls, and while half of all are refused."""
        time.sleep(_LIVES / 2)  # nginx asks the second server again
        seconds: dict[bool, list[float]] = {False: [], True: []}
        choose = random.Random(1)
        for is_refused in (False, True) * 6:
            for _ in range(_TIMED // 6):
                beside = self.pool.submit(
                    self._refused_call if is_refused else self._good_call, *([choose] * is_refused)
                )
                began = time.perf_counter()
                assert not (wrong := self._good_call()), wrong
                seconds[is_refused].append(time.perf_counter() - began)
                beside.result()
        for is_refused, title in ((False, "beside good calls"), (True, "while half of all calls are refused")):
            cuts = [1000 * cut for cut in quantiles(seconds[is_refused], n=100)]
            print(f"good calls {title}: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, of {len(seconds[is_refused])}")

    def _refused_call(self, choose: random.Random) -> None:
        """Send a call of 64 KiB to 2 MiB that is refused with 401, 413, 415 or 429, or by nginx with 413."""
        token, kind = bearer("bodies", ORDER_SELECT), "application/json"
        content = b" " * choose.choice([65_536, 262_144, 2_097_152])
        refusal = choose.choice(["401", "413", "413 of nginx", "415", "429"])
        if refusal == "401":
            token = "Bearer x.y.z"
        elif refusal == "415":
            kind = "text/plain"
        elif refusal == "429":
            token = bearer("hasty", ORDER_SELECT)
        else:
            content = bodies()["values, 600000"][0] if refusal == "413" else b" " * (9 * 1024 * 1024)
        with session_from(next(self._addresses), self.front.client.session.verify) as session:
            headers = {"Content-Type": kind, "Authorization": token}
            try:
                answer = session.post(
                    self.front.client.base + ORDER_SELECT, content, headers=headers, timeout=_PATIENCE
                )
            except requests.ConnectionError:  # nginx refuses a body that is too large while it still arrives
                assert refusal == "413 of nginx"
            else:
                assert answer.status_code in (int(refusal[:3]), 400 if refusal == "429" else 0), (
                    refusal,
                    answer.status_code,
                )

    def close(self) -> None:
        """End what is left, whatever happened."""
        self._ends.set()
        self._killer.join()
        self.pool.shutdown()
        for client in self._good_clients:
            client.close()
        self._front.__exit__(None, None, None)
        for server in (self.first, self.second):
            server.kill()
            server.close()


def answer_faults(answer: requests.Response) -> list[str]:
    """Return what is wrong with an answer: a fault of ours, or a body that is not strict JSON in UTF-8."""
    if answer.ok:
        return body_faults(answer.content)
    if answer.status_code in _REFUSED:
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
    with TemporaryDirectory() as folder, running_postgresql() as database:
        url = database.get_uri()
        with closing(Store(url)) as store:
            migrate(store)
            instances = Instances(url, Path(folder))
            try:
                kinds = {"bytes": raw_requests(), "odd JSON": odd_json(), "reports": batches} | KINDS
                yield instances.check, kinds, at_the_end
                at_the_end += instances.end(store)
            finally:
                instances.close()

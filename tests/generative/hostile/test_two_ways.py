"""A hook call is answered, logged and counted alike on the fast path, from a browser through Flask, and with it off."""

import json
import socket
import time
from types import SimpleNamespace

import pytest
from flask import request

from cds_service import examples
from cds_service.config.settings import Settings
from cds_service.errors import CallError
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, DECISIONS
from cds_service.web import call_summary, error_handlers
from cds_service.web.app import create_app
from tests.generative.hostile.short_cuts import PASSING, UUID
from tests.support.authenticated_service import BASE, LEAST, authenticated_service
from tests.support.corpus import call
from tests.support.databases import rows, serving_with
from tests.support.metric_series import series
from tests.support.service import CLOCK, ORDER_SELECT, ORDER_SIGN, TODAY
from tests.support.signing import bearer

ARTICLE = examples.example("calls", "article", TODAY)
JSON = {"Content-Type": "application/json"}
BROWSER = {"Origin": "https://elsewhere.example.org"}
"""A page's call goes through Flask, whether its site may call or not."""

UNLIKE = ("Date", "Server", "Vary", "Connection")
"""Headers of the moment, of the test's server, and Vary, which only browsers need."""

LATER = "orders_with_card"
"""Counted when the first card of an order is stored, whichever call it came by."""

MARK = {"X-Plexus-CDS-Client": "playground"}

CALLS = {
    "card": (ORDER_SELECT, ARTICLE, {}),
    "silence": (ORDER_SELECT, call(), {}),
    "at signing": (ORDER_SIGN, examples.example("calls", "order-sign", TODAY), {}),
    "another hook": (ORDER_SIGN, ARTICLE, {}),
    "no record": (ORDER_SELECT, {name: value for name, value in ARTICLE.items() if name != "prefetch"}, {}),
    "no call": (ORDER_SELECT, {"hook": "order-select"}, {}),
    "no JSON": (ORDER_SELECT, b'{"hook": ', {}),
    "nothing": (ORDER_SELECT, b"", {}),
    "too deep": (ORDER_SELECT, b"[" * 1000 + b"]" * 1000, {}),
    "a long number": (ORDER_SELECT, b"[123456789012345678901234567890]", {}),
    "a lone surrogate": (ORDER_SELECT, json.dumps({**ARTICLE, "x": "\ud800"}).encode(), {}),
    "too large": (ORDER_SELECT, b" " * (1 << 20) + b"{}", {}),
    "too many values": (ORDER_SELECT, b"[" + b"1," * 100_000 + b"1]", {}),
    "compressed": (ORDER_SELECT, ARTICLE, {"Content-Encoding": "gzip"}),
    "of the playground": (ORDER_SELECT, ARTICLE, MARK),
    "no service": (f"{ORDER_SELECT}x", ARTICLE, {}),
    "an address too much": (f"{ORDER_SELECT}/", ARTICLE, {}),
    "two slashes": (ORDER_SELECT.replace("/l", "//l"), ARTICLE, {}),
    "another spelling": (ORDER_SELECT.replace("/l", "/%6C"), ARTICLE, {}),
    "in parts": (ORDER_SELECT, (b'{"hook": "order-', b'select"}'), {}),
}


def store_in(folder) -> str:
    """Return the URL of a new store."""
    url = f"sqlite:///{folder}/store.sqlite3"
    migrate(Store(url))
    return url


STORED_LATER = "orders_with_card{}"
"""It rises when the first card of an order is stored, some time after its answer."""


class Seen:
    """Sends a call to a service, and returns all that can be seen of it."""

    def __init__(self, client, logged) -> None:
        self.client, self.logged = client, logged

    def sent(self, path, body, headers) -> SimpleNamespace:
        """Return the answer, the log lines and what was counted."""
        before = series(self.client)
        self.logged()
        sent = iter(body) if isinstance(body, tuple) else body
        options = {"json": body} if isinstance(body, dict) else {"data": sent}
        response = self.client.session.post(self.client.base + path, headers=JSON | headers, timeout=10, **options)
        lines = [{name: value for name, value in line.items() if name not in PASSING} for line in self.logged()]
        counted = {
            name: value - before.get(name, 0)
            for name, value in series(self.client).items()
            if not name.startswith(LATER) and (not name.startswith("phase_seconds_") or "seconds_count" in name)
        }
        shown = {name: text for name, text in response.headers.items() if name not in UNLIKE}
        return SimpleNamespace(
            status=response.status_code,
            answer=(response.status_code, UUID.sub(b"UUID", response.content), shown),
            lines=[line for line in lines if line["event"] != "store_write_failed"],
            counted={name: rise for name, rise in counted.items() if rise and name != STORED_LATER},
        )

    def both(self, path, body, headers, status) -> None:
        """Send it both ways, and hold one against the other."""
        straight, flask = self.sent(path, body, headers), self.sent(path, body, headers | BROWSER)
        assert vars(straight) == vars(flask)
        assert (straight.status, len(straight.lines)) == (status, 1)
        assert straight.counted


@pytest.fixture(scope="module")
def open_service(tmp_path_factory, knowledge):
    """Yield a client of a service that anyone may call, and its parts."""
    with serving_with(store_in(tmp_path_factory.mktemp("two_ways")), knowledge, body_megabytes=1) as both:
        yield both


STATUSES = {
    **dict.fromkeys(("card", "silence", "at signing", "a lone surrogate", "another spelling"), 200),
    "of the playground": 200,
    **dict.fromkeys(("no JSON", "nothing", "too deep", "a long number"), 400),
    **dict.fromkeys(("no service", "an address too much", "two slashes"), 404),
    **dict.fromkeys(("another hook", "no call", "in parts"), 422),
    **dict.fromkeys(("too large", "too many values"), 413),
    "no record": 412,
    "compressed": 415,
}


@pytest.mark.parametrize("name", CALLS)
def test_each_kind_of_call(name, open_service, logged):
    """Status, body, headers, log line and counts of a call are the same both ways."""
    Seen(open_service[0], logged).both(*CALLS[name], STATUSES[name])


@pytest.fixture(scope="module")
def flask_service(tmp_path_factory, knowledge):
    """Yield a client of a service whose fast path is turned off."""
    url = store_in(tmp_path_factory.mktemp("flask_alone"))
    with serving_with(url, knowledge, body_megabytes=1, fast_path=False) as (client, _):
        yield client


@pytest.mark.parametrize("name", CALLS)
def test_each_kind_of_call_with_the_fast_path_off(name, open_service, flask_service, logged):
    """Status, body, headers, log line and counts of a call are the same with the setting fast_path on and off."""
    fast, flask = (Seen(client, logged).sent(*CALLS[name]) for client in (open_service[0], flask_service))
    assert vars(fast) == vars(flask)
    assert (fast.status, len(flask.lines)) == (STATUSES[name], 1)


@pytest.mark.parametrize(("fast_path", "seen"), [(True, []), (False, [ORDER_SELECT])])
def test_what_an_extension_of_flask_sees(fast_path, seen, knowledge):
    """With the fast path off, an extension that hooks into Flask's requests sees hook calls."""
    app, paths = create_app(Settings(fast_path=fast_path), knowledge, clock=CLOCK), []
    app.before_request(lambda: paths.append(request.path))
    assert app.test_client().post(ORDER_SELECT, json=ARTICLE).json["cards"]
    assert paths == seen


def test_the_playgrounds_calls(open_service, logged):
    """A call that the playground marks is its own, both ways."""
    for headers in ({}, BROWSER):
        line = Seen(open_service[0], logged).sent(*CALLS["of the playground"][:2], MARK | headers).lines[0]
        assert line["client"] == "playground"


def test_what_is_kept(tmp_path, knowledge):
    """The rows of a card and of its decision are the same both ways."""
    url = store_in(tmp_path)
    with serving_with(url, knowledge) as (client, parts):
        for headers in ({}, BROWSER):
            assert client.session.post(client.base + ORDER_SELECT, json=ARTICLE, headers=headers).json()["cards"]
        assert parts.recorder.flush()
    cards = [row._asdict() | {"uuid": "", "shown_at": ""} for row in rows(Store(url), CARDS)]
    assert (len(cards), cards[0]) == (2, cards[1])
    assert [row.count for row in rows(Store(url), DECISIONS)] == [2]


def test_a_fault_of_ours(open_service, logged, monkeypatch):
    """A fault is 500, logged by its type and place alone, both ways."""
    client, parts = open_service
    monkeypatch.setitem(parts.__dict__, "new_id", None)
    for headers in ({}, BROWSER):
        seen = Seen(client, logged).sent(ORDER_SELECT, ARTICLE, headers)
        kinds = [(line["event"], line.get("error"), line.get("outcome")) for line in seen.lines]
        assert (seen.status, kinds) == (500, [("fault", "TypeError", None), ("call", None, "fault")])


@pytest.mark.parametrize("lost", ["decisions", "reasons"])
def test_a_fault_of_ours_in_telling(lost, open_service, logged, monkeypatch):
    """A call that cannot be logged or counted is answered with its card all the same, both ways."""
    monkeypatch.setattr(call_summary, lost, None)
    for headers in ({}, BROWSER):
        seen = Seen(open_service[0], logged).sent(ORDER_SELECT, ARTICLE, headers)
        assert (seen.status, [line.get("error") for line in seen.lines]) == (200, ["TypeError"])


def test_who_calls(tmp_path, knowledge, logged):
    """A token is asked for, used up, and its client named, both ways."""
    with authenticated_service(tmp_path, knowledge, LEAST) as found:
        seen = Seen(found.client, logged)
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": bearer(claimed={"aud": BASE})}):
            seen.both(ORDER_SELECT, ARTICLE, headers, 401)
        found.asked(ORDER_SELECT)  # the keys are read, and told, once
        tokens = [bearer(claimed={"aud": BASE + ORDER_SELECT}) for _ in range(2)]
        good = [
            seen.sent(ORDER_SELECT, ARTICLE, {"Authorization": token} | more)
            for token, more in zip(tokens, ({}, BROWSER), strict=True)
        ]
        assert vars(good[0]) == vars(good[1])
        assert good[0].status == 200
        for token in tokens:
            seen.both(ORDER_SELECT, ARTICLE, {"Authorization": token}, 401)


def test_too_often(tmp_path, knowledge, logged):
    """Calls are counted together, whichever way they come, and refused alike."""
    with serving_with(store_in(tmp_path), knowledge, calls_per_minute=2) as (client, _):
        seen = Seen(client, logged)
        statuses = [seen.sent(ORDER_SELECT, call(), headers).status for headers in ({}, BROWSER, {}, BROWSER)]
    assert statuses == [200, 200, 429, 429]


def until_answered(status, client) -> None:
    """Ask until a status comes: a slot is taken, and released, a moment after the client sees anything of it."""
    for _ in range(500):
        if client.post(call()).status_code == status:
            return
        time.sleep(0.02)
    pytest.fail(f"no {status} in ten seconds")


def holding_the_slot(port, head_of_request, client) -> socket.socket:
    """Return a connection whose request, without its body, holds the slot; one that came second is given up."""
    for pause in (0.2, 0.5, 1, 2, 4):
        held = socket.create_connection(("127.0.0.1", port), timeout=10)
        held.sendall(head_of_request)
        time.sleep(pause)
        if client.post(call()).status_code == 503:
            return held
        held.close()
    return pytest.fail("the request does not hold the slot")


def test_too_many_at_once(tmp_path, knowledge, logged):
    """Where no slot is free, both ways are refused at once; and whichever way a call came, it releases its slot."""
    with serving_with(store_in(tmp_path), knowledge, threads=1) as (client, _):
        seen, host = Seen(client, logged), client.base.removeprefix("http://")
        for headers in ({}, BROWSER):
            head = {"Host": host, "Content-Length": "2", "Connection": "close"} | JSON | headers
            lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
            head_of_request = f"POST {ORDER_SELECT} HTTP/1.1\r\n{lines}\r\n".encode()
            with holding_the_slot(int(host.partition(":")[2]), head_of_request, client) as held:
                straight, flask = (seen.sent(ORDER_SELECT, call(), more) for more in ({}, BROWSER))
                assert (straight.status, straight.answer, straight.counted) == (503, flask.answer, flask.counted)
                held.sendall(b"{}")
                assert held.makefile().readline().split()[1] == "422"
            until_answered(200, client)


def test_each_error_has_a_status():
    """Each error that a call can meet has an answer of its own."""
    answers = [error_handlers.error_response(kind.__new__(kind)) for kind in CallError.__subclasses__()]
    assert len(answers) > 10
    assert 500 not in {answer.status for answer in answers}


def test_an_error_without_a_status(logged):
    """An error that nobody gave a status is a fault of ours, and is logged as one."""
    assert error_handlers.error_response(CallError("x")).status == 500
    [line] = logged()
    assert (line["event"], line["error"], line["location"]) == ("fault", "CallError", None)

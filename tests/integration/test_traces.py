"""OpenTelemetry traces of the real server: what a collector gets, and that no collector can harm a call."""

import json
import re
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from cds_service.clock import SYSTEM_CLOCK
from cds_service.config import settings
from cds_service.config.settings import Settings
from cds_service.errors import SettingsError
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.web.app import create_app
from cds_service.web.services import app_services
from cds_service.web.traces import ATTRIBUTES
from tests.generative.hostile.canaries import BODIES, PLAYS, found
from tests.generative.hostile.test_canaries import asked, fetched, reported
from tests.support.authenticated_service import LEAST, written
from tests.support.odd_server import answers, holds, odd_server
from tests.support.service import CLOCK, ORDER_SELECT, Client, serving
from tests.support.serving import example, free_port, granian
from tests.support.signing import claims, header, key, signed
from tests.support.span_collector import Collector, attributes, collector

ROOT = Path(__file__).parents[2]
SERVICE = ORDER_SELECT.rpartition("/")[2]
FEEDBACK = f"{ORDER_SELECT}/feedback"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "canary=canary-5c1d"}
"""From the specification, W3C Trace Context."""


@contextmanager
def traced(received: Collector, monkeypatch, *arguments: str, **given: str):
    """Start the real server, which sends its spans to a collector."""
    for name, value in received.environment.items():
        monkeypatch.setenv(name, value)
    with granian(*arguments, traces="true", **given) as server:
        yield server


def post(client: Client, body: object, path: str = ORDER_SELECT, **headers: str):
    """Call with headers, and return the answer."""
    return client.session.post(client.base + path, json=body, headers=headers, timeout=30)


@pytest.fixture(params=["true", "false"])
def fast_path(request) -> str:
    """Give both ways of a hook call."""
    return request.param


def test_a_call_is_a_span_in_its_caller_s_trace(fast_path, monkeypatch):
    """A call with a card is a span, child of its caller's, with words and counts of ours and a child for each phase."""
    with collector() as received, traced(received, monkeypatch, fast_path=fast_path) as server:
        assert post(server.client, example(), **TRACEPARENT).json()["cards"]
        [call] = received.wait_for(1)
        phases = received.parts(call)
        assert server.stop() == 0, server.errors()
    assert (call.name, call.trace_id.hex(), call.parent_span_id.hex()) == ("cds-hooks order-select", TRACE, PARENT)
    assert call.trace_state == ""
    known = attributes(call)
    assert re.fullmatch(r"[\d.]+\+[0-9a-f]{12}", known.pop("plexus_cds.knowledge"))
    assert known == {
        "http.response.status_code": 200,
        "plexus_cds.service": SERVICE,
        "plexus_cds.hook": "order-select",
        "plexus_cds.outcome": "card",
        "plexus_cds.reasons": ("warning:in_reach:specific",),
        "plexus_cds.count.cards": 1,
        "plexus_cds.count.conditions": 1,
        "plexus_cds.count.procedures": 1,
        "plexus_cds.count.skipped": 0,
        "plexus_cds.count.other_patient": 0,
        "plexus_cds.count.not_sent": 0,
        "plexus_cds.count.ignored_keys": 0,
        "plexus_cds.count.unread": 0,
        "plexus_cds.prefetch.conditions": "bundle",
        "plexus_cds.prefetch.procedures": "bundle",
    }
    assert [phase.name for phase in phases] == ["read", "decide", "write"]
    assert call.start_time_unix_nano <= phases[0].start_time_unix_nano
    assert phases[-1].end_time_unix_nano <= call.end_time_unix_nano


def test_without_a_parent_a_call_begins_a_trace(fast_path, monkeypatch):
    """A traceparent that is missing or not valid begins a trace; one that says not to be recorded is heeded."""
    with collector() as received, traced(received, monkeypatch, fast_path=fast_path) as server:
        post(server.client, example(), traceparent=f"00-{TRACE}-{PARENT}-00")
        for sent in ({}, {"traceparent": "canary-5c1d"}, {"traceparent": f"00-{'0' * 32}-{PARENT}-01"}):
            post(server.client, example(), **sent)
        calls = received.wait_for(3)
        assert server.stop() == 0, server.errors()
    assert [call.parent_span_id for call in received.calls()] == [b""] * 3
    assert len({call.trace_id for call in calls}) == 3


def test_searches_of_the_fhir_server(fast_path, monkeypatch):
    """Each search of the FHIR server is a span within `fetch`, with its key, outcome and pages."""
    with odd_server() as fhir, collector() as received:
        fhir.stages(holds(), answers({}, 500))
        with traced(received, monkeypatch, "--development", fast_path=fast_path, fhir_servers=fhir.url) as server:
            body = example() | {"prefetch": {}, "fhirServer": fhir.url}
            assert post(server.client, body).status_code == 412
            [call] = received.wait_for(1)
            parts = received.parts(call)
            assert server.stop() == 0, server.errors()
    searches = [attributes(part) for part in parts if part.name == "search"]
    assert sorted(searches, key=lambda search: search["plexus_cds.search.key"]) == [
        {"plexus_cds.search.key": "conditions", "plexus_cds.search.outcome": "read", "plexus_cds.search.pages": 1},
        {
            "plexus_cds.search.key": "procedures",
            "plexus_cds.search.outcome": "not_answered",
            "plexus_cds.search.pages": 0,
        },
    ]
    [fetch] = [part for part in parts if part.name == "fetch"]
    for part in parts:
        if part.name == "search":
            assert fetch.start_time_unix_nano <= part.start_time_unix_nano < part.end_time_unix_nano


def test_the_store_that_an_answer_waits_for(fast_path, tmp_path, monkeypatch):
    """The look-up of a token and the writing of feedback are spans; a refused token is a span, too."""
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    migrate(Store(url))
    given = {"store_url": url, "clients_file": str(written(tmp_path, LEAST)), "public_url": "https://cds.example.org"}
    now = int(SYSTEM_CLOCK.now().timestamp())

    def authorization(path: str) -> dict[str, str]:
        claimed = claims(aud=f"{given['public_url']}{path}", iat=now, exp=now + 300, jti=str(uuid4()))
        return {"Authorization": f"Bearer {signed(header(), claimed, key('ES384'))}"}

    with collector() as received, traced(received, monkeypatch, fast_path=fast_path, **given) as server:
        once = authorization(ORDER_SELECT)
        statuses = [post(server.client, example(), **once).status_code for _ in range(2)]
        report = {"card": str(uuid4()), "outcome": "accepted", "outcomeTimestamp": "2026-11-22T08:30:00Z"}
        statuses += [post(server.client, {"feedback": [report]}, FEEDBACK, **authorization(FEEDBACK)).status_code]
        calls = received.wait_for(3)
        parts = [[part.name for part in received.parts(call)] for call in calls]
        assert server.stop() == 0, server.errors()
    assert statuses == [200, 401, 200]
    assert [call.name for call in calls] == ["cds-hooks order-select", "cds-hooks unknown", "cds-hooks feedback"]
    assert parts == [
        ["store", "authenticate", "read", "decide", "write"],
        ["store", "authenticate"],
        ["store", "store", "authenticate"],
    ]
    assert [attributes(call)["plexus_cds.outcome"] for call in calls[:2]] == ["card", "unauthenticated"]
    assert attributes(calls[0])["plexus_cds.client"] == "https://ehr.example.org"
    assert attributes(calls[2])["plexus_cds.feedback.accepted"] == 1


def test_no_canary_is_in_a_span(fast_path, tmp_path, monkeypatch):
    """Nothing of what calls, addresses, headers, feedback and FHIR servers hold is in what a collector gets."""
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    sinks: dict[str, str] = {}
    with odd_server() as fhir, collector() as received:
        given = {"fhir_servers": fhir.url, "store_url": url, "fast_path": fast_path}
        with traced(received, monkeypatch, "--development", **given) as server:
            server.client.session.headers.update(TRACEPARENT | {"baggage": "patient=canary-5c1d"})
            card = asked(server.client, sinks)
            reported(server.client, card, sinks)
            fetched(server.client, fhir, sinks)
            received.wait_for(len(BODIES) + len(PLAYS))
            assert server.stop() == 0, server.errors()
    spans = received.spans()
    sent = b"".join(request.SerializeToString() for request in received.requests).decode("utf-8", "replace")
    assert found({"spans": sent, "texts": "\n".join(map(str, spans))}) == []
    assert "canary" not in sent
    assert {name for span in spans for name in attributes(span)} <= ATTRIBUTES
    assert not any(span.events or span.links or span.status.message for span in spans)


@contextmanager
def hanging():
    """Give the port of a collector that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=100)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def gone():
    """Give a port that nothing listens on."""
    yield free_port()


@pytest.mark.parametrize("dead", [hanging, gone])
def test_a_dead_collector_harms_no_call(dead, fast_path, monkeypatch):
    """With a collector that is gone or hangs each call has its card, and the server stops as soon as ever."""
    with dead() as port, traced(Collector(port), monkeypatch, fast_path=fast_path) as server:
        for _ in range(30):
            assert server.client.cards(example())
        assert server.stop() == 0, server.errors()
        events = [json.loads(line)["event"] for line in server.errors().splitlines()]
    assert events.count("traces_not_sent") <= 1
    assert set(events) <= {"call", "traces_not_sent"}


def test_a_collector_that_fails_is_logged_once(monkeypatch):
    """A collector that refuses what it gets is one line in the log, however often it does, until it takes some."""
    with collector() as received, traced(received, monkeypatch) as server:
        for number, status in enumerate((400, 400, 200, 400), 1):
            received.status = status
            server.client.cards(example())
            received.wait_for(number)
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.errors().splitlines()]
    failed = [line for line in lines if line["event"] == "traces_not_sent"]
    assert [line.keys() for line in failed] == [{"time", "level", "event", "lost"}] * 2
    assert [line["lost"] for line in failed] == [4, 4]


def test_what_is_left_is_sent_at_the_end(knowledge, monkeypatch):
    """Under any WSGI server each kind of call is a span, and what waits is sent when the application ends."""
    with collector() as received, odd_server() as fhir:
        fhir.stages(holds(), holds())
        for name, value in (received.environment | {"OTEL_BSP_SCHEDULE_DELAY": "60000"}).items():
            monkeypatch.setenv(name, value)
        app = create_app(Settings(development=True, traces=True, fhir_servers=(fhir.url,)), knowledge, clock=CLOCK)
        with serving(app) as base, closing((client := Client(base)).session):
            client.post({})
            client.post(example() | {"prefetch": {}, "fhirServer": fhir.url})
            client.post({"feedback": 5}, FEEDBACK)
        assert received.spans() == []
        app_services(app).traces.close()
        assert sorted(call.name for call in received.calls()) == [
            "cds-hooks feedback",
            "cds-hooks order-select",
            "cds-hooks order-select",
        ]
        assert [span.name for span in received.spans()].count("search") == 2


def test_without_traces_nothing_of_it_is_loaded():
    """Where traces are off, no part of OpenTelemetry is imported, and no phase of a call is noted."""
    program = (
        "import sys; from cds_service.web.app import create_app; from cds_service.config.settings import Settings;"
        "app = create_app(Settings());"
        "print(app.extensions['plexus_cds'].traces, [name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "None []\n"


@pytest.mark.parametrize("look", [lambda _: None, lambda _: (_ for _ in ()).throw(ModuleNotFoundError)])
def test_without_the_extra_the_start_says_so(look, monkeypatch):
    """Traces that are on without their extra stop the start, with what to install."""
    monkeypatch.setattr(settings, "find_spec", look)
    monkeypatch.setenv("PLEXUS_CDS_TRACES", "true")
    with pytest.raises(SettingsError, match=r"^PLEXUS_CDS_TRACES: needs an extra: pip install 'plexus-cds\[traces\]'$"):
        settings.read_settings()


def test_the_page_has_each_attribute():
    """docs/operations.md has each attribute and no other; those of a kind together."""
    section = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("\n## Traces\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"`((?:plexus_cds|http)\.[\w.*]+)`", section))
    together = {re.sub(r"^(plexus_cds\.(?:count|prefetch|feedback))\..*", r"\1.*", name) for name in ATTRIBUTES}
    assert told == together

"""What /metrics counts, asked over HTTP as Prometheus does."""

import re
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from cds_service.config.settings import Settings
from cds_service.examples import searchset
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.web.app import create_app
from cds_service.web.authentication import CHECKS
from tests.support.authenticated_service import authenticated_service
from tests.support.metric_series import rises, series
from tests.support.notation import call
from tests.support.service import CLOCK, ORDER_SELECT, ORDER_SIGN, TODAY, Client, log_lines, serving

COUNTERS = ("calls", "decisions", "prefetch", "fetch", "feedback", "store_failures", "trials")
SERVICE = ORDER_SELECT.rpartition("/")[2]
CANARY = "canary-8c1f"


def asking(patient="prostate cancer", order="lumbar MRI", **members) -> dict:
    """Return a call, with members of its body changed."""
    return call({"patient": patient, "order": order, "also drafted": "", "call": ""}, TODAY) | members


def counted(outcome, service=SERVICE) -> dict:
    """Return the rise of the calls."""
    return {f"calls{{outcome={outcome},service={service}}}": 1}


def decided(outcome, reason, study="lumbar_spine_mri") -> dict:
    """Return the rise of the decisions."""
    return {f"decisions{{outcome={outcome},reason={reason},study={study}}}": 1}


def had(conditions, procedures="bundle") -> dict:
    """Return the rise of the prefetch states."""
    return {f"prefetch{{key=conditions,state={conditions}}}": 1, f"prefetch{{key=procedures,state={procedures}}}": 1}


def fetched(outcome, *keys) -> dict:
    """Return the rise of the searches."""
    return {f"fetch{{key={key},outcome={outcome}}}": 1 for key in keys}


@contextmanager
def site(tmp_path, knowledge, text="", **settings):
    """Serve the application with a site file; yields a client."""
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    app = create_app(Settings(site_file=str(file), **settings), knowledge, clock=CLOCK)
    with serving(app) as base, closing((client := Client(base)).session):
        yield client


UNREAD = fetched("no_server", "conditions", "procedures")
CALLS = {
    "card": (asking(), counted("card") | decided("card", "info") | had("bundle")),
    "warning": (
        asking(order="lumbar MRI [for leg weakness]"),
        counted("card") | decided("card", "warning") | had("bundle"),
    ),
    "nothing watched": (
        asking(order="cervical MRI"),
        counted("silent") | decided("silent", "nothing_watched", "none"),
    ),
    "no history": (asking(""), counted("silent") | decided("silent", "no_history") | had("bundle")),
    "emergency": (
        asking(order='lumbar MRI [for "cauda equina syndrome"]'),
        counted("silent") | decided("silent", "emergency") | had("bundle"),
    ),
    "no record": (asking(prefetch={}), counted("record") | had("absent", "absent") | UNREAD),
    "not JSON": (b"{", counted("not_json")),
    "no call": ({}, counted("not_a_call")),
    "too large": (b" " * (8 * 1024 * 1024 + 1), counted("too_large")),
}


@pytest.mark.parametrize(("body", "rise"), CALLS.values(), ids=CALLS)
def test_calls(body, rise, service):
    """Each call counts once by its outcome, each decision by study and reason, each key by its state; nothing else."""
    assert rises(service, lambda: service.post(body), *COUNTERS) == rise


def test_other_calls(service):
    """An unknown service, a wrong method and the other hook count; discovery, pages, preflights and probes do not."""
    unknown = counted("unknown_service", "unknown")
    assert rises(service, lambda: service.post(asking(), f"/cds-services/{CANARY}"), *COUNTERS) == unknown
    assert rises(service, lambda: service.get(ORDER_SELECT), *COUNTERS) == counted("method", "unknown")
    signed = asking(hook="order-sign", prefetch={"conditions": None, "procedures": None})
    rise = counted("silent", ORDER_SIGN.rpartition("/")[2]) | decided("silent", "no_history") | had("null", "null")
    assert rises(service, lambda: service.post(signed, ORDER_SIGN), *COUNTERS) == rise
    for path in ("/cds-services", "/", "/dashboard", "/livez", "/readyz", "/metrics", f"/{CANARY}"):
        assert rises(service, lambda path=path: service.get(path), *COUNTERS) == {}
    preflight = {"Origin": "http://localhost", "Access-Control-Request-Method": "POST"}
    asked = service.session.options
    assert rises(service, lambda: asked(service.base + ORDER_SELECT, headers=preflight, timeout=10), *COUNTERS) == {}


def test_shadow_and_kill_switch(tmp_path, knowledge):
    """In shadow mode a card counts as shadow; switched off, as silent with its reason."""
    with site(tmp_path, knowledge, f"cards.lumbosacral-plexus-mri.shadow.until = {TODAY + timedelta(1)}") as client:
        rise = counted("shadow") | decided("shadow", "info") | had("bundle")
        assert rises(client, lambda: client.post(asking()), *COUNTERS) == rise
    with site(tmp_path, knowledge, "cards.lumbosacral-plexus-mri.off = true") as client:
        rise = counted("silent") | decided("silent", "rule_off", "none")
        assert rises(client, lambda: client.post(asking()), *COUNTERS) == rise


CONDITION = {"resourceType": "Condition", "subject": {"reference": "Patient/p1"}}
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
STATES = {
    "bundle": searchset([]),
    "first_page": searchset([]) | {"link": [{"relation": "next", "url": "https://fhir.example/next"}]},
    "resource": CONDITION,
    "null": None,
    "failed": FAILED,
    "unreadable": 5,
}


@pytest.mark.parametrize(("state", "value"), STATES.items(), ids=STATES)
def test_prefetch_states(state, value, service):
    """What the client sent for a key is counted by its state, whether it could be used or not."""
    body = asking(prefetch={"conditions": value, "procedures": searchset([])})
    assert rises(service, lambda: service.post(body), "prefetch") == had(state)


def test_prefetch_states_of_more_keys(tmp_path, knowledge):
    """The keys that the site advertises beyond the usual are counted, too; those it does not are not."""
    with site(tmp_path, knowledge, 'prefetch = ["devices", "egfr"]') as client:
        body = asking()
        body["prefetch"] |= {"devices": FAILED, "allergies": FAILED, CANARY: FAILED}
        more = {"prefetch{key=devices,state=failed}": 1, "prefetch{key=egfr,state=absent}": 1}
        assert rises(client, lambda: client.post(body), "prefetch") == had("bundle") | more


TIMES = ("phase_seconds_count", "phase_seconds_sum")


@pytest.mark.parametrize(
    ("body", "phases"),
    [
        (asking(), ["decide", "read", "total", "write"]),
        (asking(prefetch={}), ["decide", "fetch", "read", "total"]),
        (b"{", ["read", "total"]),
    ],
)
def test_phases(body, phases, service, caplog):
    """Each phase that a call went through is timed once, those it did not are not, and the log line has them too."""
    caplog.set_level("INFO", "plexus_cds")
    rise = rises(service, lambda: service.post(body), *TIMES)
    assert {name for name in rise if "count" in name} == {f"phase_seconds_count{{phase={phase}}}" for phase in phases}
    parts = [rise[f"phase_seconds_sum{{phase={phase}}}"] for phase in phases if phase != "total"]
    assert 0 < sum(parts) <= rise["phase_seconds_sum{phase=total}"]
    line = log_lines(caplog)[-1]
    assert sorted([*line["phases_ms"], "total"]) == phases


def test_a_call_that_needs_no_record(service, caplog):
    """A call that is answered at once is timed in all, and only its log line has the phases."""
    caplog.set_level("INFO", "plexus_cds")
    rise = rises(service, lambda: service.post(asking(order="cervical MRI")), "phase_seconds_count")
    assert rise == {"phase_seconds_count{phase=total}": 1}
    line = log_lines(caplog)[-1]
    assert line["phases_ms"].keys() == {"read", "decide", "write"}


def test_feedback(service):
    """Reports count by their outcome, and as repeated when they come again; a body that is no feedback as refused."""
    report = {"card": str(uuid4()), "outcomeTimestamp": "2026-11-22T08:30:00Z"}
    reports = [report | {"outcome": outcome} for outcome in ("accepted", "overridden", CANARY)]
    path = f"{ORDER_SELECT}/feedback"
    rise = {f"feedback{{outcome={outcome}}}": 1 for outcome in ("accepted", "overridden", "unusable")}
    assert rises(service, lambda: service.post({"feedback": reports}, path), *COUNTERS) == rise
    again = {"feedback{outcome=repeated}": 2, "feedback{outcome=unusable}": 1}
    assert rises(service, lambda: service.post({"feedback": reports}, path), *COUNTERS) == again
    assert rises(service, lambda: service.post({"feedback": 5}, path), *COUNTERS) == {"feedback{outcome=refused}": 1}


def test_a_store_that_fails_is_counted(tmp_path, knowledge):
    """What could not be written, and feedback that was refused for it, are failures of the store; the card is none."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    report = {"card": "44dcbf3e-a90e-4503-8bd0-eb24a7bbe9e4", "outcome": "accepted", "outcomeTimestamp": "2026-01-01"}
    with site(tmp_path, knowledge, store_url=f"sqlite:///{tmp_path}/file/s.sqlite3") as client:
        assert rises(client, lambda: client.post(asking()), "calls") == counted("card")
        rise = rises(client, lambda: client.post({"feedback": [report]}, f"{ORDER_SELECT}/feedback"), *COUNTERS)
        assert rise["feedback{outcome=refused}"] == rise["store_failures{what=feedback}"] == 1
        assert series(client)["store_failures{what=write}"] >= 1


def test_what_is_in_force(service, knowledge):
    """The version of the knowledge and the time of the start are published."""
    found = series(service)
    assert found[f"knowledge_info{{version={knowledge.version}}}"] == 1
    assert 1.7e9 < found["start_time_seconds{}"] < 4e9


def state(client) -> dict[str, float]:
    """Return what an instance says of itself."""
    names = ("ready", "store_ready", "file_invalid")
    return {name: value for name, value in series(client).items() if name.partition("{")[0] in names and value != 1}


WELL = {"file_invalid{file=site_file}": 0, "file_invalid{file=clients_file}": 0}


def test_the_state_of_an_instance(tmp_path, knowledge):
    """A site file that is not valid, and a store that is gone, are 0 or 1 as soon as they are asked for."""
    migrate(Store(f"sqlite:///{tmp_path}/store.sqlite3"))
    with site(tmp_path, knowledge, store_url=f"sqlite:///{tmp_path}/store.sqlite3") as client:
        assert state(client) == WELL
        (tmp_path / "site.toml").write_text("of = true", encoding="utf-8")
        assert state(client) == {"file_invalid{file=clients_file}": 0}
        (tmp_path / "site.toml").write_text("off_ = 1", encoding="utf-8")
        (tmp_path / "store.sqlite3").unlink()
        assert state(client) == {"file_invalid{file=clients_file}": 0, "store_ready{}": 0}


def test_the_state_with_clients(tmp_path, knowledge):
    """A clients file that is not valid is told at once; without a store such an instance is not ready."""
    with authenticated_service(tmp_path, knowledge) as service:
        assert state(service.client) == WELL
        (tmp_path / "clients.toml").write_text("of = true", encoding="utf-8")
        assert service.client.get("/readyz").json()["clients_file"] == "wrong"
        assert state(service.client) == {"file_invalid{file=site_file}": 0}
        (tmp_path / "store.sqlite3").unlink()
        assert state(service.client) == {"file_invalid{file=site_file}": 0, "store_ready{}": 0, "ready{}": 0}


def test_nobody_can_plant_a_label(service):
    """No text of a client, wherever it stands, becomes a label, and no call adds a series."""
    before = series(service)
    body = asking(hookInstance=CANARY)
    body["context"] |= {"patientId": CANARY, "userId": CANARY}
    drafted = body["context"]["draftOrders"]["entry"][0]["resource"]
    drafted |= {"reasonCode": [{"text": CANARY}], "note": [{"text": CANARY}]}
    body["prefetch"][CANARY] = {"resourceType": CANARY}
    for path in (
        ORDER_SELECT,
        f"/cds-services/{CANARY}",
        f"{ORDER_SELECT}/feedback",
        f"/cds-services/{CANARY}/feedback",
    ):
        for sent in (body, body | {"hook": CANARY}, body | {"prefetch": {"conditions": {"resourceType": CANARY}}}):
            service.post(sent, path)
    service.get(f"/metrics?name[]={CANARY}")
    assert series(service).keys() == before.keys()
    assert CANARY not in service.get("/metrics").text


def test_every_series_is_there_from_the_start(service, knowledge):
    """Each reason for silence of each study has a series before it happens: a rate misses the first event otherwise."""
    found = series(service)
    for reason in knowledge.silences:
        for study in (*knowledge.watched, "none"):
            assert f"decisions{{outcome=silent,reason={reason},study={study}}}" in found


def test_every_word_is_told(service):
    """The operator's page has each metric and each value of a label that is not a word of cards/.

    The checks of a token are where their remedies are, all of them and in their order.
    """
    page, of_tokens = (
        (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")
        for name in ("operations.md", "authentication.md")
    )
    table = of_tokens.partition("| `reason` | how to fix it |\n|---|---|\n")[2].partition("\n\n")[0]
    checks = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert checks == [*CHECKS]
    words = set(re.findall(r"`(\w+)`", page))
    of_cards = r"(service|study|reason|version|key|le)=[^,}]*"
    documented = {re.sub(of_cards, "", name) for name in series(service)}
    values = {value for name in documented for value in re.findall(r"=(\w+)", name)}
    names = {re.sub(r"_(bucket|sum|count)$", "", name.partition("{")[0]) for name in documented}
    assert {"card", "not_listed", "first_page", "total"} < values
    assert values - words - {*checks} == set()
    assert {name for name in names if not {f"plexus_cds_{name}", f"plexus_cds_{name}_total"} & words} == set()


def test_it_can_be_switched_off(tmp_path, knowledge):
    """Where the site does not want it, there is no /metrics."""
    with site(tmp_path, knowledge, metrics=False) as client:
        assert client.get("/metrics").status_code == 404
        assert client.get("/livez").status_code == 200

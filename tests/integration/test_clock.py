"""The one clock: which day it is where the service runs, and that all parts go by it."""

import json
import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from cds_service import examples
from cds_service.cli import main
from cds_service.clock import SYSTEM_CLOCK, Clock
from cds_service.config.settings import Settings
from cds_service.store.tables import CARDS, DECISIONS, FEEDBACK
from cds_service.web.app import create_app
from cds_service.web.services import app_services
from tests.support.databases import rows
from tests.support.service import CLOCK, ORDER_SELECT, TODAY, Client, log_lines, serving

WEST, EAST = timezone(timedelta(hours=-8)), timezone(timedelta(hours=13))
"""Los Angeles and Auckland in November."""


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        ("2026-11-22T07:59:59Z", WEST, "2026-11-21"),
        ("2026-11-22T08:00:00Z", WEST, "2026-11-22"),
        ("2026-11-22T10:59:59Z", EAST, "2026-11-22"),
        ("2026-11-22T11:00:00Z", EAST, "2026-11-23"),
        ("2028-02-29T11:00:00Z", EAST, "2028-03-01"),
        ("2026-11-22T23:59:59Z", UTC, "2026-11-22"),
    ],
)
def test_the_day_is_that_of_the_place(moment, zone, day):
    """Midnight comes when it comes there, and not in UTC."""
    assert Clock(lambda: datetime.fromisoformat(moment), zone).today() == date.fromisoformat(day)


@pytest.mark.parametrize(("zone", "day"), [("XXX8", "2026-11-21"), ("XXX-13", "2026-11-22")])
def test_the_place_is_that_of_the_machine(zone, day, monkeypatch):
    """Where nothing else is said, it is the time zone of the machine that counts."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        found = Clock(lambda: datetime(2026, 11, 22, 7, tzinfo=UTC)).today()
    time.tzset()
    assert found == date.fromisoformat(day)


def test_the_moment_is_in_utc():
    """The machine's moments are in UTC, so that those of several machines can be compared."""
    first, second = SYSTEM_CLOCK.now(), SYSTEM_CLOCK.now()
    assert first <= second
    assert {first.tzinfo, second.tzinfo} == {UTC}


@pytest.mark.parametrize(("hour", "zone"), [(1, WEST), (23, EAST)])
def test_all_that_is_kept_is_of_one_day(hour, zone, store, store_url, knowledge):
    """Cards, decisions and feedback count on the day of the place, though it is another one in UTC."""
    utc = datetime(2026, 11, 22, hour, tzinfo=UTC)
    clock = Clock(lambda: utc, zone)
    app = create_app(Settings(store_url=store_url), knowledge, clock=clock)
    with serving(app) as base:
        client = Client(base)
        [card] = client.cards(examples.example("calls", "article", clock.today()))
        report = {"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": utc.isoformat()}
        assert client.post({"feedback": [report]}, f"{ORDER_SELECT}/feedback").status_code == 200
        client.session.close()
    app_services(app).recorder.close()
    [[shown], [decided], [reported]] = (rows(store, table) for table in (CARDS, DECISIONS, FEEDBACK))
    assert clock.today() != utc.date()
    assert {shown.day, decided.day, reported.received_day} == {clock.today()}
    assert {shown.shown_at, reported.received_at, reported.happened_at} == {utc}


def test_the_log_goes_by_the_clock(knowledge, caplog):
    """Each line has the moment of the clock that the application was given."""
    caplog.set_level("INFO", "plexus_cds")
    bodies = {ORDER_SELECT: examples.example("calls", "article", TODAY), f"{ORDER_SELECT}/feedback": {"feedback": []}}
    with serving(create_app(Settings(calls_per_minute=2), knowledge, clock=CLOCK)) as base:
        client = Client(base)
        found = [client.post(body, path).status_code for path, body in bodies.items()]
        found.append(client.get("/cds-services").status_code)
        client.session.close()
    assert found == [200, 200, 429]
    lines = log_lines(caplog)
    assert {line["time"] for line in lines} == {CLOCK.now().isoformat(timespec="milliseconds")}
    assert len(lines) == len(found)


def test_the_commands_go_by_the_clock(tmp_path, capsys):
    """An example is dated, and a shadow mode has ended, by the clock that the command was given."""
    assert main(["example", "article"], CLOCK) == 0
    assert json.loads(capsys.readouterr().out) == examples.example("calls", "article", TODAY)
    file = tmp_path / "site.toml"
    for days, has_ended in ((0, False), (-1, True)):
        file.write_text(f"cards.lumbosacral-plexus-mri.shadow.until = {TODAY + timedelta(days)}", encoding="utf-8")
        assert main(["check-config", str(file)], CLOCK) == 0
        output = capsys.readouterr().out
        assert (f"In effect on {TODAY}" in output, "shadow mode ended" in output) == (True, has_ended)

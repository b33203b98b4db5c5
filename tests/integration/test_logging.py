"""Every line of the log fits its schema, and docs/logging.md describes that schema and no other."""

import json
import os
import re
import shutil
import signal
import sqlite3
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cds_service.clock import SYSTEM_CLOCK
from cds_service.logs import EVENTS, FIELDS
from tests.integration.limits.test_overload import at_work
from tests.integration.test_metrics_workers import workers
from tests.support.authenticated_service import LEAST, written
from tests.support.corpus import call
from tests.support.service import ORDER_SELECT, log_lines
from tests.support.serving import STARTS_IN, Server, example, granian
from tests.support.signing import ISSUER, claims, header, key, signed

LEVELS = {"info", "warning", "error"}
PUBLIC = "https://cds.example.org"
FEEDBACK = f"{ORDER_SELECT}/feedback"
PAGE = (Path(__file__).parents[2] / "docs" / "logging.md").read_text(encoding="utf-8")
FULL = "CREATE TRIGGER full BEFORE INSERT ON cards BEGIN SELECT RAISE(ABORT, 'full'); END"


def faults(line: dict) -> list[str]:
    """Return what is wrong with a line of the log."""
    event = line.get("event")
    if event not in EVENTS:
        return [f"no such event: {line}"]
    wrong = [f"{event}: {name} is not listed" for name in line if name not in (*FIELDS, *EVENTS[event])]
    if tuple(line)[: len(FIELDS)] != FIELDS or line["level"] not in LEVELS:
        wrong.append(f"{event}: a line begins with {FIELDS}, and its level is one of {LEVELS}: {line}")
    elif not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"]):
        wrong.append(f"{event}: the time is {line['time']}")
    return wrong


def post(server: Server, path: str, body: object, kid: str = "ES384-1") -> int:
    """Send a body with a good token and return the status of the answer."""
    now = int(SYSTEM_CLOCK.now().timestamp())
    token = signed(header(kid=kid), claims(aud=PUBLIC + path, iat=now, exp=now + 300), key("ES384"), "ES384")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server.client.session.post(server.client.base + path, data=content, headers=headers, timeout=10).status_code


def rewrite(file: Path, text: str) -> None:
    """Change a file; its time of change always differs."""
    before = file.stat().st_mtime_ns
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(before + 1, before + 1))


def busy(server: Server, folder: Path) -> None:
    """Let nearly everything happen that has a line."""
    report = {"card": "44dcbf3e-a90e-4503-8bd0-eb24a7bbe9e4", "outcome": "accepted"}
    with sqlite3.connect(folder / "store.sqlite3") as database:
        database.execute(FULL)
    assert post(server, ORDER_SELECT, example()) == 200
    assert [post(server, ORDER_SELECT, body) for body in (b"{", {})] == [400, 422]
    assert post(server, "/cds-services/none", {}) == 404
    assert [post(server, FEEDBACK, {"feedback": reports}) for reports in ([report], [report], 5)] == [200, 200, 422]
    assert post(server, ORDER_SELECT, example(), kid="canary") == 401
    for name, texts in {
        "site.toml": ("cards.lumbosacral-plexus-mri.off = true", "off = "),
        "clients.toml": ((folder / "clients.toml").read_text(encoding="utf-8"), "issuer = 7"),
        "keys.json": ("{",),
    }.items():
        for text in texts:
            rewrite(folder / name, text)
            assert post(server, ORDER_SELECT, example()) == 200
    assert 429 in {post(server, ORDER_SELECT, example()) for _ in range(30)}


def test_every_line_of_a_busy_run(tmp_path):
    """Whatever a server logs has time, level and event first, and then fields that are listed for the event alone."""
    (tmp_path / "site.toml").write_text("", encoding="utf-8")
    settings = {
        "clients_file": str(written(tmp_path, LEAST)),
        "site_file": str(tmp_path / "site.toml"),
        "store_url": f"sqlite:///{tmp_path}/store.sqlite3",
        "public_url": PUBLIC,
        "calls_per_minute": "30",
    }
    with granian("--development", **settings) as server:
        busy(server, tmp_path)
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.errors().splitlines()]
    assert [fault for line in lines for fault in faults(line)] == []
    unseen = {"fault", "overloaded", "startup_failed", "dismissals_unavailable", "traces_not_sent"}
    assert {line["event"] for line in lines} == EVENTS.keys() - unseen
    assert {line["client"] for line in lines if "client" in line} == {ISSUER, ""}


def test_the_line_of_an_overload():
    """A refusal for too many requests at once fits the schema, too."""
    with granian(threads="1") as server, at_work(server, 1):
        assert server.client.post(call()).status_code == 503
        [line] = [json.loads(line) for line in server.errors().splitlines()]
    assert (line["event"], faults(line)) == ("overloaded", [])


def test_the_line_of_a_fault(service, caplog, monkeypatch):
    """A fault of ours has its kind and place, and no more."""
    caplog.set_level("INFO", "plexus_cds")
    monkeypatch.setattr("cds_service.web.call_summary.counts", None)
    assert service.post(call()).status_code == 200
    [line] = log_lines(caplog)
    assert (line["event"], faults(line)) == ("fault", [])
    assert set(line) == {*FIELDS, *EVENTS["fault"]}


@pytest.mark.parametrize("cause", ["a file of the site", "the machine"])
def test_the_line_of_a_worker_that_cannot_start(cause, tmp_path, monkeypatch):
    """A worker that takes another's place and cannot start says why in one line, and no traceback."""
    site, temporary = tmp_path / "site.toml", tmp_path / "temporary"
    site.touch()
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with granian(site_file=str(site)) as server:
        if cause == "the machine":
            [counts] = temporary.rglob("counter_*.db")
            with counts.open("r+b") as file:  # an entry that is longer than the file
                file.write(struct.pack("=iii", 60_000, 0, 1 << 30))
        else:
            site.write_text("of = true", encoding="utf-8")
            for folder in temporary.iterdir():  # with the last valid version
                shutil.rmtree(folder)
        os.kill(workers(server)[0], signal.SIGKILL)
        assert server.process.wait(STARTS_IN) == 1
        lines = [json.loads(line) for line in server.errors().splitlines()]
    assert [fault for line in lines for fault in faults(line)] == []
    assert {line["event"] for line in lines} == {"startup_failed"}
    if cause == "the machine":
        assert {(line["error"], "location" in line) for line in lines} == {("RuntimeError", True)}
    else:
        assert all(line["error"].startswith(f"{site}: of: is not known; ") for line in lines)


@pytest.mark.parametrize(
    "change", [{"text": "canary"}, {"level": "loud"}, {"event": "canary"}, {"time": "2026-11-22T07:16:44+01:00"}]
)
def test_a_line_that_does_not_fit_is_noticed(change):
    """An unlisted field, level or event, and another form of the time, are faults."""
    time = datetime(2026, 11, 22, tzinfo=UTC).isoformat(timespec="milliseconds")
    line = {"time": time, "level": "error", "event": "fault", "error": "KeyError", "location": "here:1"}
    assert faults(line) == []
    assert faults(line | change)


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def names(cell: str) -> tuple[str, ...]:
    """Return the names that a cell has."""
    return tuple(re.findall(r"`([^`]+)`", cell))


def test_the_page_has_every_event():
    """docs/logging.md lists each event with its fields, in their order, and says of each field what it is."""
    assert {names(event)[0]: names(fields) for event, _, _, fields in table("Events")} == EVENTS
    assert {name for cell, _ in table("Fields") for name in names(cell)} == {
        name for fields in EVENTS.values() for name in fields
    }


def test_the_examples_of_the_page():
    """Each event has an example, which fits the schema, at the level that its row has."""
    examples = [json.loads(line) for line in PAGE.splitlines() if line.startswith("{")]
    assert [fault for line in examples for fault in faults(line)] == []
    assert {line["event"] for line in examples} == EVENTS.keys()
    levels = {names(event)[0]: level for event, level, _, _ in table("Events")}
    assert all(line["level"] in levels[line["event"]] for line in examples)

"""Counts alone: nothing that identifies a person is in a report, on the terminal or left on the disk."""

import csv
import os
import re
import shutil
import signal
import threading
import time

import pytest

from cds_service.backtest import local
from cds_service.backtest.work_folder import WorkFolder
from tests.integration.backtest.command import condition, order, run, start, write
from tools.generate_export import generate

PRIVATE = ".plexus-cds-backtest"


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """Return an export each of whose texts, ids and references holds a mark of its own."""
    folder = tmp_path_factory.mktemp("marked")
    generate(folder, orders=2500, entries=10, seed=3, canaries=True)
    assert b"CANARY" in (folder / "Condition.000.ndjson").read_bytes()
    return folder


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """Return such an export that takes some seconds to replay, so that a run of it can be ended."""
    folder = tmp_path_factory.mktemp("long_run")
    generate(folder, orders=20_000, entries=10, seed=3, canaries=True)
    return folder


def wait_for(path, process) -> None:
    """Wait until a running back-test has written a file that matches; fail if it ends before."""
    deadline = time.monotonic() + 60
    while not list(path.parent.glob(path.name)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def everything_in(folder) -> bytes:
    """Return the names and contents of all files below a folder."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return b"".join(str(file).encode() + file.read_bytes() for file in files)


def test_no_mark_anywhere(marked, tmp_path):
    """No mark of an id, a text, a reference or a site's own code is in a file of the report or on the terminal."""
    summary, output, errors = run(marked, tmp_path, "--who", "--sample", 0, apart=True)
    assert summary["monitored"] > 1000
    assert b"CANARY" not in everything_in(tmp_path)
    assert "CANARY" not in output + errors
    assert not (tmp_path / PRIVATE).exists()


def test_a_mark_would_be_found(marked, tmp_path):
    """With nothing suppressed the same search finds marks, so that its silence means something."""
    run(marked, tmp_path, "--who", "--at-least", 1)
    assert b"CANARY" in everything_in(tmp_path)


def heed_ctrl_c() -> None:
    """Heed SIGINT, which a shell lets its background jobs, and so these tests, ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_ended(long_run, tmp_path, sent):
    """Ctrl-C and a stop from outside remove the private folder, and no report is written."""
    process = start(long_run, tmp_path, "--workers", 2, start_new_session=True, preexec_fn=heed_ctrl_c)
    wait_for(tmp_path / PRIVATE / "part-*", process)
    os.kill(process.pid, sent)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + sent
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in errors
    assert "CANARY" not in output + errors


def a_large_result(_shared, task):
    """Return more than a pipe holds, so that a worker that is killed has handed over a part of it."""
    return bytes(30_000_000 + task)


def end_after_the_first_result() -> None:
    """Work with two processes, and stop as Ctrl-C would, while more results are on their way."""
    results = local._each(a_large_result, range(20), None, 2)  # noqa: SLF001 - a stop at this very moment
    next(results)
    time.sleep(0.05)
    results.close()


def test_a_run_that_ends_does_not_wait_for_its_killed_workers():
    """A run that is ended while workers hand over large results does not wait for the rest of them."""
    run_to_end = threading.Thread(target=end_after_the_first_result, daemon=True)
    run_to_end.start()
    run_to_end.join(timeout=60)
    assert not run_to_end.is_alive()


def test_killed_run(marked, tmp_path):
    """What a killed run leaves is for its owner alone, its workers end with it, and the next run removes it."""
    process = start(marked, tmp_path, "--workers", 2, start_new_session=True)
    wait_for(tmp_path / PRIVATE / "part-*", process)
    assert (tmp_path / PRIVATE).stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / PRIVATE).glob("part-*")} == {0o600}
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while _is_alive(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert b"CANARY" in everything_in(tmp_path)
    run(marked, tmp_path, apart=True)
    assert b"CANARY" not in everything_in(tmp_path)
    assert not (tmp_path / PRIVATE).exists()


def _is_alive(group: int) -> bool:
    """Return whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_resumed_run(hospital, tmp_path):
    """With --resume a run that was ended goes on without reading the export again, and its report is the same."""
    run(hospital, tmp_path / "b")
    export = tmp_path / "export"
    shutil.copytree(hospital, export)
    process = start(export, tmp_path / "a", "--resume", "--workers", 1)
    wait_for(tmp_path / "a" / PRIVATE / "scanned.json", process)
    process.terminate()
    process.communicate(timeout=60)
    assert (tmp_path / "a" / PRIVATE / "scanned.json").exists()
    for file in export.iterdir():  # of the same size and time, but nothing to be read in it
        status = file.stat()
        file.write_bytes(b"\n" * status.st_size)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    run(export, tmp_path / "a", "--resume")
    assert not (tmp_path / "a" / PRIVATE).exists()
    assert (tmp_path / "a" / "summary.json").read_bytes() == (tmp_path / "b" / "summary.json").read_bytes()


def test_resumed_run_of_another_question(tmp_path):
    """What is kept for --resume is not used where the export or the question is another."""
    export = write(tmp_path / "export", ServiceRequest=[order()], Condition=[condition()])
    out = tmp_path / "out"
    (out / PRIVATE).mkdir(parents=True)
    (out / PRIVATE / "manifest").write_text("of another run", "utf-8")
    (out / PRIVATE / "scanned.json").write_text("{}", "utf-8")
    summary, *_ = run(export, out, "--resume", "--at-least", 1)
    assert summary["cards"]["total"] == 1


def test_one_run_at_a_time(marked, tmp_path):
    """Two runs do not share a folder: the second ends with a sentence, and the first goes on."""
    process = start(marked, tmp_path)
    wait_for(tmp_path / PRIVATE, process)
    *_, errors = run(marked, tmp_path, code=1)
    assert "another back-test writes to this folder" in errors
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_one_report_at_a_time(tmp_path):
    """Two runs with private folders of their own do not write the same report."""
    export = write(tmp_path / "export", ServiceRequest=[order()], Condition=[condition()])
    (tmp_path / "out").mkdir()
    (tmp_path / "work").mkdir()
    with WorkFolder(tmp_path / "out"):
        *_, errors = run(export, tmp_path / "out", "--work", tmp_path / "work", code=1)
    assert f"{tmp_path / 'out'}: another back-test writes to this folder" in errors
    assert list((tmp_path / "work").iterdir()) == []
    assert run(export, tmp_path / "out", "--work", tmp_path / "work", "--at-least", 1)[0]["cards"]["total"] == 1


def test_sample_is_marked(tmp_path):
    """A sample for chart review is a file of its own that says that it is patient data, for its owner alone."""
    export = write(
        tmp_path / "export",
        ServiceRequest=[order(number, f"p{number}") for number in range(9)],
        Condition=[condition(1, "p1"), condition(2, "p2"), condition(3, "p3")],
    )
    run(export, tmp_path / "out", "--sample", 2)
    file = tmp_path / "out" / "PATIENT-DATA-sample.csv"
    header, *rows = file.read_text("utf-8").splitlines()
    assert header.startswith("PATIENT DATA")
    assert [row.split(",")[3] for row in rows] == ["info"] * 2 + ["no_history"] * 2
    assert file.stat().st_mode & 0o777 == 0o600
    run(export, tmp_path / "out")
    assert not file.exists()


def test_places(tmp_path):
    """Clinicians and places are named where they are asked for, and with enough orders; others have enough together."""
    clinicians = [1 if number < 20 else 2 + number % 3 for number in range(45)]
    orders = [
        order(number, f"p{number}", requester={"reference": f"Practitioner/{clinician}"})
        for number, clinician in enumerate(clinicians)
    ]
    export = write(tmp_path / "export", ServiceRequest=orders, Condition=[condition(1, "p1")])
    assert run(export, tmp_path / "out")[0]["places"] is None
    places = run(export, tmp_path / "out", "--who")[0]["places"]
    (row,) = places
    assert (row["role"], row["reference"], row["monitored"], row["cards"]) == ("clinician", "Practitioner/1", 20, None)


@pytest.mark.parametrize("name", ["=cmd()", "MRI;=cmd()", ' "\t@cmd()', "\uff0bcmd()", "plain; x=1"])
def test_no_cell_is_a_formula(name, tmp_path):
    """A name of the site's own that a spreadsheet would run has an apostrophe in the tables, wherever it begins."""
    own = {"coding": [{"system": "urn:oid:1.2.3", "code": "X1", "display": f"MRI lumbar spine {name}"}], "text": name}
    orders = [order(number, f"p{number}", code=own, id=f"{name}{number}") for number in range(12)]
    export = write(tmp_path / "export", ServiceRequest=orders, Condition=[condition(1, "p1")])
    run(export, tmp_path / "out", "--sample", 2)
    for table in ("unmapped_orders.csv", "PATIENT-DATA-sample.csv"):
        with (tmp_path / "out" / table).open(encoding="utf-8", newline="") as file:
            cells = [text for row in csv.reader(file) for text in row]
        assert any("cmd" in text for text in cells) is ("cmd" in name)
        assert not any(re.search('(^|[;\t\r\n])[\\s"]*[=+@\uff0b]', text) for text in cells)

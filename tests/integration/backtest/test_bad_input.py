"""What cannot be used is counted by file, kind and first line; an export that is hopeless is told in one sentence."""

import gzip
import json
import subprocess
import sys

import pytest

from cds_service.backtest import export_files
from tests.integration.backtest.command import condition, order, run, write

LONG = 9 << 20
"""Bytes of a line that is longer than any resource: more than MOST_LINE_BYTES."""


def as_bytes(resource) -> bytes:
    """Return a resource as a line."""
    return json.dumps(resource).encode()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"null", "null"),
        (b"[1]", "a_list"),
        (b"5", "no_object"),
        (b'{"resourceType": "Condition", "subj', "not_json"),
        (b"\xff\xfe{", "not_utf8"),
        (b"{" + b"[" * 5000, "not_json"),
        (as_bytes({"resourceType": "Condition", "code": {}}), "no_subject"),
        (as_bytes(condition() | {"subject": {"reference": "Group/1"}}), "subject_is_no_patient"),
        (as_bytes(condition() | {"subject": {"reference": "Patient/a b"}}), "subject_is_no_patient"),
        (as_bytes(condition() | {"resourceType": "Observation"}), "another_type"),
        (as_bytes(condition(7))[:-2] + b"!}", "not_json"),
        (as_bytes(condition(1)), "duplicate"),
    ],
)
def test_unusable_lines_of_conditions(tmp_path, line, kind):
    """A Condition that cannot be used is counted with its line; the others bring the card."""
    rows = [as_bytes(condition(1)), b"", line, line]
    export = write(tmp_path / "export", ServiceRequest=[order()], Condition=rows)
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1)
    error = {"file": "Condition.000.ndjson", "kind": kind, "lines": 2, "first_line": 3}
    assert summary["errors"] == [error]
    assert summary["cards"]["total"] == 1


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"null", "null"),
        (b"{", "not_json"),
        (as_bytes(order(2, when=None)), "no_authored_on"),
        (as_bytes(order(2, when="2025-06")), "authored_on_is_no_day"),
        (as_bytes(order(2, when="yesterday")), "authored_on_is_no_day"),
        (as_bytes(order(2) | {"authoredOn": 5}), "authored_on_is_no_day"),
        (as_bytes(order(2) | {"subject": None}), "no_subject"),
        (as_bytes(condition()), "another_type"),
        (as_bytes(order(1)), "duplicate"),
    ],
)
def test_unusable_lines_of_orders(tmp_path, line, kind):
    """An order that cannot be used is counted with its line, and is no order."""
    export = write(tmp_path / "export", ServiceRequest=[order(1), line], Condition=[condition()])
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1)
    assert summary["errors"] == [{"file": "ServiceRequest.000.ndjson", "kind": kind, "lines": 1, "first_line": 2}]
    assert (summary["orders"], summary["cards"]["total"]) == (1, 1)


def test_entered_in_error(tmp_path):
    """An order that was entered in error is counted apart; a revoked one was an order when it was made."""
    rows = [order(1, status="entered-in-error"), order(2, status="revoked"), order(3, doNotPerform=True)]
    export = write(tmp_path / "export", ServiceRequest=rows, Condition=[condition()])
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1)
    assert summary["left_out"] == {"entered_in_error": 1}
    assert summary["cards"]["total"] == 1


def test_calls_that_the_server_refuses(tmp_path):
    """Orders that would be one call with more orders than the server reads are counted, and others are decided."""
    rows = [order(number) for number in range(201)]
    export = write(tmp_path / "export", ServiceRequest=[*rows, order(300, "b")], Condition=[condition(1, "b")])
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1)
    error = {"file": "ServiceRequest.000.ndjson", "kind": "not_decided", "lines": 201, "first_line": 1}
    assert summary["errors"] == [error]
    assert (summary["orders"], summary["cards"]["total"]) == (1, 1)


def test_forms_of_files(tmp_path):
    """BOM, CRLF, gzip, no newline at the end and a file without its type in its name are all read."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "part-1.ndjson").write_bytes(
        as_bytes({"resourceType": "Patient", "id": "a"}) + b"\n" + as_bytes(order(1))
    )
    (folder / "ServiceRequest.1.ndjson").write_bytes(b"\xef\xbb\xbf" + as_bytes(order(2, "b")) + b"\r\n")
    (folder / "Condition.1.ndjson.gz").write_bytes(gzip.compress(as_bytes(condition(1, "a")) + b"\n"))
    (folder / "deeper").mkdir()
    (folder / "deeper" / "Condition.2.ndjson").write_bytes(as_bytes(condition(2, "b")))
    (folder / "Patient.1.ndjson").write_bytes(as_bytes({"resourceType": "Patient", "id": "a"}))
    summary, *_ = run(folder, tmp_path / "out", "--at-least", 1)
    assert summary["errors"] == []
    assert summary["cards"]["total"] == 2
    assert summary["files_of_other_types"] == ["Patient.1.ndjson"]


def test_contained_resources_do_not_hide_the_patient(tmp_path):
    """A resource whose contained one comes first, of another type and patient, is its own patient's."""
    contained = [{"resourceType": "ServiceRequest", "id": "x", "subject": {"reference": "Patient/z"}}]
    first = {"contained": contained} | condition()
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "all.ndjson").write_bytes(as_bytes(first) + b"\n" + as_bytes({"contained": contained} | order()) + b"\n{")
    summary, *_ = run(folder, tmp_path / "out", "--at-least", 1)
    assert summary["cards"]["total"] == 1
    assert summary["errors"] == [{"file": "all.ndjson", "kind": "not_json", "lines": 1, "first_line": 3}]


def test_long_and_cut_lines(tmp_path):
    """A line of many megabytes and a gzip file that ends too early are counted; what is before them is read."""
    long = as_bytes(condition(3, note=[{"text": "x" * LONG}]))
    export = write(tmp_path / "export", ServiceRequest=[order()], Condition=[long, condition(1)])
    whole = gzip.compress(b"\n".join(as_bytes(condition(number, "z")) for number in range(2000)))
    (export / "Condition.001.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1)
    cut, too_long = sorted(summary["errors"], key=lambda row: row["kind"])
    assert (too_long["kind"], too_long["first_line"]) == ("too_long", 1)
    assert (cut["kind"], cut["lines"]) == ("cut_off", 1)
    assert cut["first_line"] > 1
    assert summary["cards"]["total"] == 1


def test_lines_are_numbered_over_chunks(tmp_path, monkeypatch):
    """In a file that is read in several chunks the first line of a fault is that of the file."""
    monkeypatch.setattr(export_files, "CHUNK_BYTES", 300)
    path = tmp_path / "Condition.ndjson"
    lines = [as_bytes(condition(number)) for number in range(50)]
    path.write_bytes(b"\n".join(lines))
    file = export_files.ExportFile(path, path.name, "Condition", path.stat().st_size)
    chunks = export_files.chunks_of(file)
    assert len(chunks) > 20
    assert [line for chunk in chunks for line in export_files.lines_of(chunk)] == lines


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "there is no NDJSON file here"),
        ({"Condition.ndjson": ""}, "no file of ServiceRequest is here"),
        ({"ServiceRequest.ndjson": ""}, "no file of Condition is here"),
    ],
)
def test_hopeless_exports(tmp_path, files, says):
    """An export in which nothing can be replayed ends with one sentence that says what is missing."""
    folder = tmp_path / "export"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    _, output, errors = run(folder, tmp_path / "out", code=1)
    assert output == ""
    assert errors.startswith("plexus-cds: ")
    assert says in errors
    assert errors.count("\n") == 1


def test_no_orders_at_all(tmp_path):
    """An export without a monitored order has a report that says so; without Procedures it says that, too."""
    export = write(tmp_path / "export", ServiceRequest=[], Condition=[condition()])
    (export / "Procedure.000.ndjson").unlink()
    summary, output, errors = run(export, tmp_path / "out")
    assert summary["cards"]["total"] == 0
    assert output.startswith("The export has no order that this service monitors")
    assert "The export has no Procedure" in errors
    assert "The export has no Procedure" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_share_of_unusable_lines(tmp_path):
    """Above the share of --fail-above the exit code is 1, and the report is there all the same."""
    export = write(tmp_path / "export", ServiceRequest=[order(), b"null"], Condition=[condition(), b"null"])
    assert run(export, tmp_path / "a", "--fail-above", 50)[0]["orders"] is None
    summary, _, errors = run(export, tmp_path / "b", "--fail-above", 49, code=1)
    assert len(summary["errors"]) == 2
    assert "2 of 4 lines could not be used (50.00 %)" in errors


def test_full_disk(hospital, tmp_path):
    """A disk that is full ends the run with one line and no half report, and an older report stays."""
    export = write(tmp_path / "export", ServiceRequest=[order()], Condition=[condition()])
    run(export, tmp_path / "out")
    before = (tmp_path / "out" / "summary.json").read_bytes()
    command = f'ulimit -f 200; exec "$0" -m cds_service backtest {hospital} --out {tmp_path / "out"}'
    done = subprocess.run(["bash", "-c", command, sys.executable], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No report was written. Free some space" in done.stderr
    assert (tmp_path / "out" / "summary.json").read_bytes() == before
    assert not [file for file in (tmp_path / "out").iterdir() if file.name.startswith(".")]


def test_full_disk_of_the_report(tmp_path):
    """Where the report alone does not fit, nothing of it stays, and the line says which folder is full."""
    export = write(tmp_path / "export", ServiceRequest=[order()], Condition=[condition()])
    out, work = tmp_path / "out", tmp_path / "work"
    work.mkdir()
    arguments = f"backtest {export} --out {out} --work {work} --workers 1 --sample 1"
    command = f'ulimit -f 4; exec "$0" -m cds_service {arguments}'
    done = subprocess.run(["bash", "-c", command, sys.executable], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"{out}: File too large. No report was written. Free some space, or give another --out." in done.stderr
    assert list(out.iterdir()) == []
    assert list(work.iterdir()) == []


def test_missing_file(tmp_path):
    """A link to a file that is missing ends the run with a sentence: without it the counts would be too low."""
    export = write(tmp_path / "export", ServiceRequest=[order()], Condition=[condition()])
    (export / "Condition.001.ndjson").symlink_to(tmp_path / "gone.ndjson")
    *_, errors = run(export, tmp_path / "out", code=1)
    assert "Condition.001.ndjson: this file is a link to one that is missing." in errors
    assert errors.count("\n") == 1

"""The back-test as an analyst runs it: the command on an export of files."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from cds_service.cli import main
from tests.support.service import CLOCK

ICD, CPT = "http://hl7.org/fhir/sid/icd-10-cm", "http://www.ama-assn.org/go/cpt"
LUMBAR_MRI = "72148"
ORDERED = "2025-06-02T10:00:00+00:00"


def start(export: Path | None, out: Path, *options, env=None, **popen) -> subprocess.Popen:
    """Start a back-test."""
    command = [sys.executable, "-m", "cds_service", *_arguments(export, out, *options)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | (env or {}), **popen
    )


def _arguments(export: Path | None, out: Path, *options) -> list[str]:
    """Return the arguments of the command; without an export the options name a table."""
    return ["backtest", *([] if export is None else [str(export)]), "--out", str(out), *map(str, options)]


def run(
    export: Path | None, out: Path, *options, code: int = 0, env=None, apart: bool = False
) -> tuple[dict, str, str]:
    """Run a back-test that must end with this exit code; returns its summary, output and errors.

    It runs within the test process, where knowledge is read once; `apart` in a process of its own, with its workers.
    """
    if apart:
        process = start(export, out, *options, env=env)
        output, errors = process.communicate(timeout=300)
        ended = process.returncode
    else:
        arguments = [*_arguments(export, out, *options), "--workers", "1"]
        stdout, stderr = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            ended = main(arguments, CLOCK)
        output, errors = stdout.getvalue(), stderr.getvalue()
    assert ended == code, errors
    file = out / "summary.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else {}, output, errors


def order(number: int = 1, patient: str = "a", when: str | None = ORDERED, **members) -> dict:
    """Return an order for a lumbar MRI, as an export has it."""
    return {
        "resourceType": "ServiceRequest",
        "id": f"o{number}",
        "status": "completed",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": CPT, "code": LUMBAR_MRI}]},
        **({} if when is None else {"authoredOn": when}),
        **members,
    }


def condition(
    number: int = 1, patient: str = "a", when: str | None = "2024-01-01", code: str = "C61", **members
) -> dict:
    """Return a Condition, prostate cancer by default."""
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": ICD, "code": code}]},
        **({} if when is None else {"recordedDate": when}),
        **members,
    }


def write(folder: Path, **lines) -> Path:
    """Write an export of resources, or of lines as they are, by resource type; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, rows in ({"Procedure": []} | lines).items():
        texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        (folder / f"{kind}.000.ndjson").write_bytes(b"".join(text + b"\n" for text in texts))
    return folder

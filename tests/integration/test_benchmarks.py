"""The benchmarks run, judge by the goals, and never measure a wrong answer."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.bodies import SMALL, UNWATCHED, as_bytes, hook_call
from benchmarks.goals import outcomes
from benchmarks.load import Load, load
from benchmarks.machine import BenchmarkError, cores
from tests.support.service import ORDER_SELECT

ROOT = Path(__file__).parents[2]


def benchmarks(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command of the benchmarks to its end."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=dict(os.environ) | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_quick_run(tmp_path):
    """One subject is measured at 1 and at 8 connections, and the results name no folder of this machine."""
    done = benchmarks("--quick", "--only", "unwatched", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [row["connections"] for row in results["rows"]] == [1, 8]
    assert all(row["calls"] > 0 and row["resident_kib"] > 0 and row["start_seconds"] > 0 for row in results["rows"])
    assert "| (b) | unwatched |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
    written = "".join(file.read_text() for file in tmp_path.iterdir())
    assert not [name for name in (str(ROOT), str(tmp_path)) if name in written]


@pytest.fixture
def right(service, tmp_path) -> Load:
    """Return an unwatched order with what is answered to it."""
    body = tmp_path / "body.json"
    body.write_bytes(as_bytes(hook_call(UNWATCHED, SMALL)))
    answer = service.post(body.read_bytes()).content
    return Load(ORDER_SELECT, (body,), frozenset({len(answer)}), '"cards"')


def test_right_answers(right, service):
    """Where all answers are right, there is a measurement."""
    measured = load(urlsplit(service.base).port, right, 1, 1, cores()[1])
    assert measured.calls > 0
    assert measured.p50 <= measured.p99


WRONG = {
    "another length": {"lengths": frozenset({5})},
    "another text": {"marker": "summary"},
    "another status": {"path": "/cds-services/there-is-none"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_wrong_answers(change, right, service):
    """Each answer is checked while the load is on: a single wrong one, and there is no measurement."""
    with pytest.raises(BenchmarkError, match="were wrong"):
        load(urlsplit(service.base).port, replace(right, **change), 1, 1, cores()[1])


REFUSED = {
    "wrk is missing": ((), {"PATH": ""}, "wrk is missing: install it"),
    "no such subject": (("--only", "b,zebra"), {}, "--only: zebra is not one of"),
}


@pytest.mark.parametrize(("arguments", "environment", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(arguments, environment, message):
    """What stands in the way of measuring is said in a line, with what to do."""
    done = benchmarks(*arguments, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"benchmarks: {message}")


def row(number: int, subject: str, per_second: float, **more) -> dict:
    """Return a row of the results at 8 connections."""
    return {"round": number, "subject": subject, "connections": 8, "per_second": per_second, "p99": 1} | more


def test_what_a_byte_costs():
    """The search prints the worst of both ways with their multiples, and exits with 1 where the goal is missed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.byte_costs", "--kilobytes", "8", "--minutes", "0.02"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    *_, last = lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("8 kB")] == ["8 kB, fast path", "8 kB, Flask"]
    multiples = [float(line.split()[0]) for line in lines if " <- " in line]
    assert len(multiples) > 2
    assert last.endswith(f"the worst byte costs {max(multiples):.1f}.")
    assert (done.returncode, "missed" in last) == ((1, True) if max(multiples) > 3 else (0, False))


GOALS = {
    "a ratio, met": ([row(1, "bare", 100), row(1, "card", 35)], [0.35], True),
    "a ratio, missed": ([row(1, "bare", 100), row(1, "card", 34)], [0.34], False),
    "the median of the rounds": (
        [*(row(at, "bare", 100) for at in (1, 2, 3)), *(row(at, "card", at * 20) for at in (1, 2, 3))],
        [0.4],
        True,
    ),
    "what a token adds": ([row(1, "unwatched", 1e4), row(1, "es384", 2e3, verification_us=400)], [1.0], True),
    "a token that adds too much": (
        [row(1, "unwatched", 1e4), row(1, "es384", 1e3, verification_us=400)],
        [2.25],
        False,
    ),
}


@pytest.mark.parametrize(("rows", "medians", "is_met"), GOALS.values(), ids=GOALS)
def test_goals(rows, medians, is_met):
    """A goal is met or missed by the median of the ratios of each round."""
    [outcome] = outcomes(rows, [])
    assert ([value[0] for value in outcome.values.values()], outcome.is_met) == (pytest.approx(medians), is_met)


MEMORY = {"flat": ([100, 150, 150, 151], True), "growing": ([100, 150, 160, 170], False)}


@pytest.mark.parametrize(("kib", "is_met"), MEMORY.values(), ids=MEMORY)
def test_memory(kib, is_met):
    """Memory is flat where the second half of the calls adds next to nothing."""
    [outcome] = outcomes([], [{"calls": at * 10_000, "resident_kib": resident} for at, resident in enumerate(kib)])
    assert outcome.is_met is is_met

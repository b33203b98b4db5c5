"""`python -m tools.other_days [PYTEST OPTION ...]`: runs the tests whose answers depend on dates as of other days.

libfaketime (Debian's `faketime`) gives each run its moment and its time zone; where it is shortly before midnight, the
next day has to come during the run. tests/other_days.csv says which tests run, and why the others are left out.
"""

import csv
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cds_service.clock import SYSTEM_CLOCK

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
TABLE = TESTS / "other_days.csv"
ZONES = Path("/usr/share/zoneinfo")
BEFORE_MIDNIGHT = "23:59:45"
MOMENTS = (
    ("UTC", "2027-03-01 12:00:00"),
    ("UTC", "2028-02-29 12:00:00"),
    ("Pacific/Auckland", f"2026-12-31 {BEFORE_MIDNIGHT}"),
    ("America/Los_Angeles", f"2026-12-31 {BEFORE_MIDNIGHT}"),
)
AT_ONCE = 2

ENVIRONMENT = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
"""Durations and the times of files are the machine's."""


def main(options: Sequence[str]) -> int:
    """Run the tests as of each moment; return 0 where all pass."""
    lacking = [zone for zone, _ in MOMENTS if not (ZONES / zone).exists()]
    if lacking or not shutil.which("faketime"):
        sys.exit("This needs faketime and tzdata: on Debian, apt-get install faketime tzdata")
    if unknown := unnamed():
        sys.exit(f"{TABLE.name} does not say whether these run: {', '.join(unknown)}")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        codes = list(pool.map(lambda moment: run(*moment, options), MOMENTS))
    return int(any(codes))


def table() -> dict[str, str]:
    """Return why each folder, file or test is left out, or no text for what runs."""
    with TABLE.open(encoding="utf-8") as lines:
        return {row["tests"]: row["left_out_because"] for row in csv.DictReader(lines)}


def unnamed() -> list[str]:
    """Return the files of tests that the table does not name, nor a folder of theirs."""
    files = [file.relative_to(TESTS) for file in TESTS.rglob("test_*.py")]
    return sorted(str(file) for file in files if table().keys().isdisjoint(map(str, (file, *file.parents))))


def run(zone: str, moment: str, options: Sequence[str]) -> int:
    """Run this very script as of a moment, print its output, and return its exit code."""
    began = time.monotonic()
    command = ["faketime", "-f", f"@{moment}", sys.executable, "-m", "tools.other_days", "--now", moment, *options]
    done = subprocess.run(  # noqa: S603 - this script, by commands of its own
        command,
        env={**os.environ, **ENVIRONMENT, "TZ": zone},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"{zone}, {moment}: {time.monotonic() - began:.0f} s\n{done.stdout}", flush=True)
    return done.returncode


def run_now(moment: str, options: Sequence[str]) -> int:
    """Run the tests in this process; fail where midnight was to come and did not."""
    first = SYSTEM_CLOCK.today()
    time.sleep = sleep
    with TemporaryDirectory() as folder:
        chosen = [str(TESTS / name) for name, why in table().items() if not why]
        left_out = [f"--deselect=tests/{name}" for name, why in table().items() if why]
        quiet = ["--quiet", "-p", "no:cacheprovider", f"--basetemp={folder}/tests"]
        code = pytest.main(["--in-process", f"--rootdir={ROOT}", *quiet, *left_out, *options, *chosen])
    if moment.endswith(BEFORE_MIDNIGHT) and SYSTEM_CLOCK.today() == first:
        print("Midnight did not come during the run: begin it later.")
        return 1
    return code


def sleep(seconds: float) -> None:
    """Sleep as `time.sleep` does: libfaketime refuses the way in which that asks for it where durations are real."""
    select.select([], [], [], seconds)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(run_now(arguments[1], arguments[2:]) if arguments[:1] == ["--now"] else main(arguments))

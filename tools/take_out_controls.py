"""Takes out each control of the hazard log in a copy of the repository, and runs the test that proves it.

Usage: python -m tools.take_out_controls [C-01 ...]   (default: all; exit 1 where one survives or cannot be tried)

A row of docs/safety/controls.csv says how: in `file`, every `old` becomes `new`. A control is caught where its test
fails, or where the service refuses to start with what is left; it survives where the test still passes. Before that
every test is run with all controls in place: one that fails anyway proves nothing, and its controls are not tried.
"""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[1]
CONTROLS = ROOT / "docs" / "safety" / "controls.csv"
COPIED = ("cards", "cds_service", "docs", "fixtures", "tests", "tools", "pyproject.toml", "setup.cfg")
INSIDE = ("cards", "fixtures")
"""The folders at the top of the repository that are inside the package when that is installed."""

CAUGHT, REFUSED, SURVIVED, BROKEN = "caught", "caught, refused at the start", "survived", "not run"
AT_ONCE = 2
SECONDS = 300


class Copy:
    """A copy of what the tests need, in which `cds_service` is imported before the installed one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source, target = ROOT / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
        for name in INSIDE:
            (folder / "cds_service" / name).symlink_to(folder / name)

    def without(self, control: dict[str, str]) -> str:
        """Return what becomes of a test without its control, which is put back afterwards."""
        file = self.folder / control["file"]
        before = file.read_text(encoding="utf-8")
        if control["old"] not in before:
            return f"{BROKEN}: {control['file']} does not have what is to be taken out"
        try:
            file.write_text(before.replace(control["old"], control["new"]), encoding="utf-8")
            return _verdict(*self.run(control["test"]))
        finally:
            file.write_text(before, encoding="utf-8")

    def run(self, *tests: str) -> tuple[int, str]:
        """Run tests, and return the exit code of pytest and what it printed."""
        command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", *tests]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self.folder)}
        done = subprocess.run(  # noqa: S603 - the tests are named by a table of ours
            command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment
        )
        return done.returncode, done.stdout + done.stderr


def _verdict(code: int, output: str) -> str:
    """Return what the exit code and the output of pytest mean for the control that was taken out."""
    if code == 0:
        return SURVIVED
    if code == 1 and "errors.KnowledgeError" in output and "\nERROR " in output:
        return REFUSED
    if code == 1 and "\nFAILED " in output:
        return CAUGHT
    return f"{BROKEN}: {' '.join(output[-300:].split())}"


def verdicts(controls: list[dict[str, str]], copies: list[Copy]) -> Iterator[str]:
    """Yield the verdict on each control, in their order; each copy is used for one at a time."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def try_control(control: dict[str, str]) -> str:
        copy = free.get()
        try:
            return copy.without(control)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        yield from pool.map(try_control, controls)


def main(wanted: list[str]) -> int:
    """Try the controls, print what became of each, and the figures."""
    with CONTROLS.open(encoding="utf-8", newline="") as file:
        controls = [row for row in csv.DictReader(file) if not wanted or row["control"] in wanted]
    with tempfile.TemporaryDirectory() as folder:
        copies = [Copy(Path(folder) / str(number)) for number in range(AT_ONCE)]
        tests = dict.fromkeys(row["test"] for row in controls)
        code, output = copies[0].run(*tests)
        if code > 1:
            print(output)
            return 1
        failing = {test for test in tests if f"\nFAILED {test}" in output or f"\nERROR {test}" in output}
        print(f"With all controls in place {len(tests) - len(failing)} of {len(tests)} tests pass.", flush=True)
        for test in sorted(failing):
            print(f"  fails: {test}")
        sound = [row for row in controls if row["test"] not in failing]
        figures: Counter[str] = Counter()
        for control, verdict in zip(sound, verdicts(sound, copies), strict=True):
            figures[verdict.partition(":")[0]] += 1
            print(f"{control['control']} {verdict}: {control['words']}", flush=True)
    caught = figures[CAUGHT] + figures[REFUSED]
    print(
        f"{caught} of {len(controls)} controls are caught when taken out ({figures[REFUSED]} refused at the start), "
        f"{figures[SURVIVED]} survive, {len(controls) - caught - figures[SURVIVED]} could not be tried."
    )
    return 0 if controls and caught == len(controls) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

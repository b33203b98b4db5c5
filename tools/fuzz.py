"""Send the service made-up bodies for some minutes, and save each one that it answers wrongly.

python -m tools.fuzz --minutes 10 [--seed 7] [--save FOLDER] [--instances]

The bodies and the checks are those of tests/generative/hostile/test_fuzz.py, with another seed each time. What is found
becomes a test: the saved body says of which kind it is, and what was wrong. With --instances, two servers on one
PostgreSQL behind nginx get the bodies, and requests of odd bytes; one is killed meanwhile: see fuzz_instances.py.
"""

import argparse
import json
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

BATCH = {
    "plain": 500,
    "valid": 60,
    "nearly valid": 150,
    "hostile": 60,
    "broken": 300,
    "feedback": 300,
    "reports": 60,
    "bytes": 500,
    "odd JSON": 150,
}
"""Bodies of one kind before the next kind is due; of those that are quick to make and to judge there are more."""


Check = Callable[[str, Any], list[str]]
"""Sends a body of one kind, and returns what is wrong with the answers."""


class Run:
    """What was sent so far, and what was wrong."""

    def __init__(self, check: Check, ends: float, save: Path) -> None:
        self.check, self.ends, self.save = check, ends, save
        self.cases: Counter[str] = Counter()
        self.faults: dict[str, Path] = {}
        self.slowest = 0.0

    def batch(self, kind: str, bodies: Any, number: int) -> None:
        """Send bodies of one kind; the smallest one that is answered wrongly is saved."""
        failed: list[Any] = [None, ["the check itself failed"]]

        @seed(number)
        @settings(
            max_examples=BATCH[kind],
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=HealthCheck,
        )
        @given(body=bodies)
        def sent(body: Any) -> None:
            if faults := self.send(kind, body):
                failed[:] = body, faults
            assert not faults

        try:
            sent()
        except Exception:  # noqa: BLE001 - whatever it is, it was found
            self.keep(kind, number, *failed)

    def send(self, kind: str, body: Any) -> list[str]:
        """Return what is wrong with the answers to one body; nothing once the time is over."""
        began = time.monotonic()
        if began > self.ends:
            return []
        self.cases[kind] += 1
        try:
            faults = self.check(kind, body)
        except Exception as error:  # noqa: BLE001 - an answer that a check cannot read is one more fault
            faults = [f"{type(error).__name__}: {error}"]
        self.slowest = max(self.slowest, time.monotonic() - began)
        return faults

    def keep(self, kind: str, number: int, body: Any, faults: list[str]) -> None:
        """Save a body, and what was wrong with its answers."""
        fault = "; ".join(faults)
        if fault in self.faults:
            return
        self.faults[fault] = file = self.save / f"fuzz-{kind.replace(' ', '-')}-{number}.json"
        file.write_text(json.dumps({"kind": kind, "faults": faults, "body": body}, default=repr, indent=1), "utf-8")
        print(f"FAULT {kind}: {fault:.400}\n  saved as {file}", flush=True)


@contextmanager
def one_process() -> Iterator[tuple[Check, Mapping[str, Any], list[str]]]:
    """Yield the check of the application in this process, the kinds of bodies, and faults that show at the end."""
    from tests.generative.hostile.fuzzing import KINDS, Service, faults  # noqa: PLC0415 - it needs this run's state folder

    with TemporaryDirectory() as folder:
        service = Service(f"sqlite:///{folder}/store.sqlite3")
        yield lambda kind, body: faults(service, kind, body), KINDS, []
        service.stop()


def fuzz(minutes: float, first: int, save: Path, *, instances: bool) -> int:
    """Fuzz for some minutes; returns how many different faults there are."""
    from tools.fuzz_instances import two_instances  # noqa: PLC0415 - likewise

    with (two_instances if instances else one_process)() as (check, kinds, at_the_end):
        run = Run(check, time.monotonic() + minutes * 60, save)
        numbers, kinds_in_turn = count(first), cycle(kinds.items())
        while time.monotonic() < run.ends:
            run.batch(*next(kinds_in_turn), next(numbers))
    for fault in at_the_end:
        run.keep("whole run", first, None, [fault])
    by_kind = ", ".join(f"{kind} {cases}" for kind, cases in run.cases.items())
    print(f"seed {first}, minutes {minutes:g}, cases {run.cases.total()} ({by_kind})")
    print(f"slowest case {run.slowest:.2f} s (a case is up to three requests and all checks)")
    print(f"faults {len(run.faults)}")
    return len(run.faults)


def main() -> int:
    """Read the command line and fuzz; 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="default: another one each time")
    parser.add_argument("--save", type=Path, default=Path.cwd(), help="where bodies that are answered wrongly go")
    parser.add_argument("--instances", action="store_true", help="two servers on one PostgreSQL, one killed meanwhile")
    options = parser.parse_args()
    options.save.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, minutes {options.minutes:g}", flush=True)
    with TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        return min(1, fuzz(options.minutes, options.seed, options.save, instances=options.instances))


if __name__ == "__main__":
    sys.exit(main())

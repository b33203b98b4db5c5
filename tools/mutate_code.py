"""Damages the decision and the reading of the knowledge, one expression at a time, and asks whether the tests notice.

Usage: python -m tools.mutate_code [--minutes N] [MODULE ...]   (default: all modules; prints what is not caught)

The mutants are mutmut's, in a random order that is always the same: those that N minutes are enough for are a fair
sample. Each is made in a child of one pytest session, which has run all tests of TESTS and seen through which lines
each of them goes. The child runs those that come to the damaged statement, each kind of test in turn, until one fails.
"""

import argparse
import gc
import inspect
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.support import corpus
from tools.mutants import Mutant, mutants

ROOT = Path(__file__).parents[1]
PACKAGES = ("decision", "knowledge")
TESTS = (
    "support/all_tables.py",
    "contract/test_card_text.py",
    "integration/test_commands.py",
    "generative/test_damaged_bodies.py::test_damaged_member",
    "contract/test_dates.py",
    "generative/test_emitted_orders.py::test_create_keeps_the_intent",
    "generative/test_emitted_orders.py::test_create_takes_over",
    "generative/test_emitted_orders.py::test_create_takes_the_contained_reason_along",
    "contract/test_optional_keys.py",
    "contract/test_split_conditions.py",
    "contract/test_more_of_the_record.py",
    "contract/test_odd_shapes.py",
    "contract/test_knowledge_refused.py",
    "contract/test_tables_refused.py",
    "integration/fetch/test_prefetch.py",
    "spec/test_cards.py",
    "spec/test_suggestions.py",
)
OPTIONS = ("--in-process", "-s", "-p", "no:cacheprovider", "-p", "no:terminal", "-o", "addopts=")
OF_THE_SESSION = {"app", "knowledge", "service"}
"""The fixtures that are made once; a test that needs no others can be called without more ado."""
HOW = {0: "survived", 1: "caught", 3: "not reached"}
SEED = 2026


class Mutations:
    """A pytest plugin that runs the tests of a session once as they are, and then those that each mutant needs."""

    def __init__(self, chosen: list[Mutant], children: int, minutes: float) -> None:
        self.chosen, self.children, self.minutes = chosen, children, minutes
        self.files = {sys.modules[mutant.module].__file__: mutant.module for mutant in chosen}
        self.failed = False
        self.through: dict[tuple[str, int], list[pytest.Function]] = {}
        self.took: dict[pytest.Function, float] = {}
        self.given: dict[pytest.Function, dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that a test failed."""
        self.failed = self.failed or report.failed

    def pytest_runtest_call(self, item: pytest.Function) -> None:
        """Keep what a test was given, where it can be called again with the same."""
        marked = item.callspec.params if hasattr(item, "callspec") else {}
        if set(item.fixturenames) <= {*OF_THE_SESSION, *marked}:
            self.given[item] = {name: item.funcargs[name] for name in inspect.signature(item.obj).parameters}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests, then the mutants."""
        for item in session.items:
            self._run_traced(item)
            if self.failed:
                sys.exit(f"{item.nodeid} fails without any damage")
        print(f"{len(session.items)} tests, {sum(self.took.values()):.0f} s; {len(self.chosen)} mutants", flush=True)
        gc.freeze()
        until = time.monotonic() + 60 * self.minutes
        running: dict[int, Mutant] = {}
        for mutant in self.chosen:
            if time.monotonic() > until:
                break
            if len(running) == self.children:
                self._take_result(running)
            running[self._start(mutant)] = mutant
        while running:
            self._take_result(running)
        return True

    def _run_traced(self, item: pytest.Function) -> None:
        lines: set[tuple[str, int]] = set()

        def in_a_function(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                lines.add((self.files[frame.f_code.co_filename], frame.f_lineno))
            return in_a_function

        _forget_answers()
        began = time.perf_counter()
        sys.settrace(lambda frame, *_: in_a_function if frame.f_code.co_filename in self.files else None)
        self._run(item)
        sys.settrace(None)
        self.took[item] = time.perf_counter() - began
        for line in lines:
            self.through.setdefault(line, []).append(item)

    def _run(self, item: pytest.Function) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=_Session(item.session))

    def _start(self, mutant: Mutant) -> int:
        tests = {item for line in mutant.statement for item in self.through.get((mutant.module, line), [])}
        if pid := os.fork():
            return pid
        if not tests:
            os._exit(3)
        seconds = int(5 * sum(self.took[item] for item in tests)) + 10
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        signal.alarm(10 * seconds)
        _damage(mutant)
        _forget_answers()
        for item in self._in_turn(tests, mutant):
            self._run_again(item)
            if self.failed:
                os._exit(1)
        os._exit(0)

    def _in_turn(self, tests: set[pytest.Function], mutant: Mutant) -> list[pytest.Function]:
        """Return tests of each kind in turn: first those that go through rare lines of the function, and quick ones."""
        ways = [self.through.get((mutant.module, line), []) for line in mutant.body]
        rarity = {item: len(way) for way in sorted(ways, key=len, reverse=True) for item in way}
        place, kinds = {}, Counter[str]()
        for item in sorted(tests, key=lambda test: (rarity[test], self.took[test])):
            kind = item.nodeid.partition("[")[0]
            place[item] = kinds[kind] + 20 * self.took[item]
            kinds[kind] += 1
        return sorted(tests, key=place.__getitem__)

    def _run_again(self, item: pytest.Function) -> None:
        if item not in self.given:
            self._run(item)
            return
        try:
            item.obj(**self.given[item])
        except BaseException:  # noqa: BLE001 - whatever happens, the mutant is caught
            self.failed = True

    def _take_result(self, running: dict[int, Mutant]) -> None:
        pid, status = os.wait()
        mutant, how = running.pop(pid), HOW.get(os.waitstatus_to_exitcode(status), "timeout")
        self.counts[how] += 1
        if self.counts.total() % 100 == 0:
            print(dict(self.counts), flush=True)
        if how != "caught":
            print(f"{how}: {mutant.in_words()}", flush=True)


def _damage(mutant: Mutant) -> None:
    owner: Any = sys.modules[mutant.module]
    for name in mutant.function.split("."):
        owner = vars(owner)[name]
    getattr(owner, "__func__", owner).__code__ = mutant.code()


def _forget_answers() -> None:
    """Let the tests of the contract, which share their answers, make their calls again."""
    corpus.answers.cache_clear()


@dataclass(frozen=True)
class _Session:
    """Stands for the next test: of what was set up, only what is of the whole session is kept for it."""

    session: pytest.Session

    def listchain(self) -> list[pytest.Session]:
        return [self.session]


def main(arguments: list[str]) -> int:
    """Run the mutants, print those that were not caught, and the score; return 1 where none could be run."""
    parser = argparse.ArgumentParser(description="Damages the code and asks whether the tests notice.")
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    os.chdir(ROOT)
    chosen = []
    for file in sorted(file for package in PACKAGES for file in (ROOT / "cds_service" / package).rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        import_module(module)
        if not options.modules or module.rpartition(".")[2] in options.modules:
            chosen += mutants(file, module)
    random.Random(SEED).shuffle(chosen)  # noqa: S311 - no secret
    plugin = Mutations(chosen, options.children, options.minutes)
    pytest.main([*OPTIONS, *(f"tests/{name}" for name in TESTS)], plugins=[plugin])
    tried = plugin.counts.total()
    caught = plugin.counts["caught"] + plugin.counts["timeout"]
    print(f"{caught} of {tried} mutants caught ({100 * caught / max(tried, 1):.1f} %): {dict(plugin.counts)}")
    return int(not tried)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

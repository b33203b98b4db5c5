"""`python -m benchmarks`: measure the service beside a bare Flask application, and write the results."""

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine, report
from benchmarks.load import check_tools
from benchmarks.machine import BenchmarkError
from benchmarks.rounds import log, rounds
from benchmarks.running import running
from benchmarks.scaling import charts, scaling
from benchmarks.soak import CALLS, EACH, MIXED, soak
from benchmarks.subjects import subject_factories

_ROOT = Path(__file__).parents[1]
_WORK = _ROOT / "build" / "benchmarks"
_ROUNDS, _SECONDS = 5, 5


def main() -> int:
    """Run the selected benchmarks and return the exit code: 0 done, 1 nothing can be measured, 2 wrong usage."""
    options = _parser().parse_args()
    try:
        _measure(options)
    except BenchmarkError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        default="",
        metavar="b,c",
        help="letters or names of subjects; i is the size of the chart, j the memory",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of one second, and the memory over 10,000 calls"
    )
    parser.add_argument("--soak", action="store_true", help="also (j): memory over 200,000 calls")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="how many (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=_SECONDS, help="of each run (default %(default)s)")
    parser.add_argument("--results", type=Path, help="folder to write to (default: benchmarks/results for a whole run)")
    return parser


def _measure(options: argparse.Namespace) -> None:
    check_tools()
    cores = machine.cores()
    shutil.rmtree(_WORK / "state-ready", ignore_errors=True)
    _WORK.mkdir(parents=True, exist_ok=True)
    count, seconds, calls = (1, 1, EACH) if options.quick else (options.rounds, options.seconds, CALLS)
    with _fhir_server(cores[1]) as url, machine.on_core(cores[1]):
        factories = subject_factories(_WORK, url)
        selected = _selected(options, factories)
        log("preparing the calls and the expected responses")
        subjects = {key: make() for key, make in factories.items() if selected.intersection(key)}
        results: report.Results = {
            "machine": machine.described(),
            "rounds": count,
            "seconds": seconds,
            "subjects": [
                {"letter": letter, "name": name, "title": subject.title} for (letter, name), subject in subjects.items()
            ],
            "rows": list(rounds(list(subjects.values()), count, seconds, cores, _WORK)),
            "charts": list(scaling(charts(_WORK), count, seconds, cores, _WORK)) if "i" in selected else [],
            "memory": list(soak([factories[key]() for key in MIXED], calls, cores, _WORK)) if "j" in selected else [],
        }
    is_complete = not (options.only or options.quick)
    folder = options.results or (_ROOT / "benchmarks" / "results" if is_complete else _WORK / "results")
    sys.stdout.write(report.write(results, folder))


def _selected(options: argparse.Namespace, known: Iterable[tuple[str, str]]) -> set[str]:
    """Return the letters and names of the selected subjects; BenchmarkError where one is unknown."""
    names = {name for key in known for name in key} | {"i", "j"}
    selected = set(filter(None, options.only.split(",")))
    if selected - names:
        message = f"--only: {', '.join(sorted(selected - names))} is not one of {', '.join(sorted(names))}"
        raise BenchmarkError(message)
    return (selected or names - {"j"}) | ({"j"} if options.soak else set())


@contextmanager
def _fhir_server(core: int) -> Iterator[str]:
    """Run the FHIR server on the load generator's core; yields its base URL."""
    with running(
        [sys.executable, "-m", "benchmarks.fhir_server", "{port}"], {}, core, _WORK, "fhir_server.log"
    ) as server:
        server.wait_for_response("/Condition", b"")
        yield f"http://127.0.0.1:{server.port}"


if __name__ == "__main__":
    sys.exit(main())

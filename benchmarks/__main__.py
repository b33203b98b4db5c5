"""`python -m benchmarks`: measure the service side by side with a bare Flask application, and write the results."""

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine, report
from benchmarks.load import need_wrk
from benchmarks.machine import Unfit
from benchmarks.rounds import rounds, say
from benchmarks.running import running
from benchmarks.scaling import charts, scaling
from benchmarks.soak import CALLS, EACH, MIXED, soak
from benchmarks.subjects import offers

_ROOT = Path(__file__).parents[1]
_WORK = _ROOT / "build" / "benchmarks"
_ROUNDS, _SECONDS = 5, 5


def main() -> int:
    """Measure what is asked for, and return the exit code: 0 done, 1 nothing can be measured, 2 wrong usage."""
    chosen = _parser().parse_args()
    try:
        _measure(chosen)
    except Unfit as unfit:
        sys.stderr.write(f"benchmarks: {unfit}\n")
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


def _measure(chosen: argparse.Namespace) -> None:
    need_wrk()
    cores = machine.cores()
    shutil.rmtree(_WORK / "state-ready", ignore_errors=True)
    _WORK.mkdir(parents=True, exist_ok=True)
    count, seconds, calls = (1, 1, EACH) if chosen.quick else (chosen.rounds, chosen.seconds, CALLS)
    with _fhir_server(cores[1]) as url, machine.on_core(cores[1]):
        known = offers(_WORK, url)
        wanted = _wanted(chosen, known)
        say("preparing the calls and the answers to them")
        asked = {offer: make() for offer, make in known.items() if wanted.intersection(offer)}
        results: report.Results = {
            "machine": machine.described(),
            "rounds": count,
            "seconds": seconds,
            "subjects": [{"letter": letter, "name": name, "title": one.title} for (letter, name), one in asked.items()],
            "rows": list(rounds(list(asked.values()), count, seconds, cores, _WORK)),
            "charts": list(scaling(charts(_WORK), count, seconds, cores, _WORK)) if "i" in wanted else [],
            "memory": list(soak([known[one]() for one in MIXED], calls, cores, _WORK)) if "j" in wanted else [],
        }
    whole = not (chosen.only or chosen.quick)
    folder = chosen.results or (_ROOT / "benchmarks" / "results" if whole else _WORK / "results")
    sys.stdout.write(report.write(results, folder))


def _wanted(chosen: argparse.Namespace, known: Iterable[tuple[str, str]]) -> set[str]:
    """Return the letters and names that are asked for; Unfit where one is none."""
    names = {name for offer in known for name in offer} | {"i", "j"}
    wanted = set(filter(None, chosen.only.split(",")))
    if wanted - names:
        message = f"--only: {', '.join(sorted(wanted - names))} is none of {', '.join(sorted(names))}"
        raise Unfit(message)
    return (wanted or names - {"j"}) | ({"j"} if chosen.soak else set())


@contextmanager
def _fhir_server(core: int) -> Iterator[str]:
    """Run the FHIR server beside the generator; yields its base URL."""
    with running(
        [sys.executable, "-m", "benchmarks.fhir_server", "{port}"], {}, core, _WORK, "fhir_server.log"
    ) as server:
        server.first_answer("/Condition", b"")
        yield f"http://127.0.0.1:{server.port}"


if __name__ == "__main__":
    sys.exit(main())

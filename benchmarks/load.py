"""The load generator: wrk on its own core for some seconds, with every response checked."""

import json
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import BenchmarkError

_SCRIPT = Path(__file__).parent / "load.lua"
_RESULT = re.compile(r"^RESULT (\{.*\})$", re.MULTILINE)


class OutOfTokens(BenchmarkError):
    """The run made more calls than there were tokens."""


@dataclass(frozen=True, slots=True)
class Load:
    """The requests to send, and how a correct response is recognized: its length is listed, and it has the marker."""

    path: str
    bodies: tuple[Path, ...]
    lengths: frozenset[int]
    marker: str
    tokens: Path | None = None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The result of one run of the load generator; times are in microseconds."""

    connections: int
    calls: int
    p50: float
    p99: float
    mean: float
    per_second: float
    generator_busy: float
    """The share of its core that the generator used: near 1 it would measure itself."""


def check_tools() -> None:
    """Raise BenchmarkError where the load generator is not installed."""
    for name, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if not shutil.which(name):
            message = f"{name} is missing: install it with `apt-get install {package}`, or the like"
            raise BenchmarkError(message)


def load(port: int, requests: Load, connections: int, seconds: int, core: int) -> LoadResult:
    """Send calls for some seconds; BenchmarkError where a single response was not the expected one."""
    arguments = [
        ",".join(map(str, sorted(requests.lengths))),
        requests.marker,
        str(requests.tokens or "-"),
        *map(str, requests.bodies),
    ]
    url = f"http://127.0.0.1:{port}{requests.path}"
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT)]
    before = _used()
    done = subprocess.run(
        ["taskset", "-c", str(core), "wrk", *options, url, "--", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    result = _RESULT.search(done.stdout)
    if result is None:
        message = f"wrk failed: {(done.stderr or done.stdout).strip()[-1000:]}"
        raise BenchmarkError(message)
    return _load_result(json.loads(result[1]), connections, (_used() - before) / seconds)


def _load_result(counts: dict[str, float], connections: int, busy: float) -> LoadResult:
    if counts["lacked"]:
        raise OutOfTokens
    if counts["wrong"] or counts["lost"] or not counts["calls"]:
        message = f"of {counts['calls']} answers {counts['wrong']} were wrong, and {counts['lost']} calls had none"
        raise BenchmarkError(message)
    per_second = round(counts["calls"] / counts["microseconds"] * 1e6, 1)
    return LoadResult(
        connections, int(counts["calls"]), counts["p50"], counts["p99"], counts["mean"], per_second, round(busy, 3)
    )


def _used() -> float:
    """Return the processor seconds of the processes that were started from here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

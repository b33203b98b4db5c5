"""The load: wrk on its core for some seconds, with every answer checked."""

import json
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Unfit

_SCRIPT = Path(__file__).parent / "load.lua"
_RESULT = re.compile(r"^RESULT (\{.*\})$", re.MULTILINE)


class TokensUsedUp(Unfit):
    """There were more calls than tokens for them."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent, and by what a right answer is known: one of these lengths, and a marker within it."""

    path: str
    bodies: tuple[Path, ...]
    lengths: frozenset[int]
    marker: str
    tokens: Path | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of the generator; times are in microseconds."""

    connections: int
    calls: int
    p50: float
    p99: float
    mean: float
    per_second: float
    generator_busy: float
    """The share of its core that the generator used: near 1 it would measure itself."""


def need_wrk() -> None:
    """Raise Unfit where the generator is missing."""
    for name, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if not shutil.which(name):
            message = f"{name} is missing: install it with `apt-get install {package}`, or the like"
            raise Unfit(message)


def load(port: int, sent: Sent, connections: int, seconds: int, core: int) -> Measured:
    """Send calls for some seconds; raise Unfit where a single answer was not the right one."""
    told = [",".join(map(str, sorted(sent.lengths))), sent.marker, str(sent.tokens or "-"), *map(str, sent.bodies)]
    url = f"http://127.0.0.1:{port}{sent.path}"
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT)]
    before = _used()
    done = subprocess.run(
        ["taskset", "-c", str(core), "wrk", *options, url, "--", *told],
        capture_output=True,
        text=True,
        check=False,
    )
    found = _RESULT.search(done.stdout)
    if found is None:
        message = f"wrk failed: {(done.stderr or done.stdout).strip()[-1000:]}"
        raise Unfit(message)
    return _measured(json.loads(found[1]), connections, (_used() - before) / seconds)


def _measured(said: dict[str, float], connections: int, busy: float) -> Measured:
    if said["lacked"]:
        raise TokensUsedUp
    if said["wrong"] or said["lost"] or not said["calls"]:
        message = f"of {said['calls']} answers {said['wrong']} were wrong, and {said['lost']} calls had none"
        raise Unfit(message)
    per_second = round(said["calls"] / said["microseconds"] * 1e6, 1)
    return Measured(connections, int(said["calls"]), said["p50"], said["p99"], said["mean"], per_second, round(busy, 3))


def _used() -> float:
    """Return the processor seconds of the processes that were started from here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

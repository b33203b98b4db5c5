"""The machine: which core is the server's and which the generator's, and what stands in the results about it."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from cds_service.clock import SYSTEM_CLOCK

_PACKAGES = (
    "flask",
    "granian",
    "gunicorn",
    "joserfc",
    "cryptography",
    "orjson",
    "plexus-cds",
    "sqlalchemy",
    "werkzeug",
)


class Unfit(Exception):
    """Nothing can be measured here, and the text says what to do about it."""


def cores() -> tuple[int, int]:
    """Return the core of the server and that of all others."""
    free = sorted(os.sched_getaffinity(0))
    if len(free) < 2:
        message = "two cores are needed, one for the server and one for the load generator; there is one"
        raise Unfit(message)
    return free[0], free[-1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run this process on one core for a while."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def described() -> dict[str, object]:
    """Return what a reader of the numbers needs to know; nothing tells which machine this is."""
    return {
        "date": SYSTEM_CLOCK.today().isoformat(),
        "processor": _first("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_mib": int(_first("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def resident_kib(pid: int) -> int:
    """Return how much memory of a process is resident."""
    return int(_first(f"/proc/{pid}/status", "VmRSS").split()[0])


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text(encoding="utf-8").split())
    return found


def _first(file: str, name: str) -> str:
    """Return what the first line of a name says, or that nothing does."""
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        told, _, value = line.partition(":")
        if told.strip() == name:
            return value.strip()
    return "0 (not told)"

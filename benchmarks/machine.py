"""The machine: the core of the server, that of the load generator, and the description in the results."""

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


class BenchmarkError(Exception):
    """A benchmark cannot be run or is not valid; the text says what to do about it."""


def cores() -> tuple[int, int]:
    """Return the core of the server and that of all others."""
    free = sorted(os.sched_getaffinity(0))
    if len(free) < 2:
        message = "two cores are needed, one for the server and one for the load generator; there is one"
        raise BenchmarkError(message)
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
    """Return hardware and versions for the results; nothing identifies the machine."""
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
    pids: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        pids += map(int, (task / "children").read_text(encoding="utf-8").split())
    return pids


def _first(file: str, name: str) -> str:
    """Return the value of a file's first line with a name."""
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        label, _, value = line.partition(":")
        if label.strip() == name:
            return value.strip()
    return "0 (unknown)"

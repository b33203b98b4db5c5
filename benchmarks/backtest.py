"""Measures the back-test beside its limits, reading and parsing alone: python -m benchmarks.backtest.

Each size is an export that is made once. CPU time is that of all processes; a rate a core is per second of it, so that
two runs compare where the machine is shared.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson

from benchmarks.machine import children, described
from cds_service.backtest import local
from cds_service.backtest.export_files import find_files
from cds_service.backtest.scan import ORDER, Plan, Variant
from cds_service.backtest.work_folder import WorkFolder
from cds_service.decision.order_select import decide
from cds_service.model import Site
from tools.generate_export import generate

_SIZES = ("10000x30", "40000x30", "10000x300", "40000x30x10")
"""Orders, entries of a chart, and percent of the orders that may be monitored, which are all where none is given."""

_BLOCK = 1 << 20


def main() -> None:
    """Print a row for each export and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", default=_SIZES, help="such as 10000x30 or 10000x30x5")
    parser.add_argument("--folder", type=Path, help="where the exports are made, and kept for the next run")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    options = parser.parse_args()
    print(json.dumps(described()))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for size in options.sizes:
            orders, entries, *percent = map(int, size.split("x"))
            export = folder / size
            if not export.exists():
                generate(export, orders, entries, seed=1, monitored=percent[0] / 100 if percent else 1)
            for row in _measured(export, options.workers):
                print(json.dumps({"size": size, **row}), flush=True)


def _measured(export: Path, workers: list[int]) -> Iterator[dict[str, Any]]:
    files = sorted(export.glob("*.ndjson"))
    size = sum(file.stat().st_size for file in files)
    yield {"what": "reading alone", **_limit(files, size, _read)}
    yield {"what": "orjson alone", **_limit(files, size, _parse)}
    yield {"what": "decisions alone", **_decisions(export)}
    for count in workers:
        yield {"what": f"back-test, {count} workers", **_run(export, count, size)}


def _limit(files: list[Path], size: int, work: Any) -> dict[str, Any]:
    started = time.process_time()
    for file in files:
        work(file)
    seconds = time.process_time() - started
    return {"cpu_s": round(seconds, 2), "mb_per_s": round(size / 1e6 / seconds, 1)}


def _decisions(export: Path) -> dict[str, Any]:
    """Return how long the decisions of a back-test take, apart from all that is around them."""
    calls, seconds = 0, 0.0

    def timed(*arguments: Any, **options: Any) -> Any:
        nonlocal calls, seconds
        started = time.process_time()
        try:
            return decide(*arguments, **options)
        finally:
            calls, seconds = calls + 1, seconds + time.process_time() - started

    with (
        patch("cds_service.backtest.replay.decide", timed),
        tempfile.TemporaryDirectory(dir=export.parent) as out,
        WorkFolder(Path(out)) as folder,
    ):
        files, _ = find_files(export, (ORDER, "Condition", "Procedure"))
        local.run(Plan((Variant(Site()),), ("Condition", "Procedure")), files, folder, 1)
    return {"calls": calls, "cpu_s": round(seconds, 2), "calls_per_s": round(calls / seconds)}


def _read(file: Path) -> None:
    with file.open("rb") as stream:
        while stream.read(_BLOCK):
            pass


def _parse(file: Path) -> None:
    with file.open("rb") as stream:
        for line in stream:
            orjson.loads(line)


def _run(export: Path, workers: int, size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=export.parent) as out:
        command = [sys.executable, "-m", "cds_service", "backtest", str(export), "--out", out]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        process = subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.DEVNULL)
        with _watching(process.pid) as peaks:
            process.wait()
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        summary = json.loads((Path(out) / "summary.json").read_text("utf-8"))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    patients = _patients(export)
    return {
        "orders": summary["orders"],
        "cards": summary["cards"]["total"],
        "patients": patients,
        "mb": round(size / 1e6),
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "patients_per_cpu_s": round(patients / cpu),
        "worker_peak_mb": max(peaks.values(), default=0) >> 10,
    }


def _patients(export: Path) -> int:
    """Return how many patients an export has: its orders name each."""
    patients = set[str]()
    for file in export.glob("ServiceRequest.*"):
        with file.open("rb") as stream:
            patients.update(orjson.loads(line)["subject"]["reference"] for line in stream)
    return len(patients)


@contextmanager
def _watching(pid: int) -> Iterator[dict[int, int]]:
    """Yield the peaks of the resident memory in KiB of the workers of a process, or of itself if it has none."""
    peaks: dict[int, int] = {}
    own: dict[int, int] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            try:
                pids = children(pid)
                own[pid] = max(_peak(pid), own.get(pid, 0))  # a process that has ended has none
                peaks.update({child: _peak(child) for child in pids})
            except (OSError, IndexError):
                continue

    thread = threading.Thread(target=watch)
    thread.start()
    yield peaks
    ended.set()
    thread.join()
    if not peaks:
        peaks.update(own)


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    main()

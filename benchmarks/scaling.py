"""The cost of the size of a chart: the service's time, beside that of only parsing the same JSON."""

import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks.bodies import WATCHED, as_bytes, hook_call
from benchmarks.load import Load, load
from benchmarks.machine import on_core
from benchmarks.rounds import Row, log
from benchmarks.running import running
from benchmarks.subjects import Subject, empty_store, service, settings_in

ENTRIES = (0, 10, 100, 500, 1500, 5000)
"""One in three is a Condition, and the others are Procedures."""
_PARSE_SECONDS = 0.2


def charts(folder: Path) -> list[Subject]:
    """Return the service with a chart of each size."""
    sizes = [(count // 3, count - count // 3) for count in ENTRIES]
    bodies = [as_bytes(hook_call(WATCHED, size)) for size in sizes]
    return [service(str(count), "", body, settings_in(folder)) for count, body in zip(ENTRIES, bodies, strict=True)]


def scaling(
    subjects: Sequence[Subject], count: int, seconds: int, cores: tuple[int, int], folder: Path
) -> Iterator[Row]:
    """Yield a row for each round and size; times are in microseconds, the service's at one connection."""
    for number in range(1, count + 1):
        log(f"size of the chart, round {number} of {count}")
        empty_store(folder)
        with running(subjects[0].command, subjects[0].settings, cores[0], folder) as server:
            for subject in subjects:
                status, content = server.wait_for_response(subject.path, subject.body)
                subject.check(status, content)
                sent = Load(subject.path, (_file(subject, folder),), frozenset({len(content)}), subject.marker)
                load(server.port, sent, 1, 1, cores[1])
                run = load(server.port, sent, 1, seconds, cores[1])
                subject.check(*server.post(subject.path, subject.body))
                yield {
                    "round": number,
                    "entries": int(subject.name),
                    "body_bytes": len(subject.body),
                    "service_us": run.p50,
                    "json_us": _parsing(json.loads, subject.body, cores[0]),
                    "orjson_us": _parsing(orjson.loads, subject.body, cores[0]),
                }


def _file(subject: Subject, folder: Path) -> Path:
    body = folder / "body.json"
    body.write_bytes(subject.body)
    return body


def _parsing(parse: Callable[[bytes], Any], body: bytes, core: int) -> float:
    """Return the median time of parsing a body on a core, without collecting garbage, as `timeit` does."""
    times: list[float] = []
    end = time.perf_counter() + _PARSE_SECONDS
    gc.disable()
    with on_core(core):
        while not times or time.perf_counter() < end:
            begin = time.perf_counter()
            parse(body)
            times.append(time.perf_counter() - begin)
    gc.enable()
    return round(median(times) * 1e6, 1)

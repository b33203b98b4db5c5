"""The back-test on one machine: find the orders, scan and spill the rest, replay the parts; a process a core."""

import gc
import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import date
from multiprocessing.connection import wait
from typing import Any, NamedTuple, TypeVar

from cds_service.backtest.chart import ChartReader
from cds_service.backtest.export_files import Chunk, ExportFile, chunks_of, lines_of
from cds_service.backtest.replay import Replay
from cds_service.backtest.scan import ORDER, Fault, OrderScan, PatientFilter, Plan, RecordScan, hash_of
from cds_service.backtest.tally import Tally
from cds_service.backtest.work_folder import Spill, WorkFolder, number_of_parts, records_of
from cds_service.errors import PlexusError
from cds_service.progress import Progress

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_SCANNED = "scanned.json"
_MANIFEST = "manifest"
_GARBAGE = 100_000
"""Objects before garbage is looked for: at the default it is looked for during each patient."""


class WorkerDied(PlexusError):
    """A worker process ended before its work was done."""


class _Shared(NamedTuple):
    """What all tasks of a stage need; workers are forks, so that it is not copied."""

    plan: Plan
    folder: WorkFolder
    parts: int
    patients: PatientFilter
    charts: ChartReader


def run(plan: Plan, files: Sequence[ExportFile], folder: WorkFolder, workers: int, *, resume: bool = False) -> Tally:
    """Return the sums of a back-test."""
    parts = number_of_parts(files)
    shared = _Shared(plan, folder, parts, PatientFilter(), ChartReader(plan.variants))
    manifest = _manifest(plan, files).encode()
    if not resume or folder.read(_MANIFEST) != manifest:
        folder.clear()
        folder.path.mkdir(mode=0o700)
        folder.write(_MANIFEST, manifest)
    tally, thresholds = plan.tally(), gc.get_threshold()
    gc.set_threshold(_GARBAGE, *thresholds[1:])
    try:
        if (scanned := folder.read(_SCANNED)) is None:
            for path in folder.path.glob("part-*"):
                path.unlink()
            _scan(shared, files, workers, tally)
            folder.write(_SCANNED, tally.to_json())
        else:
            tally.merge_json(scanned)
        _replay(shared, workers, tally)
    finally:
        gc.set_threshold(*thresholds)
    return tally


def _manifest(plan: Plan, files: Sequence[ExportFile]) -> str:
    """Return what must be the same for a run to be resumed: the export, the question and the knowledge."""
    inputs = [(file.name, file.size, file.path.stat().st_mtime_ns) for file in files]
    versions = [variant.knowledge.version for variant in plan.variants]
    return hashlib.sha256(repr((inputs, replace(plan, today=date.max), versions)).encode()).hexdigest()


def _scan(shared: _Shared, files: Sequence[ExportFile], workers: int, tally: Tally) -> None:
    order_chunks = [chunk for file in files if file.resource_type in ("", ORDER) for chunk in chunks_of(file)]
    record_chunks = [chunk for file in files if file.resource_type != ORDER for chunk in chunks_of(file)]
    size = sum(chunk.end - chunk.start for chunk in (*order_chunks, *record_chunks))
    progress = Progress("read", size, "bytes")
    for chunk, (counted, hashes) in _each(_scan_orders, order_chunks, shared, workers):
        tally.merge_json(counted)
        for patient_hash in memoryview(hashes).cast("I"):
            shared.patients.add(patient_hash)
        progress.advance(chunk.end - chunk.start)
    for chunk, counted in _each(_scan_record, record_chunks, shared, workers):
        tally.merge_json(counted)
        progress.advance(chunk.end - chunk.start)


def _scan_orders(shared: _Shared, chunk: Chunk) -> tuple[bytes, bytes]:
    """Spill the orders of a chunk; returns their counts, and the hashes of their patients."""
    scan, spill = OrderScan(shared.plan, chunk.file.resource_type), Spill(shared.folder.path, shared.parts)
    hashes = set()
    for record in scan.records(chunk.key, _numbered(chunk, scan.tally)):
        spill.add(record)
        hashes.add(hash_of(record.patient))
    spill.flush()
    return scan.tally.to_json(), b"".join(value.to_bytes(4, sys.byteorder) for value in hashes)


def _scan_record(shared: _Shared, chunk: Chunk) -> bytes:
    scan = RecordScan(shared.plan, chunk.file.resource_type, shared.patients)
    spill = Spill(shared.folder.path, shared.parts)
    for record in scan.records(chunk.key, _numbered(chunk, scan.tally)):
        spill.add(record)
    spill.flush()
    return scan.tally.to_json()


def _numbered(chunk: Chunk, tally: Tally) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines of a chunk with their numbers; a damaged file is counted and read no further."""
    number = 0
    try:
        for number, line in enumerate(lines_of(chunk), 1):
            yield number, line
    except (EOFError, zlib.error, OSError) as error:
        if not chunk.file.is_compressed or getattr(error, "errno", None):
            raise
        tally.add_error(chunk.key, number + 1, Fault.CUT_OFF)


def _replay(shared: _Shared, workers: int, tally: Tally) -> None:
    parts = sorted({int(path.name[len("part-") :].split(".")[0]) for path in shared.folder.path.glob("part-*")})
    progress = Progress("replayed", len(parts), "parts")
    for _, counted in _each(_replay_part, parts, shared, workers):
        tally.merge_json(counted)
        progress.advance(1)


def _replay_part(shared: _Shared, part: int) -> bytes:
    """Return the counts of a part; they are stored, so that a run that is resumed need not replay it."""
    name = f"replayed-{part:04}.json"
    if (stored := shared.folder.read(name)) is not None:
        return stored
    replay = Replay(shared.plan, shared.charts)
    replay.part(records_of(shared.folder.path, part))
    counted = replay.tally.to_json()
    shared.folder.write(name, counted)
    return counted


_shared: list[_Shared] = []
"""Of a worker process: what its stage shares."""


def _each(
    function: Callable[[_Shared, _Task], _Result], tasks: Sequence[_Task], shared: _Shared, workers: int
) -> Iterator[tuple[_Task, _Result]]:
    """Yield each task with its result, as they come; in this process where one worker is enough."""
    if workers == 1 or not tasks:
        yield from ((task, function(shared, task)) for task in tasks)
        return
    gc.collect()
    gc.freeze()
    context = multiprocessing.get_context("fork")
    executor = ProcessPoolExecutor(min(workers, len(tasks)), context, _start_worker, (shared,))
    try:
        futures = {executor.submit(_run, function, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
        executor.shutdown()
    except BrokenProcessPool:
        message = "a worker process was ended from outside, often for want of memory. Give fewer --workers."
        raise WorkerDied(message) from None
    finally:
        for process in multiprocessing.active_children():
            process.kill()
        _end_results(executor)
        executor.shutdown(cancel_futures=True)  # it waits for its thread, which otherwise complains when Python ends
        gc.unfreeze()


def _end_results(executor: ProcessPoolExecutor) -> None:
    """Let the executor's thread see that no more comes: it would wait forever for the rest of a killed worker's result.

    All other ends for writing were those of the workers; the executor has no method for it.
    """
    results = getattr(executor, "_result_queue", None)
    if results is not None:
        results._writer.close()  # noqa: SLF001 - see above


def _start_worker(shared: _Shared) -> None:
    """Prepare a worker: Ctrl-C is the parent's, and without the parent a worker ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _shared[:] = [shared]
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: Any) -> None:
    wait([sentinel])
    os._exit(1)


def _run(function: Callable[[_Shared, _Task], _Result], task: _Task) -> _Result:
    return function(_shared[0], task)

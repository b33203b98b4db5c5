"""The memory of a worker over many calls: card, silent and unwatched in turn."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.load import Load, load
from benchmarks.machine import BenchmarkError
from benchmarks.rounds import CONNECTIONS, Row, log
from benchmarks.running import Running, running
from benchmarks.subjects import Subject, empty_store

CALLS, EACH = 200_000, 10_000
MIXED = (("c", "card"), ("d", "silent"), ("b", "unwatched"))
"""The subjects whose calls are sent, by letter and name."""


def soak(subjects: Sequence[Subject], calls: int, cores: tuple[int, int], folder: Path) -> Iterator[Row]:
    """Yield the resident memory of one worker after about every 10,000 calls."""
    empty_store(folder)
    with running(subjects[0].command, subjects[0].settings, cores[0], folder) as server:
        sent, done = _sent(server, subjects, folder), 0
        yield {"calls": 0, "resident_kib": server.resident_kib()}
        seconds = 1
        while done < calls:
            run = load(server.port, sent, CONNECTIONS[-1], seconds, cores[1])
            done, seconds = done + run.calls, max(1, round(EACH / run.per_second))
            yield {"calls": done, "resident_kib": server.resident_kib()}
            log(f"memory: {done} of {calls} calls, {server.resident_kib() // 1024} MiB")
        for subject in subjects:
            subject.check(*server.post(subject.path, subject.body))


def _sent(server: Running, subjects: Sequence[Subject], folder: Path) -> Load:
    """Return the calls of all subjects, each of which has been answered correctly."""
    files, lengths = [], set()
    for number, subject in enumerate(subjects):
        status, content = server.wait_for_response(subject.path, subject.body)
        subject.check(status, content)
        file = folder / f"body-{number}.json"
        file.write_bytes(subject.body)
        files.append(file)
        lengths.add(len(content))
    if len({subject.path for subject in subjects}) > 1:
        message = "all calls must go to one path"
        raise BenchmarkError(message)
    return Load(subjects[0].path, tuple(files), frozenset(lengths), '"cards"')

"""The rounds: every subject in turn, several times, so that drift of the machine affects all alike."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import peer
from benchmarks.load import Load, LoadResult, OutOfTokens, load
from benchmarks.machine import BenchmarkError
from benchmarks.running import Running, running
from benchmarks.subjects import PEER, Subject, empty_store

CONNECTIONS = (1, 8)
_WARM_SECONDS, _WARM_PACE = 2, 4000
_SPARE_TOKENS = 1.5
"""So many times the tokens that a run at the pace of the warm-up takes."""

Row = dict[str, Any]


def rounds(
    subjects: Sequence[Subject], count: int, seconds: int, cores: tuple[int, int], folder: Path
) -> Iterator[Row]:
    """Yield a row for each round, subject and number of connections; every other round goes backwards."""
    for number in range(1, count + 1):
        for position, subject in enumerate(subjects if number % 2 else subjects[::-1], start=1):
            log(f"round {number} of {count}, {position:2} of {len(subjects)}: {subject.name}")
            yield from ({"round": number, **row} for row in _measure_or_skip(subject, seconds, cores, folder))


def log(text: str) -> None:
    """Write the progress to stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")


def _measure_or_skip(subject: Subject, seconds: int, cores: tuple[int, int], folder: Path) -> list[Row]:
    """Return the rows of a subject; for the peer, which is not ours to fix, the error where it does not run."""
    try:
        if subject.name == PEER:
            peer.install(folder)
        return measure(subject, seconds, cores, folder)
    except BenchmarkError as error:
        if subject.name != PEER:
            raise
        return [{"subject": subject.name, "failed": str(error).partition("\n")[0]}]


def measure(subject: Subject, seconds: int, cores: tuple[int, int], folder: Path) -> list[Row]:
    """Start a subject and measure it at each number of connections; its responses are checked before and after."""
    empty_store(folder)
    begin = time.perf_counter()
    with running(subject.command, subject.settings, cores[0], folder) as server:
        status, content = server.wait_for_response(subject.path, subject.body, _token(subject))
        subject.check(status, content)
        started = time.perf_counter() - begin
        sent = _sent(subject, content, folder)
        warm = _run(server, subject, sent, CONNECTIONS[-1], _WARM_SECONDS, _WARM_PACE, cores)
        runs = [_run(server, subject, sent, count, seconds, warm.per_second, cores) for count in CONNECTIONS]
        resident = server.resident_kib()
    measures = {"start_seconds": round(started, 3), "resident_kib": resident, "body_bytes": len(subject.body)}
    if subject.signer:
        measures["verification_us"] = round(subject.signer.verification_microseconds(cores[0]), 1)
    return [{"subject": subject.name, **asdict(run), **measures} for run in runs]


def _run(
    server: Running, subject: Subject, sent: Load, connections: int, seconds: int, pace: float, cores: tuple[int, int]
) -> LoadResult:
    tokens = int(pace * seconds * _SPARE_TOKENS)
    try:
        run = load(server.port, _with_tokens(sent, subject, tokens), connections, seconds, cores[1])
    except OutOfTokens:
        return _run(server, subject, sent, connections, seconds, 2 * pace, cores)
    subject.check(*server.post(subject.path, subject.body, _token(subject)))
    return run


def _sent(subject: Subject, content: bytes, folder: Path) -> Load:
    body = folder / "body.json"
    body.write_bytes(subject.body)
    return Load(subject.path, (body,), frozenset({len(content)}), subject.marker)


def _with_tokens(sent: Load, subject: Subject, count: int) -> Load:
    if subject.signer is None:
        return sent
    return Load(sent.path, sent.bodies, sent.lengths, sent.marker, subject.signer.file_of(count))


def _token(subject: Subject) -> str:
    return subject.signer.token() if subject.signer else ""

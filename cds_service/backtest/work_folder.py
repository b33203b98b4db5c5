"""The private folder of one run: hash parts of patient data, removed whatever ends the run.

What a killed run left is removed by the next one that writes its report to the same folder.
"""

import fcntl
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from cds_service.backtest.export_files import ExportFile
from cds_service.backtest.scan import Record, hash_of
from cds_service.errors import PlexusError

NAME = ".plexus-cds-backtest"
_PART_BYTES = 24 << 20
"""Of NDJSON in a hash part, which a worker holds in memory."""

_MOST_PARTS = 4096
_BUFFER_BYTES = 24 << 20
_FIELDS = 6


class WorkFolderError(PlexusError):
    """The private folder cannot be used."""


class WorkFolder:
    """The folder, for one run at a time; `keeps` leaves it after a failure, for `--resume`."""

    def __init__(self, parent: Path, *, keeps: bool = False) -> None:
        self.path = parent / NAME
        self._lock_path = parent / f"{NAME}.lock"
        self._keeps = keeps
        self._lock = -1

    def __enter__(self) -> Self:
        """Take the folder, or raise WorkFolderError where another run has it."""
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            message = (
                f"{self.path.parent}: another back-test writes to this folder. Wait for it, or give another --out."
            )
            raise WorkFolderError(message) from None
        if not self._keeps:
            self.clear()
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.path.chmod(0o700)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove the folder, except after a failure of a run that can be resumed."""
        if kind is None or not self._keeps:
            self.clear()
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)

    def clear(self) -> None:
        """Remove the folder and all in it; workers that are ending may still write for a moment."""
        for _ in range(3):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                return
        shutil.rmtree(self.path)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the folder: it is whole, or it is not there."""
        unfinished = self.path / f"{name}.unfinished"
        unfinished.write_bytes(content)
        unfinished.replace(self.path / name)

    def read(self, name: str) -> bytes | None:
        """Return a file of the folder, or None where there is none."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None


def number_of_parts(files: Iterable[ExportFile]) -> int:
    """Return into how many hash parts the lines of these files are spilled."""
    total = sum(file.estimated_bytes for file in files)
    return min(_MOST_PARTS, 1 + total // _PART_BYTES)


class Spill:
    """Appends records to the files of their hash parts; each process writes files of its own."""

    def __init__(self, folder: Path, parts: int) -> None:
        self._folder, self._parts = folder, parts
        self._buffers: defaultdict[int, list[bytes]] = defaultdict(list)
        self._size = 0

    def add(self, record: Record) -> None:
        """Add a record to the part of its patient."""
        patient, chunk, number, content, is_order = record
        head = f"{'order' if is_order else 'entry'}\t{patient}\t{chunk}\t{number}\t".encode()
        self._buffers[hash_of(patient) % self._parts].extend((head, content, b"\n"))
        self._size += len(head) + len(content)
        if self._size > _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is held in memory."""
        for part, lines in self._buffers.items():
            file = os.open(
                self._folder / f"part-{part:04}.{os.getpid()}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
            )
            with open(file, "ab") as stream:  # noqa: PTH123 - it is open already
                stream.writelines(lines)
        self._buffers.clear()
        self._size = 0


def records_of(folder: Path, part: int) -> Iterator[Record]:
    """Yield the records of a hash part, in any order."""
    chunks: dict[tuple[bytes, bytes], str] = {}
    for path in sorted(folder.glob(f"part-{part:04}.*")):
        with path.open("rb") as stream:
            for line in stream:
                kind, patient, file, start, number, content = line.split(b"\t", _FIELDS - 1)
                chunk = chunks.get((file, start))
                if chunk is None:
                    chunk = chunks[file, start] = f"{file.decode()}\t{start.decode()}"
                yield Record(patient.decode(), chunk, int(number), content[:-1], kind == b"order")

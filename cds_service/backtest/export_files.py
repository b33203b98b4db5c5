"""The files of a FHIR Bulk Data export, in chunks of whole lines (FHIR Bulk Data Access 2.0, NDJSON)."""

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from cds_service.errors import PlexusError
from cds_service.strict_json import strict_json

MOST_LINE_BYTES = 8 << 20
"""A resource of the types that are read takes a few kilobytes; a longer line is counted and not held in memory."""

CHUNK_BYTES = 64 << 20
_PLAIN = (".ndjson", ".jsonl")
_ENDINGS = (*_PLAIN, *(f"{ending}.gz" for ending in _PLAIN))
BOM = b"\xef\xbb\xbf"
_CAMEL_CASE = re.compile(r"[A-Z][A-Za-z]+")
_EXPANDS = 10
"""Times that NDJSON is larger than its gzip file; only the number of hash parts depends on it."""


class ExportError(PlexusError):
    """The export cannot be read, or nothing in it is of use."""


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file of the export, and the resource type that its name says it has, or no text."""

    path: Path
    name: str
    """Relative to the export, quoted as in a URL: it is part of keys and of tables."""
    resource_type: str
    size: int

    @property
    def is_compressed(self) -> bool:
        """Return whether it is a gzip file, which is read from its start alone."""
        return self.path.suffix == ".gz"

    @property
    def estimated_bytes(self) -> int:
        """Return about how many bytes of NDJSON it has."""
        return self.size * _EXPANDS if self.is_compressed else self.size


@dataclass(frozen=True, slots=True)
class Chunk:
    """The lines of a file that begin from `start` up to `end`; of a compressed file all lines."""

    file: ExportFile
    start: int
    end: int

    @property
    def key(self) -> str:
        """Return file and start, which order the chunks of a file."""
        return f"{self.file.name}\t{self.start}"


def find_files(folder: Path, types: Sequence[str]) -> tuple[list[ExportFile], list[str]]:
    """Return the files that may have resources of these types, and the names of those that have others alone.

    Raises ExportError where the folder is none, has no NDJSON file, or has a link to one that is missing.
    """
    if not folder.is_dir():
        message = f"{folder}: this is not a folder. Give the folder of the export's NDJSON files."
        raise ExportError(message)
    named = sorted(path for path in folder.rglob("*") if path.name.lower().endswith(_ENDINGS))
    if missing := next((path for path in named if not path.exists()), None):
        message = f"{missing}: this file is a link to one that is missing. Put it back, or delete the link."
        raise ExportError(message)
    paths = [path for path in named if path.is_file()]
    if not paths:
        message = f"{folder}: there is no NDJSON file here ({', '.join(_ENDINGS)}). Give the folder of the export."
        raise ExportError(message)
    files, others = [], []
    for path in paths:
        name = quote(path.relative_to(folder).as_posix())
        words = _CAMEL_CASE.findall(path.name)
        resource_type = next((word for word in words if word in types), "")
        if resource_type or _first_type(path) not in words:
            files.append(ExportFile(path, name, resource_type, path.stat().st_size))
        else:
            others.append(name)
    return files, others


def _first_type(path: Path) -> str:
    """Return the type of a file's first resource: if the file is named by it, and it is not ours, nothing else is."""
    with suppress(OSError, EOFError, ValueError, zlib.error), opened(path) as stream:
        first = strict_json(stream.readline(MOST_LINE_BYTES).removeprefix(BOM))
        if isinstance(first, dict):
            return str(first.get("resourceType"))
    return ""


def opened(path: Path) -> IO[bytes]:
    """Open a file of the export, compressed or not."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def chunks_of(file: ExportFile) -> list[Chunk]:
    """Return the chunks of a file; a compressed one is a single chunk."""
    if file.is_compressed:
        return [Chunk(file, 0, file.size)]
    return [Chunk(file, start, min(start + CHUNK_BYTES, file.size)) for start in range(0, file.size, CHUNK_BYTES)]


def lines_of(chunk: Chunk) -> Iterator[bytes | None]:
    """Yield the lines of a chunk without their ends; None for one that is too long.

    Raises EOFError or zlib.error where a compressed file is cut off or damaged.
    """
    is_compressed = chunk.file.is_compressed
    with opened(chunk.file.path) as stream:
        position = 0
        if chunk.start:  # the chunk before has the line that its last byte is within
            stream.seek(chunk.start - 1)
            position = chunk.start - 1 + _skip_line(stream)
        while is_compressed or position < chunk.end:
            line = stream.readline(MOST_LINE_BYTES)
            if not line:
                return
            if len(line) == MOST_LINE_BYTES and not line.endswith(b"\n"):
                position += len(line) + _skip_line(stream)
                yield None
                continue
            is_first, position = not position, position + len(line)
            yield (line.removeprefix(BOM) if is_first else line).rstrip(b"\r\n")


def _skip_line(stream: IO[bytes]) -> int:
    """Read to the end of a line, and return how many bytes that were."""
    skipped = 0
    while part := stream.readline(MOST_LINE_BYTES):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped

"""The files of one card's folder, read as they stand."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.strict_json import strict_json

Rows = list[dict[str, str]]

TABLES = (
    "about",
    "about_sections",
    "about_words",
    "ratings",
    "reason_words",
    "reservations",
    "silences",
    "site_words",
    "source_attributes",
    "statuses",
    "decision_table",
    "unknowns",
    "valuesets",
    "watched_orders",
    "lookback_windows",
    "words",
)


@dataclass(frozen=True, slots=True)
class CardFiles:
    """The knowledge as written: JSON objects and tables of texts."""

    systems: Rows
    plan: dict[str, Any]
    card: dict[str, Any]
    tables: Mapping[str, Rows]
    value_sets: Mapping[str, dict[str, Any]]
    signatures: Rows
    digest: str
    """Changes whenever a byte of the knowledge does; signatures name it, so they are no part of it."""
    whole: str
    """Changes whenever anything does that a check can see: signatures and the names of files, too."""


def read_folder(root: Traversable, name: str) -> CardFiles:
    """Return the files of card `name` under `root`, or raise KnowledgeError naming the one that cannot be read."""
    folder, seen, whole = root / name, hashlib.sha256(), hashlib.sha256()
    read = _reader(seen, whole)
    return CardFiles(
        systems=read(root / "systems.csv", _rows),
        plan=read(folder / "plan_definition.json", strict_json),
        card=read(folder / "card.json", strict_json),
        tables={table: read(folder / f"{table}.csv", _rows) for table in TABLES},
        value_sets=dict(_value_sets(folder / "valuesets", read)),
        signatures=_reader(hashlib.sha256(), whole)(folder / "signatures.csv", _rows),
        digest=seen.hexdigest()[:12],
        whole=whole.hexdigest(),
    )


def _value_sets(folder: Traversable, read: Callable[..., Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not folder.is_dir():
        message = f"the folder {folder.name} is missing"
        raise KnowledgeError(message)
    files = sorted((one for one in folder.iterdir() if one.name.endswith(".json")), key=lambda one: one.name)
    for file in files:
        yield file.name.removesuffix(".json"), read(file, strict_json)


def _reader(seen: Any, whole: Any) -> Callable[..., Any]:
    def read(file: Traversable, parse: Callable[[bytes], Any]) -> Any:
        try:
            content = file.read_bytes()
            seen.update(content)
            whole.update(f"{file.name} {len(content)} ".encode() + content)
            return parse(content)
        except (OSError, ValueError, csv.Error) as error:
            message = f"{file.name} cannot be read: {error}"
            raise KnowledgeError(message) from error

    return read


def _rows(content: bytes) -> Rows:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True))

"""The files of one card's folder, read without validation."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    full_digest: str
    """Changes whenever anything does that a check can see: signatures and the names of files, too."""

    @property
    def citation_labels(self) -> set[str]:
        """Return the labels of the citations that the plan has."""
        return {source.get("label", "") for source in self.plan.get("relatedArtifact", [])}


def numbered(rows: Rows) -> Iterable[tuple[int, dict[str, str]]]:
    """Return the rows of a table with their lines; its head is line 1."""
    return enumerate(rows, 2)


def read_card_files(root: Traversable, name: str) -> CardFiles:
    """Return the files of card `name` under `root`, or raise KnowledgeError naming the one that cannot be read."""
    folder, content, everything = root / name, hashlib.sha256(), hashlib.sha256()
    read = _reader(content, everything)
    return CardFiles(
        systems=read(root / "systems.csv", _rows),
        plan=read(folder / "plan_definition.json", strict_json),
        card=read(folder / "card.json", strict_json),
        tables={table: read(folder / f"{table}.csv", _rows) for table in TABLES},
        value_sets=dict(_value_sets(folder / "valuesets", read)),
        signatures=_reader(hashlib.sha256(), everything)(folder / "signatures.csv", _rows),
        digest=content.hexdigest()[:12],
        full_digest=everything.hexdigest(),
    )


def _value_sets(folder: Traversable, read: Callable[..., Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not folder.is_dir():
        message = f"the folder {folder.name} is missing; restore it from the installed version"
        raise KnowledgeError(message)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    for file in files:
        yield file.name.removesuffix(".json"), read(file, strict_json)


def _reader(digest: Any, full_digest: Any) -> Callable[..., Any]:
    def read(file: Traversable, parse: Callable[[bytes], Any]) -> Any:
        try:
            content = file.read_bytes()
            digest.update(content)
            full_digest.update(f"{file.name} {len(content)} ".encode() + content)
            return parse(content)
        except (OSError, ValueError, csv.Error) as error:
            message = f"{file.name} cannot be read: {error}"
            raise KnowledgeError(message) from error

    return read


def _rows(content: bytes) -> Rows:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True))

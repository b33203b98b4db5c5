"""The knowledge in force: checked in full, unless a stamp says that these very checks found nothing wrong with it."""

import hashlib
import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from cds_service.errors import PlexusError
from cds_service.fhir.validation import check_knowledge
from cds_service.knowledge import CARD, Knowledge, compiled, folder_of, load, read
from cds_service.knowledge.card_files import CardFiles

_CHECKS = ("validation_stamp.py", "model.py", "strict_json.py", "fhir/validation.py", "knowledge/*.py", "schemas/*")
"""All of ours that takes part in a check; whole folders, so that a new file is not forgotten."""

_STAMP = "validation_stamp.json"


@cache
def checked_knowledge(root: Traversable | None = None) -> Knowledge:
    """Return the knowledge under `root` (default: the package's own), or raise KnowledgeError saying what to mend.

    It is read once: a worker that is a fork of the server has it already.
    """
    folder = read(root)
    if _seal(folder) == _stamped((root or files("cds_service.cards")) / CARD):
        return compiled(folder)
    return fully_checked(root)


def fully_checked(root: Traversable | None = None) -> Knowledge:
    """Return the knowledge after every check, whatever a stamp says."""
    knowledge = load(root)
    check_knowledge(knowledge)
    return knowledge


def write_stamp() -> Path:
    """Say beside the package's knowledge, which has just been checked in full, that it was; return where."""
    _path().write_text(f"{json.dumps({'checked': _seal(read())})}\n", encoding="utf-8")
    return _path()


def check_stamp() -> None:
    """Raise PlexusError where each start checks the package's knowledge in full, as the stamp is of another one."""
    if _stamped(_path().parent) != _seal(read()):
        message = f"{_STAMP} is stale, so that each start takes longer: run `plexus-cds review`, and commit it"
        raise PlexusError(message)


def _path() -> Path:
    return Path(str(folder_of(CARD))) / _STAMP


def _stamped(card: Traversable) -> str | None:
    """Return what the stamp of a card says, or None where there is none that can be read."""
    try:
        said = json.loads((card / _STAMP).read_bytes())
    except (OSError, ValueError):
        return None
    return said.get("checked") if isinstance(said, dict) else None


def _seal(folder: CardFiles) -> str:
    """Return what changes whenever the knowledge does, or what checks it."""
    seen, package = hashlib.sha256(folder.whole.encode()), Path(__file__).parent
    for file in sorted(file for pattern in _CHECKS for file in package.glob(pattern) if file.is_file()):
        content = file.read_bytes()
        seen.update(f"{file.name} {len(content)} ".encode() + content)
    return seen.hexdigest()

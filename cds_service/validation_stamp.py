"""The knowledge in force: validated in full, unless a stamp says that this validation already passed for it."""

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

_VALIDATION_CODE = (
    "validation_stamp.py",
    "model.py",
    "strict_json.py",
    "fhir/validation.py",
    "knowledge/*.py",
    "schemas/*",
)
"""All of ours that takes part in a check; whole folders, so that a new file is not forgotten."""

_STAMP = "validation_stamp.json"


@cache
def checked_knowledge(root: Traversable | None = None) -> Knowledge:
    """Return the knowledge under `root` (default: the package's own), or raise KnowledgeError saying what to correct.

    It is read once: a worker that is a fork of the server has it already.
    """
    card_files = read(root)
    if _digest(card_files) == _read_stamp((root or files("cds_service.cards")) / CARD):
        return compiled(card_files)
    return fully_checked(root)


def fully_checked(root: Traversable | None = None) -> Knowledge:
    """Return the knowledge after every check, whatever a stamp says."""
    knowledge = load(root)
    check_knowledge(knowledge)
    return knowledge


def write_stamp() -> Path:
    """Write the stamp of the package's knowledge, which has just been validated in full, and return its path."""
    _path().write_text(f"{json.dumps({'checked': _digest(read())})}\n", encoding="utf-8")
    return _path()


def check_stamp() -> None:
    """Raise PlexusError where the stamp is stale, so that each start validates the knowledge in full."""
    if _read_stamp(_path().parent) != _digest(read()):
        message = f"{_STAMP} is stale, which slows each start: run `plexus-cds review` and commit it"
        raise PlexusError(message)


def _path() -> Path:
    return Path(str(folder_of(CARD))) / _STAMP


def _read_stamp(card: Traversable) -> str | None:
    """Return the digest in the stamp of a card, or None where no stamp can be read."""
    try:
        content = json.loads((card / _STAMP).read_bytes())
    except (OSError, ValueError):
        return None
    return content.get("checked") if isinstance(content, dict) else None


def _digest(card_files: CardFiles) -> str:
    """Return a digest of the knowledge and of the code that validates it."""
    digest, package = hashlib.sha256(card_files.full_digest.encode()), Path(__file__).parent
    for file in sorted(file for pattern in _VALIDATION_CODE for file in package.glob(pattern) if file.is_file()):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)} ".encode() + content)
    return digest.hexdigest()

"""Renders REVIEW.md, the page that is read and signed, by running the decision on the knowledge."""

from pathlib import Path

from cds_service.errors import PlexusError
from cds_service.knowledge import CARD, Knowledge, folder_of
from cds_service.review.sections import page


def path() -> Path:
    """Return where REVIEW.md stands, beside the knowledge that it renders."""
    return Path(str(folder_of(CARD))) / "REVIEW.md"


def _vignettes() -> Path:
    return path().parents[2] / "tests" / "vignettes.csv"


def write(knowledge: Knowledge) -> Path:
    """Write REVIEW.md and return where it stands."""
    path().write_text(page(knowledge, _vignettes()), encoding="utf-8")
    return path()


def check(knowledge: Knowledge) -> None:
    """Raise PlexusError where REVIEW.md is not what the knowledge renders to."""
    if not path().exists() or path().read_text(encoding="utf-8") != page(knowledge, _vignettes()):
        message = f"{path().name} is stale: run `plexus-cds review`, read what changed, and commit it"
        raise PlexusError(message)

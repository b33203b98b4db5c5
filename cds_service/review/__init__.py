"""Renders what is read and signed, by running the decision on the knowledge: REVIEW.md, and the hazard log's tables."""

from collections.abc import Iterator
from pathlib import Path

from cds_service.errors import PlexusError
from cds_service.knowledge import CARD, Knowledge, folder_of
from cds_service.review import hazard_log
from cds_service.review.review_page import page


def path() -> Path:
    """Return the path of REVIEW.md, beside the knowledge that it renders."""
    return Path(str(folder_of(CARD))).resolve() / "REVIEW.md"


def _pages(knowledge: Knowledge) -> Iterator[tuple[Path, str]]:
    """Yield each page with its text; the hazard log is in the repository alone, beside the tests that it names."""
    root = path().parents[2]
    yield path(), page(knowledge, root / "tests" / "vignettes.csv")
    log = root / "docs" / "clinical-safety.md"
    if log.exists():
        yield log, hazard_log.page(knowledge, log)


def write(knowledge: Knowledge) -> tuple[Path, ...]:
    """Write the pages and return their paths."""
    written = []
    for file, text in _pages(knowledge):
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return tuple(written)


def check(knowledge: Knowledge) -> None:
    """Raise PlexusError where a page is not what the knowledge renders to."""
    for file, text in _pages(knowledge):
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            message = f"{file.name} is stale: run `plexus-cds review`, read what changed, and commit it"
            raise PlexusError(message)

"""Knowledge that was checked is not checked again at each start; whatever else it is, or another check, is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import cds_service.cards
from cds_service.errors import KnowledgeError
from cds_service.knowledge import CARD
from cds_service.validation_stamp import check_stamp, checked_knowledge
from tests.contract.test_knowledge_refused import removed, replaced

SLOW = {"alembic", "fhir", "jsonschema", "markdown_it", "requests"}
LOADED = f"import sys; from cds_service import commands as c; c.checked_knowledge(); print(*{SLOW} & set(sys.modules))"
SERVED = "import sys; from cds_service import cli; sys.exit(cli.main(['serve']))"
CHECKS = (
    "validation_stamp.py",
    "fhir/validation.py",
    "knowledge/text_validation.py",
    "schemas/tables.schema.json",
    "model.py",
)
A_YEAR = replaced("lookback_windows.csv", ",365,", ",a year,")


@pytest.fixture
def package(tmp_path) -> Path:
    """Give a copy of the package, its cards within it as when it is installed."""
    copied = tmp_path / "cds_service"
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(cds_service.__file__).parent, copied, ignore=without)
    shutil.copytree(Path(cds_service.cards.__file__).parent, copied / "cards", ignore=without)
    return copied


def run(package: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a copy of the package in the place of the installed one."""
    own = {**os.environ, "PYTHONPATH": str(package.parent)}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=own, cwd=package.parent, capture_output=True, text=True, check=False)


def unlike(name: str, content: str) -> Callable[[Path], object]:
    """Return a damage: a contradiction in the tables, and a stamp that says something else."""

    def damage(cards: Path) -> None:
        A_YEAR(cards)
        (cards / CARD / name).write_text(content, encoding="utf-8")

    return damage


def moved(name: str, other: str) -> Callable[[Path], object]:
    """Return a damage: a file of the card under another name."""
    return lambda cards: (cards / CARD / name).rename(cards / CARD / other)


def test_stamp_is_current():
    """The knowledge that is shipped was checked by the checks that are shipped."""
    check_stamp()


def test_checked_before(package):
    """A start with knowledge that was checked, wherever it is installed, loads nothing that only a check needs."""
    done = run(package, LOADED)
    assert (done.stdout, done.stderr) == ("\n", "")


@pytest.mark.parametrize("check", CHECKS)
def test_another_check(check, package):
    """Where a byte of the checks is another one, the knowledge is checked in full."""
    with (package / check).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert set(run(package, LOADED).stdout.split()) == {"fhir", "jsonschema"}


def test_no_start(package):
    """A server does not start with a card that was changed and contradicts itself."""
    A_YEAR(package / "cards")
    done = run(package, SERVED)
    assert done.returncode == 1
    assert "lookback_windows.csv: line" in done.stderr


@pytest.mark.parametrize(
    ("damage", "named"),
    {
        "a table": (A_YEAR, "lookback_windows.csv"),
        "a text of the card": (replaced("card.json", '"detail"', '"details"'), "card.json"),
        "a value set": (replaced("valuesets/order-lumbar-spine-mri.json", '"id"', '"name"'), "lumbar-spine-mri"),
        "nothing but a name": (moved("valuesets/acute-trauma.json", "valuesets/acute-trauma-1.json"), "acute-trauma-1"),
        "a signature": (replaced("signatures.csv", "date", "date\n1"), "signatures.csv"),
        "the stamp is missing": (
            lambda cards: (A_YEAR(cards), removed(f"{CARD}/validation_stamp.json")(cards)),
            "lookback_windows.csv",
        ),
        "the stamp is no JSON": (unlike("validation_stamp.json", "{"), "lookback_windows.csv"),
        "the stamp is a list": (unlike("validation_stamp.json", "[]"), "lookback_windows.csv"),
        "the stamp says nothing": (unlike("validation_stamp.json", "{}"), "lookback_windows.csv"),
    }.values(),
)
def test_other_knowledge(damage, named, tmp_path):
    """Whatever is changed in a card, its stamp included, is found out."""
    cards = Path(shutil.copytree(Path(cds_service.cards.__file__).parent, tmp_path / "cards"))
    damage(cards)
    with pytest.raises(KnowledgeError, match=named):
        checked_knowledge(cards)

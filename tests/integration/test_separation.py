"""Rule content is in cards/, code in cds_service/, and neither names this machine."""

import ast
import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CARDS = ROOT / "cards"
PYTHON = sorted((ROOT / "cds_service").rglob("*.py"))


@cache
def repository() -> tuple[str, ...]:
    """Return the names of the files that are in the repository, or would be when it is committed."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(name for name in done.stdout.splitlines() if (ROOT / name).is_file())


@cache
def literals(file: Path) -> tuple[str, ...]:
    """Return the texts in a Python file, without its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return tuple(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    )


def own_words(file: Path) -> list[str]:
    """Return what could be codes in the texts of a Python file: its runs of letters, digits, dots and dashes."""
    return [word for text in literals(file) for word in re.findall(r"[A-Za-z0-9.\-]+", text)]


def texts(value) -> list[str]:
    """Return all texts in a JSON value."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in texts(item)]


@cache
def codes() -> frozenset[str]:
    """Return every code, category and pattern of the value sets, and those that card.json proposes."""
    found = set()
    for file in CARDS.glob("*/valuesets/*.json"):
        for include in json.loads(file.read_text(encoding="utf-8"))["compose"]["include"]:
            found |= {concept["code"] for concept in include.get("concept", [])}
            found |= {code_filter["value"] for code_filter in include.get("filter", [])}
    for file in CARDS.glob("*/card.json"):
        proposals = json.loads(file.read_text(encoding="utf-8"))["proposals"].values()
        found |= {coding["code"] for proposal in proposals for coding in proposal["code"]["coding"]}
    long = {code for code in found if len(code) >= 4 and re.search(r"\d", code)}
    return frozenset(long | {code.replace(".", "") for code in long if len(code.replace(".", "")) >= 4})


@cache
def wordings() -> frozenset[str]:
    """Return the clinical words of cards/: categories, names, wordings and sentences, of more than one word."""
    found = set()
    for file in CARDS.glob("*/card.json"):
        found |= {part for text in texts(json.loads(file.read_text(encoding="utf-8"))) for part in text.split("$")}
    for file in CARDS.glob("*/valuesets/*.json"):
        found |= set(texts(json.loads(file.read_text(encoding="utf-8"))["compose"]))
    for file in CARDS.glob("*/ratings.csv"):
        found |= set(re.split(r"[,\"\n]", file.read_text(encoding="utf-8")))
    sentences = {text.strip(" ,.:;()*|-").lower() for text in found if not re.match(r"https?:|urn:", text)}
    return frozenset(text for text in sentences if " " in text and len(text) >= 8)


def test_harness():
    """The searches below find what they search for, so that silence means something."""
    assert {"72148", "443078008", "RPID4815", "C79.51", "C7951"} <= codes()
    assert {"usually appropriate", "may be appropriate", "the patient declines"} <= wordings()
    assert "cds_service/model.py" in repository()
    assert "order-select" in literals(ROOT / "cds_service" / "decision" / "request.py")
    assert "order-select" in own_words(ROOT / "cds_service" / "decision" / "request.py")


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_code(file):
    """No code of a code system stands in the Python of cds_service/."""
    assert codes().intersection(own_words(file)) == set()


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_wording(file):
    """No rating and no clinical wording of cards/ stands in the Python of cds_service/."""
    all_literals = " | ".join(literals(file)).lower()
    assert [words for words in wordings() if words in all_literals] == []


def test_no_path_of_this_machine():
    """No file names a folder of the machine on which it was written."""
    there = re.compile(rb"(?<![\w./-])/(?:work|home|root|Users)/[\w.-]+")
    assert [name for name in repository() if there.search((ROOT / name).read_bytes())] == []

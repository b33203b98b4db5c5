"""The documents name only files, headings and tests that exist."""

import re
import subprocess
from pathlib import Path

import pytest

from tools.screenshot import MOST_BYTES, PICTURES

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
)
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]
ELSEWHERE = ("http:", "https:", "mailto:", "tel:")
PATH = re.compile(r"(?<![\w/.-])((?:cds_service|tests|tools|cards|fixtures|benchmarks|deploy|docs)/[\w./-]*\w)")


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead to no file, or to no heading of a Markdown file."""
    broken = []
    for link in re.findall(r"\]\(([\w./#][^)\s]*)\)", re.sub(r"`[^`\n]*`", "", text)):
        if link.startswith(ELSEWHERE):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    return broken


def missing_paths(text: str) -> list[str]:
    """Return the paths of this repository that a text names and that do not exist."""
    return [path for path in PATH.findall(text) if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page):
    """Each relative link of a document leads to a file that exists, and to a heading of it."""
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_paths_exist(page):
    """Each path of the repository that a document names exists; the changelog may name those of its time."""
    assert missing_paths(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", ["docs/security.md", "docs/reliability.md"])
def test_named_tests_exist(page):
    """Each test that is named as proof is a file or a function of the tests."""
    files = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")}
    functions = set(re.findall(r"^def (test_\w+)", "\n".join(files.values()), re.MULTILINE))
    named = re.findall(r"`(test_\w+(?:\.py)?)`", (ROOT / page).read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [name for name in named if name not in files and name not in functions] == []


def test_a_broken_link_is_found():
    """The checks can fail: a missing file, a missing heading and a missing path are found."""
    text = "[a](nowhere.md) [b](GLOSSARY.md#nothing) [c](GLOSSARY.md#technical-terms) [d](https://example.org)"
    assert broken_links(ROOT / "README.md", text) == ["nowhere.md", "GLOSSARY.md#nothing"]
    assert missing_paths("`cds_service/nothing.py` and `cds_service/model.py`") == ["cds_service/nothing.py"]


SHOWN = {
    (page.parent / link).resolve()
    for page in PAGES
    for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+\.png)\)", page.read_text(encoding="utf-8"))
    if not link.startswith(ELSEWHERE)
}
FROM_ANOTHER_PROGRAM = ROOT / "docs" / "sandbox.png"


def test_every_picture_is_retaken_and_light():
    """Each picture that a document shows is one that `make screenshot` takes, and has less than 200 kB."""
    assert {FROM_ANOTHER_PROGRAM} | {ROOT / "docs" / name for name in PICTURES} == SHOWN
    assert [path.name for path in SHOWN if path.stat().st_size > MOST_BYTES] == []

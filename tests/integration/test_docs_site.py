"""The documentation builds as a site that works without a network, and no page of it is missing or leads nowhere."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(source: Path, site: Path) -> subprocess.CompletedProcess:
    """Build the site as `make docs` does."""
    options = ("--quiet", "--fail-on-warning", "--keep-going", "--conf-dir", source / "docs")
    command = [sys.executable, "-m", "sphinx", *map(str, options), str(source), str(site)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the built site."""
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stderr
    return folder


def test_each_page_is_in_the_contents(site):
    """Each page of docs/ is in the contents of the front page, which has the decision records by their list."""
    contents = (site / "docs" / "index.html").read_text("utf-8")
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert {page for page in pages if f'href="{page}.html"' not in contents} == set()
    records = {page.name for page in (ROOT / "docs" / "decisions").glob("0*.md")}
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    assert {record for record in records if f"({record})" not in listed} == set()


def test_the_search_finds_words(site):
    """The search index has the words of all pages, so that the search works without a server."""
    text = (site / "searchindex.js").read_text("utf-8")
    index = json.loads(re.fullmatch(r"Search\.setIndex\((.*)\);?", text, re.DOTALL)[1])
    for word, page in (("preselect", "docs/integration"), ("plexopathi", "GLOSSARY")):
        pages = index["terms"][word]
        assert index["docnames"].index(page) in (pages if isinstance(pages, list) else [pages])


def test_nothing_is_loaded_from_elsewhere(site):
    """No page loads a script, a style, a font or a picture from another server."""
    loads = re.compile(r"""<(?:script|img|iframe)[^>]*\ssrc="(?:https?:)?//|<link[^>]*\shref="(?:https?:)?//|@import""")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    assert [page.name for page in pages if loads.search(page.read_text("utf-8"))] == []
    assert not any("url(http" in style.read_text("utf-8") for style in site.rglob("*.css"))


@pytest.mark.parametrize(
    ("text", "warning"),
    [("[a](nowhere.md)", "nowhere.md"), ("[a](store.md#no-such-heading)", "no-such-heading")],
)
def test_a_dead_link_is_found(tmp_path, text, warning):
    """A link to a page or a heading that does not exist fails the build."""
    docs = tmp_path / "source" / "docs"
    docs.mkdir(parents=True)
    for name in ("conf.py", "store.md"):
        shutil.copy(ROOT / "docs" / name, docs)
    (docs / "store.md").write_text("# Store\n\n## What is stored\n", "utf-8")
    (docs / "index.md").write_text(f"# Documentation\n\n{text}\n", "utf-8")
    icon = tmp_path / "source" / "cds_service" / "web" / "static"
    icon.mkdir(parents=True)
    shutil.copy(ROOT / "cds_service" / "web" / "static" / "icon.svg", icon)
    built = build(tmp_path / "source", tmp_path / "site")
    assert built.returncode != 0
    assert warning in built.stderr

"""The documents name only files, headings, tests, commands and options that exist, and all that they claim to list."""

import csv
import json
import re
import shlex
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest

from cds_service.auth.clients import read_clients
from cds_service.cli import plexus_cds
from cds_service.config.site_file import read_site_file
from cds_service.errors import Check
from cds_service.model import SILENCE_REASONS, FetchFault, PrefetchState
from cds_service.web import error_handlers
from cds_service.web.call_summary import OUTCOMES
from tests.support.signing import key, key_set, public
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


@pytest.mark.parametrize(
    ("page", "more_than"), [("docs/security.md", 10), ("docs/reliability.md", 10), ("docs/service-levels.md", 3)]
)
def test_named_tests_exist(page, more_than):
    """Each test that is named as proof is a file or a function of the tests."""
    files = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")}
    functions = set(re.findall(r"^def (test_\w+)", "\n".join(files.values()), re.MULTILINE))
    named = re.findall(r"`(test_\w+(?:\.py)?)`", (ROOT / page).read_text(encoding="utf-8"))
    assert len(named) > more_than
    assert [name for name in named if name not in files and name not in functions] == []


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of a language: the page of each, and its text."""
    fence = re.compile(rf"^( *)```{language}\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
    return [
        (page.name, re.sub(f"^{match[1]}", "", match[2], flags=re.MULTILINE))
        for page in PAGES
        for match in fence.finditer(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("page", "text"), blocks("json"))
def test_json_can_be_read(page, text):
    """Each example in JSON is JSON, as a whole or line by line."""
    try:
        json.loads(text)
    except ValueError:
        assert [json.loads(line) for line in text.splitlines()], page


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_toml_is_accepted(page, text, tmp_path, knowledge):
    """Each example in TOML is a site file or a clients file that the service accepts as it stands."""
    file = tmp_path / page
    file.write_text(text, encoding="utf-8")
    for name in re.findall(r'^jwks_file = "(.*?)"', text, re.MULTILINE):
        (tmp_path / name).write_text(json.dumps(key_set(public(key("ES384")))), encoding="utf-8")
    if "[[clients]]" in text:
        assert read_clients(file, development="sandbox" in text)
    else:
        assert read_site_file(file, knowledge)


def commands(text: str) -> list[list[str]]:
    """Return the arguments of each `plexus-cds` that a page has in a block, or as one piece of code in a sentence."""
    lines = re.findall(r"^(?: {4,}|)((?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?plexus-cds .*)$", text, re.MULTILINE)
    lines += re.findall(r"`(plexus-cds [^`\n]+)`", text)
    parts = [part for line in lines for part in re.split(r"[|>;&]|\s#\s", line)]
    words = [re.sub(r"^\s*(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?", "", part).rstrip("\\ ").split("`")[0] for part in parts]
    return [shlex.split(part)[1:] for part in words if part.startswith("plexus-cds ")]


def unknown_options(arguments: list[str]) -> str:
    """Return what is wrong with the name of a command or of an option, or no text."""
    command = plexus_cds.get_command(click.Context(plexus_cds), arguments[0])
    if command is None:
        return arguments[0] if re.match("[a-z]", arguments[0]) else ""
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
    return " ".join(word for word in arguments[1:] if word.startswith("--") and word.partition("=")[0] not in known)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_commands_exist(page):
    """Each command of the service that a document names exists, with each of its options."""
    documented = commands(page.read_text(encoding="utf-8"))
    assert [" ".join(arguments) for arguments in documented if unknown_options(arguments)] == []


def first_column(page: str, heading: str) -> list[str]:
    """Return the first cell of each row of the first table under a heading."""
    section = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    table = re.search(r"^\|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert table, f"{page} has no table under {heading}"
    return [re.split(r"(?<!\\)\|", row)[1].strip() for row in table[1].splitlines()]


def test_each_reason_for_no_card_has_a_row():
    """Troubleshooting has a row for each reason for no card, in the order in which they are tested."""
    assert first_column("troubleshooting.md", "## No card") == [f"`{reason}`" for reason in SILENCE_REASONS]


def test_each_error_has_a_row():
    """Troubleshooting has a row for each status of an error, of the service or of the server beneath it."""
    own = {status for status, _ in error_handlers.STATUS.values()} | set(error_handlers.DIAGNOSTICS) | {500}
    below = {414, 431}
    assert set(OUTCOMES) - {404} <= own
    assert first_column("troubleshooting.md", "## Errors") == [str(status) for status in sorted(own | below)]


def test_each_refusal_of_a_token_has_a_row():
    """Authentication says of each check of a token how to fix what it refuses."""
    section = (ROOT / "docs" / "authentication.md").read_text(encoding="utf-8").partition("| `reason` |")[2]
    rows = re.findall(r"^\| (`.*?) \|", section.partition("\n\n")[0], re.MULTILINE)
    documented = [reason for row in rows for reason in re.findall(r"`(\w+)`", row)]
    assert sorted(documented) == sorted([*Check, "replay_memory"])


def test_each_state_of_a_key_is_described():
    """Troubleshooting names each state of a prefetch key that can lead to 412, and the faults of a search."""
    cells = " ".join(first_column("troubleshooting.md", "### 412: the record could not be read"))
    harmless = {PrefetchState.BUNDLE, PrefetchState.RESOURCE, PrefetchState.NULL}
    assert [state for state in set(PrefetchState) - harmless if state not in cells] == []
    labels = {fault.label for fault in FetchFault}
    assert set(re.findall(r"`(\w+)`", cells.partition("`fetch`")[2])) - {"fetch"} <= labels


def test_the_diagram_is_one_picture():
    """The diagram of a call is well-formed, needs nothing from elsewhere, and has its background with it."""
    text = (ROOT / "docs" / "call-sequence.svg").read_text(encoding="utf-8")
    drawing = ET.fromstring(text)
    tags = {element.tag.partition("}")[2] for element in drawing.iter()}
    assert tags == {"svg", "title", "desc", "style", "rect", "path", "text"}
    assert re.findall(r"href|url\(|@import", text) == []
    assert next(element for element in drawing if element.tag.endswith("rect")).get("class") == "panel"
    words = [element.text for element in drawing.iter() if element.tag.endswith("text")]
    assert words[:6] == ["EHR", "Proxy", "Service", "Key server", "FHIR server", "Store"]


def test_a_broken_link_is_found():
    """The checks can fail: a missing file, a missing heading and a missing path are found."""
    text = "[a](nowhere.md) [b](GLOSSARY.md#nothing) [c](GLOSSARY.md#technical-terms) [d](https://example.org)"
    assert broken_links(ROOT / "README.md", text) == ["nowhere.md", "GLOSSARY.md#nothing"]
    assert missing_paths("`cds_service/nothing.py` and `cds_service/model.py`") == ["cds_service/nothing.py"]


def test_a_wrong_command_is_found():
    """The check of commands can fail: it finds an unknown command and an unknown option, in blocks and in sentences."""
    block = "    plexus-cds example article | plexus-cds explain -\n"
    text = f"{block}\nor `plexus-cds doctor URL --chek` or `plexus-cds serve`\n"
    assert [unknown_options(arguments) for arguments in commands(text)] == ["", "explain", "--chek", ""]


SHOWN = {
    (page.parent / link).resolve()
    for page in PAGES
    for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+\.png)\)", page.read_text(encoding="utf-8"))
    if not link.startswith(ELSEWHERE)
}
FROM_OTHER_PROGRAMS = {ROOT / "docs" / name for name in ("sandbox.png", "crd.png")}


def test_every_picture_is_retaken_and_light():
    """Each picture that a document shows is one that `make screenshot` takes, and has less than 200 kB."""
    assert FROM_OTHER_PROGRAMS | {ROOT / "docs" / name for name in PICTURES} == SHOWN
    assert [path.name for path in SHOWN if path.stat().st_size > MOST_BYTES] == []


_OF_OTHERS = "make|curl|spark-submit|docker|helm|kubectl|systemctl|sqlite3|pg_dump|pip|python3?|git|npm|install|printf"
SHELL_COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(?:plexus-cds|{_OF_OTHERS}) .+")


def shell_commands(text: str) -> set[str]:
    """Return the first lines of the commands in the code blocks of a page, without their comments."""
    blocks, fence = [], None
    for line in text.split("\n"):
        if opened := re.match(r"\s*```(\w*)", line):
            fence = None if fence is not None else opened[1]
        elif fence in ("", "sh") or (fence is None and line.startswith("    ")):
            blocks.append(line.strip())
    found = (line for line in blocks if SHELL_COMMAND.fullmatch(line) and not line.startswith("plexus-cds:"))
    return {re.sub(r"\s{2,}#.*", "", line) for line in found}


def test_each_command_is_tested_or_says_why_not():
    """Each shell command of the documents has a row that names the test that runs it, or why none does."""
    with (ROOT / "tests" / "documented_commands.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    pages = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *(ROOT / "docs").glob("*.md")]
    documented = {
        (page.relative_to(ROOT).as_posix(), command)
        for page in pages
        for command in shell_commands(page.read_text(encoding="utf-8"))
    }
    assert {(row["page"], row["command"]) for row in rows} == documented
    assert [row for row in rows if bool(row["tested_by"]) == bool(row["not_tested_because"])] == []
    assert [row["tested_by"] for row in rows if row["tested_by"] and not (ROOT / row["tested_by"]).is_file()] == []
    assert shell_commands("    plexus-cds serve  # starts\n\n```sh\nA=1 make x\n```\nno `make y`\n") == {
        "plexus-cds serve",
        "A=1 make x",
    }

"""Integration sheets: three sites, and what a reader finds in the Markdown of their sheets."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from tests.support.signing import key, key_set, public
from tests.support.token_verifier import write_clients

EPIC, SANDBOX = "https://epic.example.org", "https://sandbox.cds-hooks.org"
SYSTEM = "urn:oid:1.2.840.114350.1.13.0.1.7.2.696580"
SITE = f"""
contact = "mailto:cds@hospital.example"
prefetch = ["imaging_orders", "allergies"]
prefetch_aliases.procedures = "Surgical_History"
[conditions]
problems = "problem-list-item"
encounter_diagnoses = "encounter-diagnosis"
[[orders]]
system = "{SYSTEM}"
code = "IMG1234"
study = "lumbar_spine_mri"
[override_reasons]
"12" = "mri-not-possible"
[cards.lumbosacral-plexus-mri.propose.plexus_mri_without_and_with_contrast]
system = "{SYSTEM}"
code = "IMG5678"
display = "MR LUMBOSACRAL PLEXUS W WO"
"""
CLIENTS = (
    f'issuer = "{EPIC}"\njwks_file = "keys.json"\ndialect = "epic"\ntenants = ["north"]\nlifetime_seconds = 300',
    f'issuer = "{SANDBOX}"\njwks_file = "keys.json"\nfhir_servers = ["https://fhir.example.org/r4"]',
    'issuer = "https://crd.example.org"\njwks_url = "https://crd.example.org/keys"\ndialect = "crd"',
)


def hospital(folder: Path) -> dict[str, str]:
    """Write the files of a hospital whose clients are an Epic, the Sandbox and one of Da Vinci CRD; its settings."""
    (folder / "keys.json").write_text(json.dumps(key_set(public(key("ES384")))), encoding="utf-8")
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    files = {"clients_file": str(write_clients(folder, *CLIENTS)), "site_file": str(folder / "site.toml")}
    return {**files, "store_url": f"sqlite:///{folder}/store.sqlite3", "development": "true"}


class Case(NamedTuple):
    """A test patient of a sheet: what is promised, and the command that shows it."""

    title: str
    orders: str
    summaries: list[str]
    suggestions: list[str]
    """Labels or, for Epic, descriptions."""
    marked: list[str]
    """Those that are recommended."""
    status: int
    why_none: str
    command: str
    url: str


def cases(sheet: str) -> list[Case]:
    """Return the test patients of a sheet."""
    part = re.search(r"^## 8\. .*?(?=^## 9\. )", sheet, re.MULTILINE | re.DOTALL)[0]
    return [_case(*block.split("\n", 1)) for block in part.split("\n### ")[1:]]


def _case(title: str, text: str) -> Case:
    command = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1]
    before, _, expected = text.partition("Expected: ")
    expected = expected.partition("```")[0]
    lines = [plain(line[2:]) for line in expected.splitlines() if line.startswith("* ")]
    mark = re.compile(r" \*\((recommended|preselected)\)\*$")
    silence = re.match(r"(no card|status (\d+))\. (.*)", expected)
    return Case(
        plain(title),
        re.search(r"^\* Orders? .*", before, re.MULTILINE)[0],
        [plain(bold) for bold in re.findall(r"\*\*(.+)\*\*$", expected, re.MULTILINE)],
        [mark.sub("", line) for line in lines],
        [mark.sub("", line) for line in lines if mark.search(line)],
        int(silence[2] or 200) if silence else 200,
        plain(silence[3]) if silence else "",
        command,
        command.split()[-1],
    )


def plain(text: str) -> str:
    """Return a line of Markdown without its escapes."""
    return re.sub(r"\\([^\w\s])", r"\1", text)


def prefetch(sheet: str) -> dict[str, str]:
    """Return the queries to paste, by the name of the key."""
    return dict(re.findall(r"^Key `([^`]+)`.*:\n\n```\n(.*)\n```$", sheet, re.MULTILINE))

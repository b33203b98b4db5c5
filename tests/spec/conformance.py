"""`python -m tests.spec.conformance`: which test proves which requirement of CDS Hooks -> docs/conformance.md.

The requirements are in requirements.csv; tests cite them by the marker `requirement`.
"""

import csv
from collections import Counter
from pathlib import Path

from tests.support.collected import collect

HERE = Path(__file__).parent
TESTS = HERE.parent
PAGE = TESTS.parent / "docs" / "conformance.md"
PARTS = {
    "G": "JSON and documentation",
    "D": "Discovery",
    "Q": "Calls",
    "P": "Prefetch and FHIR access",
    "A": "Answers",
    "C": "Cards",
    "F": "Feedback",
    "X": "Security and browsers",
    "U": "Cards that grow old",
    "E": "Extensions",
    "H": "Hooks",
}
KINDS = {
    "tested": "proved by tests alone",
    "client": "bind the client alone; what the service tolerates is said, and tested where a test is named",
    "not testable here": "cannot be shown by a test of the service",
}
WHO = {"S": "service", "C": "client", "B": "both"}
INTRO = """\
# Conformance with CDS Hooks 2.0.1

Each requirement of CDS Hooks 2.0.1 (and those of the 3.0 ballot that a service may keep already), with the tests that
prove it through HTTP, or with what answers for it instead. The ids are ours; the words are a summary, and the text of
the [specification](https://cds-hooks.hl7.org/2.0/) decides.

This page is written by `python -m tests.spec.conformance` from `tests/spec/requirements.csv` and from the
marker `requirement` of the tests; a test fails where the page is stale, where a requirement has neither a test nor an
answer, and where a test cites a requirement that there is not. That the checks can fail is shown by
`tests/spec/test_checks_can_fail.py`.
"""


def citations_of(tests) -> list[dict[str, str]]:
    """Return each citation of a requirement once, however many parameters its test has, in the order of the tests."""
    citations = [
        {"file": test["file"], "test": test["function"], "id": requirement, "broken": broken}
        for test in tests
        for requirement, broken in test["requirements"]
    ]
    return [citation for number, citation in enumerate(citations) if citation not in citations[:number]]


def requirements() -> list[dict[str, str]]:
    """Return the rows of requirements.csv."""
    with (HERE / "requirements.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def unproved(rows, citations) -> list[str]:
    """Return the requirements that have neither a test nor an answer."""
    cited = {citation["id"] for citation in citations}
    return [row["id"] for row in rows if not row["answer"] and row["id"] not in cited]


def unknown(rows, citations) -> list[str]:
    """Return the ids that tests cite and requirements.csv does not have."""
    return sorted({citation["id"] for citation in citations} - {row["id"] for row in rows})


def kind(row) -> str:
    """Return what answers for a requirement: a word of KINDS."""
    return row["answer"].partition(":")[0] or "tested"


def page(rows, citations) -> str:
    """Return docs/conformance.md."""
    tables = [_table(part, rows, citations) for part in PARTS]
    return "\n".join([INTRO, _counts(rows, citations), *tables])


def _counts(rows, citations) -> str:
    kinds, cited = Counter(map(kind, rows)), {citation["id"] for citation in citations}
    tests = {(citation["file"], citation["test"]) for citation in citations}
    lines = [f"| {name} | {kinds[name]} | {words} |" for name, words in KINDS.items()]
    also = sum(row["id"] in cited for row in rows if row["answer"])
    return "\n".join(
        [
            f"{len(rows)} requirements, {len(tests)} test functions that cite them.\n",
            "| answer | requirements | which |",
            "|---|---:|---|",
            *lines,
            "",
            f"Of the {len(rows) - kinds['tested']} that have an answer in words, {also} also have a test.\n",
        ]
    )


def _table(part: str, rows, citations) -> str:
    lines = [_line(row, citations) for row in rows if row["id"][0] == part]
    head = ["| id | level | binds | requirement | proof |", "|---|---|---|---|---|"]
    return "\n".join([f"## {PARTS[part]}\n", *head, *lines, ""])


def _line(row, citations) -> str:
    tests = {(one["file"], one["test"]) for one in citations if one["id"] == row["id"]}
    proof = [f"[`{test}`](../tests/{file})" for file, test in sorted(tests)]
    cells = (
        row["id"],
        row["level"],
        WHO[row["who"]],
        row["requirement"],
        "; ".join([row["answer"], *proof]).strip("; "),
    )
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(requirements(), citations_of(collect())), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The tables of verified codes: their rows, and each code of a row."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SNOMED = "http://snomed.info/sct"

Row = dict[str, str]

LISTED = ("ama-assn.org", "HCPCSReleaseCodeSets")  # systems without categories: a range is the codes in it
REACHES = ("plexus_adjacent", "unspecified", "remote")
NOTED = (("prefix", "prefix"), ("regular expression", "text"))  # what a row's notes begin with, and how it matches
REMARK = re.compile(r"\s*\((own paraphrase|HPO term: [^)]*)\)")


@dataclass(frozen=True)
class Code:
    """One code of a table: a concept, a category (prefix) or a pattern (text)."""

    system: str
    code: str
    display: str
    match: str
    verified_by: str
    group: str = ""
    reach: str = ""  # how near to the plexus, or how telling: the tier of a presentation
    table: str = ""
    width: int = 0  # how many categories the row spans: the narrowest row wins
    words: str = ""  # our words for it, where the table has them

    @property
    def key(self) -> tuple[str, str]:
        """Return what makes it one code, whichever row it came from."""
        return self.system, self.code


@dataclass(frozen=True)
class Reject:
    """A code that goes into no set, and why."""

    code: Code
    value_set: str
    reason: str


def rows(path: Path) -> list[Row]:
    """Read the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_table(folder: Path, table: str) -> list[Code]:
    """Read every code of one table, its ranges expanded."""
    return [code for row in rows(folder / f"{table}.csv") for code in expand(row, table)]


def expand(row: Row, table: str) -> Iterator[Code]:
    """Return the codes of one row: the row's own, or each one in its range."""
    words = row.get("wording", "")
    code = Code(
        row.get("system", SNOMED),
        row.get("code") or row["code or range"],
        REMARK.sub("", row.get("display") or words).strip(),
        row.get("match") or noted(row.get("notes", "")),
        row["verified_by"],
        "metastatic" if row.get("metastatic") == "yes" else row.get("group", ""),
        row.get("reach") or row.get("tier") or row.get("field", ""),
        table,
        words=words,
    )
    numbers = range_of(code) if code.match == "range" else [code.code]
    match_of_each = "exact" if any(name in code.system for name in LISTED) else "prefix"
    match = match_of_each if code.match == "range" else code.match
    return (replace(code, code=number, match=match, width=len(numbers) - 1) for number in numbers)


def noted(notes: str) -> str:
    """Return how a code matches, which a table without a column for it says in its notes."""
    return next((match for start, match in NOTED if notes.startswith(start)), "exact")


def range_of(code: Code) -> list[str]:
    """Return each code from the first to the last of a range such as C00-C14, G6003-G6016 or O00-O9A."""
    first, _, last = code.code.partition("-")
    if last[-1].isalpha():  # ICD-10-CM counts O99, O9A
        return [*range_of(replace(code, code=f"{first}-{last[:-1]}9")), last]
    letter = first.rstrip("0123456789")
    digits = len(first) - len(letter)
    start, end = int(first[len(letter) :]), int(last[len(letter) :])
    return [f"{letter}{number:0{digits}d}" for number in range(start, end + 1)]


def initial_encounter(code: Code) -> Code:
    """Turn a category of ICD-10-CM injuries into a pattern without later encounters and sequelae.

    The pattern is for codes without their dot, whose 7th character is A, B or C, or is missing.
    """
    category = code.code.replace(".", "")
    pattern = f"^{category}(?!{'.' * (6 - len(category))}[^ABC])"
    return replace(code, code=pattern, match="text")


def narrowest(codes: Iterable[Code]) -> tuple[list[Code], list[Reject]]:
    """Keep, of several rows for one code of a table, the one that spans least; reject the others."""
    best: dict[tuple[str, str], Code] = {}
    codes = sorted(codes, key=lambda code: code.width)
    wider = [code for code in codes if best.setdefault(code.key, code) is not code]
    reason = "another row of the table states it more closely"
    return list(best.values()), [Reject(code, "", reason) for code in wider]


@dataclass(frozen=True)
class Correction:
    """What a later look at a code found wrong, and what is right."""

    system: str
    code: str
    right: str
    metastatic: bool

    def applied(self, code: Code) -> Code:
        """Return a code as it is right: its reach, or what a route is to make of it."""
        group = "metastatic" if self.metastatic else f"corrected: {self.right}"
        reach = self.right if self.right in REACHES else code.reach
        return replace(code, group=group, reach="unspecified" if self.metastatic else reach)


def corrections(path: Path) -> dict[tuple[str, str], Correction]:
    """Read the corrections of a table, by system and code."""
    if not path.exists():
        return {}
    by_code = {}
    for row in rows(path):
        metastatic = "metastatic yes" in row["to"] or "metastatic: yes" in row["why"]
        spans = Code(row["system"], row["code"], "", "", "")
        for number in range_of(spans) if "-" in row["code"] else [row["code"]]:
            by_code[row["system"], number] = Correction(row["system"], number, row["to"], metastatic)
    return by_code

"""The words a clinician reads for a code, from the ordered rules of wording.csv."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from code_tables import Code, Row

LONGEST = 60  # characters that may stand on a card
HISTORY = re.compile(r"\b(history of|h/o|hx)\b|^\S+ (Z85|V10)", re.IGNORECASE)
ORIGIN = re.compile(r"\bmetastasis from (.*)", re.IGNORECASE)
PROPER = re.compile(r"[A-Z]{2}|[BT]-|T/|(Burkitt|Ewing|Hodgkin|Kaposi|Langerhans|Merkel|Paget|Richter|Waldenström)\b")


@dataclass(frozen=True)
class Rule:
    """One row of wording.csv: what it looks for, and our words for it, as a tumor and as a metastasis."""

    pattern: re.Pattern[str]
    wording: str
    metastasis: str

    def words(self, match: re.Match[str], *, metastatic: bool) -> str:
        """Return our words, with what the pattern caught in place of a backslash and its number."""
        words = self.metastasis if metastatic else self.wording
        return re.sub(r"\\(\d)", lambda number: match[int(number[1])].lower(), words)


@cache
def rules() -> dict[str, list[Rule]]:
    """Read the rules, by what they apply to, in the order of the file."""
    rules_by_use: dict[str, list[Rule]] = defaultdict(list)
    with Path(__file__).with_name("wording.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pattern = re.compile(row["pattern"], re.IGNORECASE)
            rules_by_use[row["applies_to"]].append(Rule(pattern, row["wording"], row["metastasis"]))
    return rules_by_use


def first(applies_to: str, subject: str, *, metastatic: bool = False) -> str:
    """Return the words of the first rule that fits and has words of that kind."""
    for rule in rules()[applies_to]:
        if (match := rule.pattern.search(subject)) and (words := rule.words(match, metastatic=metastatic)):
            return words
    message = f"wording.csv has no {applies_to} words for {subject}"
    raise ValueError(message)


def plain(display: str) -> str:
    """Rewrite a display so that it names only the organ that counts."""
    for rule in rules()["rewrite"]:
        display = rule.pattern.sub(rule.wording, display)
    return display


def lower(words: str) -> str:
    """Write words as they are inside a sentence."""
    return words if PROPER.match(words) else words[:1].lower() + words[1:]


def wording(row: Row, code: Code) -> str:
    """Return our words for a code of a value set."""
    if code.words and len(code.words) <= LONGEST:
        return code.words
    subject = f"{code.system.rpartition('/')[2]} {code.code} {plain(code.display)}"
    if row["means"].startswith("excluded"):
        return first("excluded", subject)
    if row["family"] == "order":
        return f"{first('order', subject)} {first('order contrast', subject)}".removesuffix(" -")
    if row["family"] in ("malignancy", "tumor_site"):
        return malignancy(subject, metastatic=bool(row["metastatic"]))
    return first(row["family"], subject)


def malignancy(subject: str, *, metastatic: bool) -> str:
    """Return our words for a tumor, present or past, or for a metastasis by its place or its origin."""
    if origin := ORIGIN.search(subject):
        return f"Metastasis from {lower(first('malignancy', origin[1]))}"
    words = first("malignancy", subject, metastatic=metastatic)
    return f"History of {lower(words)}" if HISTORY.search(subject) else words

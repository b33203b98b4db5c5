"""Damages the tables of cards/ one cell or row at a time and asks whether the vignettes notice, or the names of orders.

Usage: python -m tools.mutate_cards [TABLE ...]   (default: the decision tables; prints the survivors and a score)

A mutant is caught where the knowledge is refused at the start, or where some vignette is answered, or the name of some
order read, otherwise.
"""

import csv
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from cds_service.errors import CallError, PlexusError
from cds_service.knowledge import CARD, Knowledge, load
from cds_service.model import Recommendation
from tests.support import notation
from tests.support.in_process import decided

ROOT = Path(__file__).parents[1]
TODAY = date(2026, 11, 22)
TABLES = (
    "watched_orders",
    "decision_table",
    "reservations",
    "silences",
    "statuses",
    "lookback_windows",
    "valuesets",
    "words",
)
OTHERWISE = {
    "indicator": {"info": "warning", "warning": "info"},
    "recommended": {"replace": "", "add_first": "", "": "replace"},
    "counts": {"yes": "no", "no": "yes"},
    "active": {"yes": "no", "no": "yes"},
    "only_for": {"specific": "", "": "specific"},
    "at_most": {"info": "", "": "info"},
}
"""What a cell is changed to, by column; whole rows are left out besides, and limits moved by a day."""

EXCLUDED = {
    ("upper_limb_only", "plexus_mri_on_record"): "the second needs a study that needs a sign in the leg",
    ("typed_history_only", "not_readable"): "the history is in words, or there is none",
    ("no_history", "remote_without_presentation"): "there is no history, or a remote one",
}
"""Neighboring silences that can never both hold: exchanging them changes nothing, so it is not tried."""

Rows = list[dict[str, str]]


def mutants(table: str, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """Yield each mutant of a table, with what was done to it."""
    for number, row in enumerate(rows):
        name = f"{table}.csv line {number + 2} ({', '.join(list(row.values())[:3])})"
        yield f"{name}: left out", rows[:number] + rows[number + 1 :]
        for column, value in row.items():
            other = OTHERWISE.get(column, {}).get(value)
            if other is not None:
                yield f"{name}: {column} {other or 'empty'}", _with(rows, number, column, other)
            if (table, column) == ("reservations", "studies"):
                studies = value.split()
                for study in studies if len(studies) > 1 else ():
                    fewer = " ".join(other for other in studies if other != study)
                    yield f"{name}: not of {study}", _with(rows, number, column, fewer)
            if (table, column) == ("lookback_windows", "value"):
                for moved in (int(value) - 1, int(value) + 1):
                    yield f"{name}: {moved}", _with(rows, number, column, str(moved))
    if table == "silences":
        yield from _orders_of_silences(rows)


def _orders_of_silences(rows: Rows) -> Iterator[tuple[str, Rows]]:
    for number, neighbors in enumerate(pairwise(row["reason"] for row in rows)):
        if neighbors not in EXCLUDED:
            yield f"silences.csv: lines {number + 2} and {number + 3} exchanged", _exchanged(rows, number)


def _with(rows: Rows, number: int, column: str, value: str) -> Rows:
    return [row | {column: value} if at == number else row for at, row in enumerate(rows)]


def _exchanged(rows: Rows, number: int) -> Rows:
    return [*rows[:number], rows[number + 1], rows[number], *rows[number + 2 :]]


def is_answered_otherwise(knowledge: Knowledge, vignettes: Rows, expected: list[Any]) -> bool:
    """Return whether any vignette is answered otherwise than expected."""
    return any(answer(knowledge, row) != before for row, before in zip(vignettes, expected, strict=True))


def studies(knowledge: Knowledge) -> list[str | None]:
    """Return what is read in the names of orders, of which each word of words.csv has one."""
    return [knowledge.words.study(row["name"]) for row in notation.rows("order_names.csv")]


def answer(knowledge: Knowledge, row: dict[str, str]) -> Any:
    """Return what is said to a vignette: its outcomes, and the words and suggestions of its cards."""
    try:
        decision = decided(row, knowledge, TODAY)
    except CallError as error:
        return type(error).__name__
    cards = [(card["summary"], card["detail"], len(card["suggestions"])) for card in decision.cards]
    return [_outcome(outcome) for outcome in decision.outcomes], cards


def _outcome(outcome: Any) -> Any:
    if isinstance(outcome, Recommendation):
        findings = outcome.findings
        cautions = sorted({str(finding.kind) for finding in findings.others})
        return outcome.order.study, outcome.indicator, outcome.recommended, str(findings.history), cautions
    return outcome.reason


def caught(table: str, rows: Rows, cards: Path, proof: Callable[[Knowledge], bool]) -> bool:
    """Return whether a mutant is refused or noticed; the table is put back afterwards."""
    file = cards / CARD / f"{table}.csv"
    before = file.read_bytes()
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return proof(load(cards))
    except PlexusError:
        return True
    finally:
        file.write_bytes(before)


def main(tables: list[str]) -> int:
    """Run the mutants, print the survivors and the score."""
    vignettes = [row for row in notation.rows("vignettes.csv") if row["call"] in ("", "order-sign")]
    whole = load()
    expected, named = [answer(whole, row) for row in vignettes], studies(whole)
    survivors, total = [], 0
    with tempfile.TemporaryDirectory() as folder:
        cards = Path(shutil.copytree(ROOT / "cards", Path(folder) / "cards"))
        for table in tables or TABLES:
            with (cards / CARD / f"{table}.csv").open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            for damage, mutant in mutants(table, rows):
                total += 1
                if not caught(
                    table,
                    mutant,
                    cards,
                    lambda knowledge: (
                        studies(knowledge) != named or is_answered_otherwise(knowledge, vignettes, expected)
                    ),
                ):
                    survivors.append(damage)
                    print(f"survived: {damage}", flush=True)
    print(f"{total - len(survivors)} of {total} mutants caught ({100 * (total - len(survivors)) / total:.1f} %)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

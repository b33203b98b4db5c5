"""Build the value sets of a card from the tables of verified codes, dropping nothing in silence.

    python tools/valuesets_from_tables.py TABLES_DIR

brakes.csv and additions.csv beside this file are two more such tables, of codes that were verified here.
What reach_corrections.csv of the tables, and corrections.csv here, say of a code stands in place of what its
row says. A national edition of ICD-10 (editions.csv) has, besides its own rows, every category of the WHO edition.
Three others say what becomes of a code; a new family of sets is new rows in them:
valuesets_plan.csv (each set: family, meaning, texts), valuesets_rows.csv (which rows of which table
go to which set, the first row that fits) and wording.csv (our words for a code, the first rule that fits).
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from check_digits import passes
from code_tables import (
    Code,
    Reject,
    Row,
    corrections,
    initial_encounter,
    narrowest,
    read_table,
    rows,
)
from editions import ICD_10_CM, ICD_10_WHO, as_who, corrected, editions, in_edition, who_edition
from valueset_json import render, value_set
from wording import wording

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CARD = HERE.parent / "cards" / "lumbosacral_plexus_mri"
OWN = ("additions", "brakes")
PATTERNS = ("table", "system", "code", "group", "reach", "display")


@cache
def routes() -> list[Row]:
    """Read the table that says which rows go to which set."""
    return rows(HERE / "valuesets_rows.csv")


def fits(route: Row, code: Code) -> bool:
    """Return whether a code has everything that a route asks for."""
    return all(
        re.search(route[name], getattr(code, name), re.IGNORECASE) if name == "display"
        else re.fullmatch(route[name], getattr(code, name))
        for name in PATTERNS
        if route[name]
    )  # fmt: skip


def covers(listed: str, code: str) -> bool:
    """Return whether a category or a pattern of ours takes in a code."""
    return bool(re.match(listed, code.replace(".", ""))) if listed.startswith("^") else code.startswith(listed)


class Sorter:
    """Sorts codes into value sets, and keeps the account of it."""

    def __init__(self, plan: list[Row]) -> None:
        self.family = {row["value_set"]: row["family"] for row in plan}
        self.sets: dict[str, list[Code]] = {row["value_set"]: [] for row in plan}
        self.seen: dict[tuple[str, str, str], str] = {}
        self.incoming: Counter[str] = Counter()
        self.rejects: list[Reject] = []
        self.faults: list[str] = []
        self.cm_only: list[str] = []

    def sort(self, code: Code) -> None:
        """Put one code where the first fitting route says."""
        route = next((route for route in routes() if fits(route, code)), None)
        if route is None:
            self.faults.append(f"{code.table}: {code.code} {code.display}: no route fits")
        elif route["value_set"]:
            self.place(code, route["value_set"])
        else:
            self.rejects.append(Reject(code, "", route["reason"]))

    def place(self, code: Code, name: str) -> None:
        """Add a code to a set, unless its family has it already."""
        self.incoming[name] += 1
        if self.family[name] == "trauma" and code.system == ICD_10_CM:
            code = initial_encounter(code)
        key = (self.family[name], *code.key)
        if key in self.seen:
            self.rejects.append(Reject(code, name, f"already in {self.seen[key]}"))
        else:
            self.seen[key] = name
            self.sets[name].append(code)

    def check(self) -> None:
        """Note every fault of the result."""
        for name, codes in self.sets.items():
            self.faults += [f"{name}: empty"] if not codes else []
            for code in codes:
                if not passes(*code.key):
                    self.faults.append(f"{name}: {code.code}: wrong check digit")
        for reject in self.rejects:
            self.faults += list(self.covering(reject)) if not reject.value_set else []

    def covering(self, reject: Reject) -> Iterator[str]:
        """Find the categories that a code rejected as harmless would fall under."""
        code = reject.code
        for family, system, prefix in self.seen:
            if "harmless" in reject.reason and system == code.system and covers(prefix, code.code):
                yield f"{code.code} is rejected, but {prefix} of {family} covers it"


def sort_all(folder: Path, plan: list[Row]) -> Sorter:
    """Sort every code of every table."""
    sorter = Sorter(plan)
    for table in dict.fromkeys(route["table"] for route in routes()):
        codes, rejects = read(folder, table)
        sorter.rejects += rejects
        for code in codes:
            sorter.sort(code)
        if table in OWN:
            add_editions(sorter)
    add_who_edition(sorter)
    add_editions(sorter)
    sorter.check()
    return sorter


def read(folder: Path, table: str) -> tuple[list[Code], list[Reject]]:
    """Read one table, and reject those rows that another row states more closely."""
    if table in OWN:  # a code may stand in several families there, which the sorter keeps apart
        return read_table(HERE, table), []
    corrections_of_table = corrections(folder / "reach_corrections.csv") | corrections(HERE / "corrections.csv")
    return narrowest(corrected(code, corrections_of_table) for code in read_table(folder, table))


def add_editions(sorter: Sorter) -> None:
    """Add to each national edition the categories of the WHO edition that it does not state itself."""
    for name in sorter.sets:
        who_codes = [code for code in sorter.sets[name] if code.system == ICD_10_WHO]
        for code in (in_edition(code, system) for code in who_codes for system in editions()):
            stands = sorter.seen.get((sorter.family[name], *code.key))
            if stands is None:
                sorter.place(code, name)
            elif stands != name:
                sorter.faults.append(f"{code.system} {code.code} is in {stands}, and in the WHO edition in {name}")


def add_who_edition(sorter: Sorter) -> None:
    """Add WHO's categories beside ICD-10-CM's in the malignancy sets."""
    for name in [name for name, family in sorter.family.items() if family == "malignancy"]:
        for code in [code for code in sorter.sets[name] if code.system == ICD_10_CM]:
            if same := who_edition(code):
                sorter.place(same, name)
            else:
                sorter.cm_only.append(code.code)


def write(sorter: Sorter, plan: list[Row]) -> None:
    """Write each value set, and the list of them."""
    for row in plan:
        codes = [(code, wording(row, as_who(code))) for code in sorter.sets[row["value_set"]]]
        path = CARD / "valuesets" / f"{row['value_set']}.json"
        path.write_text(render(value_set(row, codes)) + "\n", encoding="utf-8")
    with (CARD / "valuesets.csv").open("w", encoding="utf-8", newline="") as file:
        columns = ["value_set", "family", "means", "metastatic"]
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(plan)


def account(sorter: Sorter) -> Iterator[str]:
    """Tell codes in and codes out, for each set and for all."""
    lost = Counter(reject.value_set for reject in sorter.rejects)
    yield f"{'value set':45} {'codes in':>9} {'rejects':>8} {'codes out':>10}"
    for name, codes in sorter.sets.items():
        yield f"{name:45} {sorter.incoming[name]:9} {lost[name]:8} {len(codes):10}"
    yield f"{'in no set':45} {lost['']:9} {lost['']:8} {0:10}"
    total = sum(sorter.incoming.values()) + lost[""]
    yield f"{'all':45} {total:9} {len(sorter.rejects):8} {len(sorter.seen):10}"


def losses(sorter: Sorter) -> Iterator[str]:
    """Tell every code that was left out, by reason."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for reject in sorter.rejects:
        by_reason[f"{reject.code.table}: {reject.reason}"].append(reject.code.code)
        if reject.value_set and not reject.reason.endswith(reject.value_set):
            yield f"note: {reject.code.code} also asked for {reject.value_set}, {reject.reason}"
    for reason, codes in sorted(by_reason.items()):
        yield f"rejected ({len(codes)}), {reason}: {' '.join(codes)}"


def report(sorter: Sorter) -> Iterator[str]:
    """Tell what went in, what came out, what was left out and why."""
    yield from account(sorter)
    yield from losses(sorter)
    yield f"not repeated for WHO's ICD-10: {' '.join(sorter.cm_only)}"
    yield from (f"FAULT {fault}" for fault in sorter.faults)


def main(folder: Path) -> int:
    """Build everything, and return 1 when a code was lost or is wrong."""
    plan = rows(HERE / "valuesets_plan.csv")
    sorter = sort_all(folder, plan)
    write(sorter, plan)
    print("\n".join(report(sorter)))
    return 1 if sorter.faults else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder]:
            sys.exit(main(Path(folder)))
        case _:
            sys.exit(__doc__)

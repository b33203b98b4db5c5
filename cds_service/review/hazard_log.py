"""The hazard log, docs/clinical-safety.md: its text is written by hand, its tables come from docs/safety/ and cards/.

A table stands between `<!-- generated: NAME -->` and `<!-- end -->`, and is written anew there.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cds_service.errors import PlexusError
from cds_service.knowledge import Knowledge
from cds_service.model import BRAKE_FAMILIES
from cds_service.review.review_page import SYSTEMS, table

Row = Mapping[str, str]

_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Log:
    """The hazards with their controls, the scales by which they are judged, and the knowledge in force."""

    knowledge: Knowledge
    hazards: tuple[Row, ...]
    controls: tuple[Row, ...]
    scales: tuple[Row, ...]

    def scale(self, name: str) -> list[Row]:
        """Return the steps of a scale."""
        return [row for row in self.scales if row["scale"] == name]

    def of(self, hazard: Row) -> list[Row]:
        """Return the controls of a hazard."""
        return [row for row in self.controls if hazard["hazard"] in row["hazards"].split()]

    def named(self, scale: str, value: str) -> str:
        """Return a step of a scale with its number."""
        return next(f"{value} {row['name']}" for row in self.scale(scale) if row["value"] == value)

    def risk(self, hazard: Row, likelihood: str) -> str:
        """Return severity times likelihood, and the class of it: the first whose value is not exceeded."""
        product = int(hazard["severity"]) * int(hazard[likelihood])
        return next(f"{product} {row['name']}" for row in self.scale("risk") if product <= int(row["value"]))


def page(knowledge: Knowledge, file: Path) -> str:
    """Return the hazard log with each of its tables as the data are now."""
    folder = file.parent / "safety"
    log = Log(knowledge, *(_rows(folder / f"{name}.csv") for name in ("hazards", "controls", "scales")))
    return _BLOCK.sub(lambda block: f"{block[1]}{_block(block[2], log)}\n{block[3]}", file.read_text(encoding="utf-8"))


def _rows(file: Path) -> tuple[Row, ...]:
    with file.open(encoding="utf-8", newline="") as opened:
        return tuple(csv.DictReader(opened))


def _block(name: str, log: Log) -> str:
    if name not in _BLOCKS:
        message = f"clinical-safety.md asks for {name}, which is no table; there are: {', '.join(_BLOCKS)}"
        raise PlexusError(message)
    return "\n".join(_BLOCKS[name](log))


def _scales(log: Log) -> Iterator[str]:
    up_to = {"risk": "up to "}
    steps = (
        (row["scale"], f"{up_to.get(row['scale'], '')}{row['value']}", row["name"], row["means"]) for row in log.scales
    )
    yield from table(("scale", "value", "step", "meaning"), steps)


def _summary(log: Log) -> Iterator[str]:
    classes = Counter(log.risk(row, "likelihood_after").partition(" ")[2] for row in log.hazards)
    tests = {row["test"] for row in log.controls}
    counted = ", ".join(f"{classes[row['name']]} {row['name']}" for row in log.scale("risk"))
    yield f"{len(log.hazards)} hazards, {len(log.controls)} controls, {len(tests)} tests. Residual risk: {counted}."
    yield ""
    yield from table(
        ("id", "hazard", "severity", "likelihood before, after", "risk before", "residual risk"),
        (
            (
                f"[{row['hazard']}](#{row['hazard'].lower()})",
                row["title"],
                log.named("severity", row["severity"]),
                f"{row['likelihood_before']}, {row['likelihood_after']}",
                log.risk(row, "likelihood_before"),
                log.risk(row, "likelihood_after"),
            )
            for row in log.hazards
        ),
    )


def _hazards(log: Log) -> Iterator[str]:
    for row in log.hazards:
        before, after = (log.named("likelihood", row[f"likelihood_{when}"]) for when in ("before", "after"))
        severity = f"Severity {log.named('severity', row['severity'])}"
        yield f"### {row['hazard']}"
        yield ""
        yield f"* **Hazard.** {row['title']}."
        yield f"* **Cause.** {row['cause']}"
        yield f"* **Harm.** {row['harm']} {severity}, likelihood {before}, risk {log.risk(row, 'likelihood_before')}."
        yield ""
        yield from table(("control", "what it does", "test"), (_control(control) for control in log.of(row)))
        yield ""
        yield f"* **Residual risk.** {row['left']} Likelihood {after}, risk {log.risk(row, 'likelihood_after')}."
        yield "* **Accepted by.** Not accepted yet: that is for the site's clinical safety officer."
        yield f"* **What the site does.** {row['site']}"
        yield ""


def _control(row: Row) -> tuple[str, str, str]:
    file, _, test = row["test"].partition("::")
    return row["control"], row["words"], f"[`{test.replace('|', '&#124;')}`](../{file})"


def _counts(log: Log) -> Iterator[str]:
    knowledge = log.knowledge
    includes = (include for value_set in knowledge.value_sets.values() for include in value_set["compose"]["include"])
    systems = {include["system"] for include in includes}
    against = {row.reason for row in knowledge.reservations}
    signed = [row for row in knowledge.signatures if row["version"] == knowledge.version]
    yield f"* {len(knowledge.watched)} studies that can bring a card; {len(knowledge.ratings)} studies with a rating"
    yield f"* {len(knowledge.silences)} silences (reasons for no card)"
    yield f"* {len(against)} reservations (reasons to recommend nothing)"
    yield f"* {len(knowledge.value_sets)} value sets with {sum(knowledge.entries.values())} entries"
    yield f"* {len(systems)} code systems"
    yield f"* {len(knowledge.reason_rows)} rows of words for typed text"
    yield f"* {len(signed)} clinical signatures of the version in force"


def _brakes(log: Log) -> Iterator[str]:
    counted = {family: _by_system(log.knowledge, family) for family in ("malignancy", *BRAKE_FAMILIES)}
    rows = (
        (SYSTEMS.get(system, system), *(str(counted[family][system]) for family in counted))
        for system in counted["malignancy"]
    )
    yield from table(("code system", *(name.replace("_", " ") for name in counted)), rows)


def _by_system(knowledge: Knowledge, family: str) -> Counter[str]:
    """Return how many codes, categories and patterns a family has of each code system."""
    return Counter(member.system for member in knowledge.terminology.families[family])


def _silences(log: Log) -> Iterator[str]:
    yield from table(
        ("no card, in this order", "why"), ((f"`{reason}`", words) for reason, words in log.knowledge.silences.items())
    )


def _reservations(log: Log) -> Iterator[str]:
    names = log.knowledge.card["orders"]
    yield from table(
        ("nothing is recommended", "of", "why", "card at most"),
        (
            (
                f"`{row.reason}`",
                ", ".join(names[study]["name"] for study in sorted(row.studies)),
                row.words,
                row.at_most,
            )
            for row in log.knowledge.reservations
        ),
    )


def _limits(log: Log) -> Iterator[str]:
    rows = log.knowledge.lookback_window_rows
    yield from table(
        ("limit", "value", "meaning"), ((r["limit"], f"{r['value']} {r['unit']}", r["meaning"]) for r in rows)
    )


_BLOCKS: dict[str, Callable[[Log], Iterator[str]]] = {
    "scales": _scales,
    "summary": _summary,
    "hazards": _hazards,
    "counts": _counts,
    "brakes": _brakes,
    "silences": _silences,
    "reservations": _reservations,
    "limits": _limits,
}
"""The tables that the page can ask for."""

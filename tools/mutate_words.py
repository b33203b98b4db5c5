"""Damages reason_words.csv a spelling, row or cell at a time and asks whether the corpus of tests/words notices.

Usage: python -m tools.mutate_words [--corpus FILE] [TOPIC ...]   (prints the survivors; exits with 1 if there are any)

A damage is caught where the knowledge is refused at the start, or where some text of the corpus is read otherwise.
"""

import argparse
import csv
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

from cds_service.knowledge import CARD
from cds_service.knowledge.typed_text import TypedTextReader, reason_word_faults
from cds_service.knowledge.typed_text.vocabulary import folded
from tests.contract.words.every_word import CORPUS, Text, corpus, wrong

ROOT = Path(__file__).parents[1]
CARDS = ROOT / "cards" / CARD
PROCESSES = 2
NO_WORD = "nothing that anybody types"
"""In place of a row's words: the row is still there, so that the knowledge is not refused because it is missing."""

DENIAL = "denial"
"""What any other cue becomes: some other pairs of cues do not differ in any real text."""

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Damage:
    """What was done to a row, and the row as it is then; None where it is gone."""

    description: str
    number: int
    row: dict[str, str] | None
    touched: str
    """The words of the row that it is about."""

    def done_to(self, rows: Rows) -> Rows:
        """Return the damaged table."""
        return [*rows[: self.number], *([self.row] if self.row else []), *rows[self.number + 1 :]]


def table(name: str) -> Rows:
    """Return the rows of a table of the card."""
    with (CARDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def damages(rows: Rows) -> Iterator[Damage]:
    """Yield each damage to the table."""
    for number, row in enumerate(rows):
        name = f"line {number + 2} ({row['topic']}, {row['means']})"
        words = row["words"]
        yield Damage(f"{name}: left out", number, None, words)
        yield Damage(f"{name}: without words", number, row | {"words": NO_WORD}, words)
        spellings = [spelling.strip() for spelling in words.split(";")]
        for place, spelling in enumerate(spellings):
            left = "; ".join(spellings[:place] + spellings[place + 1 :]) or NO_WORD
            yield Damage(f"{name}: without {spelling!r}", number, row | {"words": left}, spelling)
        for column, other in _otherwise(rows, row):
            yield Damage(f"{name}: {column} {other or 'empty'}", number, row | {column: other}, words)


def _otherwise(rows: Rows, row: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the other values of the cells of a row."""
    same = sorted({other["means"] for other in rows if other["topic"] == row["topic"]})
    after = same[(same.index(row["means"]) + 1) % len(same)] if len(same) > 1 else "otherwise"
    yield "means", DENIAL if row["topic"] == "cue" and row["means"] != DENIAL else after
    named = [(match[1], bool(match[0].startswith("not "))) for match in re.finditer(r"(?:not )?(\w+)", row["beside"])]
    for place in range(len(named)):
        others = named[:place] + named[place + 1 :]
        yield "beside", _beside(others)
        yield "beside", _beside([*others, (named[place][0], not named[place][1])])
    if row["wording"]:
        wordings = sorted({other["wording"] for other in rows} - {row["wording"], ""})
        yield "wording", wordings[len(row["wording"]) % len(wordings)]


def _beside(named: Iterable[tuple[str, bool]]) -> str:
    """Return a cell `beside`: what is wanted, then what is not."""
    return " ".join(
        f"not {name}" if unwanted else name for name, unwanted in sorted(named, key=lambda element: element[1])
    )


class Trial:
    """The table, the corpus, and the limits of days: whether a damage is noticed."""

    def __init__(self, texts: list[Text]) -> None:
        self.rows, self.texts = table("reason_words"), texts
        self._limits = {row["limit"]: int(row["value"]) for row in table("lookback_windows")}
        self._folded = [set(re.findall(r"[a-z0-9]+", folded(text.text))) for text in texts]

    def faults(self, rows: Rows, touched: str = "") -> Iterator[str]:
        """Yield what of the corpus is read otherwise, first of the texts that have the words that were touched."""
        words = set(re.findall(r"[a-z0-9]+", re.sub(r"<\w+>", "", touched)))
        near = [not words.isdisjoint(others) for others in self._folded]
        order = sorted(range(len(near)), key=lambda index: not near[index])
        yield from wrong(TypedTextReader(rows), (self.texts[index] for index in order), self._limits)

    def survives(self, damage: Damage) -> bool:
        """Return whether nothing notices a damage."""
        rows = damage.done_to(self.rows)
        return not any(reason_word_faults(rows)) and next(self.faults(rows, damage.touched), None) is None


_IN_PROCESS: list[tuple[Trial, list[Damage]]] = []


def _prepare(file: Path) -> None:
    trial = Trial(corpus(file))
    _IN_PROCESS.append((trial, list(damages(trial.rows))))


def _survives(number: int) -> tuple[int, bool]:
    trial, all_damages = _IN_PROCESS[0]
    return number, trial.survives(all_damages[number])


def main(arguments: list[str]) -> int:
    """Try the damages, print the survivors and the score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="only the rows of these topics")
    parser.add_argument(
        "--corpus", type=Path, default=CORPUS, help="the texts, in place of tests/contract/words/every_word.csv"
    )
    options = parser.parse_args(arguments)
    trial = Trial(corpus(options.corpus))
    if faults := list(trial.faults(trial.rows)):
        sys.exit("The corpus is read wrongly before anything is damaged:\n" + "\n".join(faults))
    all_damages = list(damages(trial.rows))
    numbers = [
        number
        for number, damage in enumerate(all_damages)
        if not options.topics or trial.rows[damage.number]["topic"] in options.topics
    ]
    survivors = 0
    with Pool(PROCESSES, _prepare, (options.corpus,)) as pool:
        for number, survived in pool.imap_unordered(_survives, numbers, chunksize=8):
            if survived:
                survivors += 1
                print(f"survived: {all_damages[number].description}", flush=True)
    print(f"{len(numbers) - survivors} of {len(numbers)} damages noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

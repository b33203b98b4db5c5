"""Sentences with what must be read in each, and the one function that judges a grid of them.

`expected` is the presentation of the card (none, compatible, specific), the name of the silence (emergency,
acute_trauma, upper_limb_only), `card` for a card of any kind, or `not specific` for one without a specific sign.
"""

import csv
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cds_service.model import Silence
from tests.support.in_process import decided
from tests.support.notation import call
from tests.support.service import TODAY

PRESENTATIONS = ("none", "compatible", "specific")
SHOWN = 30
ROW = {
    "patient": "prostate cancer [2023-05, remission]",
    "order": "lumbar MRI",
    "also drafted": "",
    "site": "",
    "call": "",
}


class Sentence(NamedTuple):
    """The words of a reason, and what must be read in them."""

    text: str
    expected: str


Read = Callable[[str], str]
"""Reads a reason: the presentation, or the name of the silence."""


def _table(name: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


TERMS: dict[tuple[str, str], list[str]] = {}
for _row in _table("terms.csv"):
    TERMS.setdefault((_row["group"], _row["language"]), []).append(_row["term"])
PHRASINGS: dict[str, list[str]] = {}
for _row in _table("phrasings.csv"):
    PHRASINGS.setdefault(_row["group"], []).append(_row["phrasing"])
LANGUAGES = ("de", "fr", "es", "it", "nl", "pt")


def terms(*groups: str, language: str = "en") -> list[str]:
    """Return the terms of these groups of terms.csv."""
    return [term for group in groups for term in TERMS[group, language]]


def phrasings(*groups: str) -> list[str]:
    """Return the phrasings of these groups of phrasings.csv."""
    return [phrasing for group in groups for phrasing in PHRASINGS[group]]


def body_for(reason: str) -> dict:
    """Return the call for a lumbar-spine MRI after prostate cancer, with this reason."""
    body = call(ROW, TODAY)
    body["context"]["draftOrders"]["entry"][0]["resource"]["reasonCode"] = [{"text": reason}]
    return body


def reader(knowledge) -> Read:
    """Return what reads a reason by the decision itself, in this process."""
    body = body_for("")
    order = body["context"]["draftOrders"]["entry"][0]["resource"]

    def read(reason: str) -> str:
        order["reasonCode"] = [{"text": reason}]
        [outcome] = decided(ROW, knowledge, TODAY, body).outcomes
        return outcome.reason if isinstance(outcome, Silence) else str(outcome.findings.presentation)

    return read


def agrees(expected: str, got: str) -> bool:
    """Tell whether what was read is what must be read."""
    if expected == "card":
        return got in PRESENTATIONS
    if expected == "not specific":
        return got in PRESENTATIONS and got != "specific"
    return got == expected


def check(sentences: Iterable[Sentence], read: Read) -> None:
    """Assert that each sentence is read as it must be; else count those that are not, and show some from all over."""
    judged = [(sentence, read(sentence.text)) for sentence in sentences]
    wrong = [(reason, got) for reason, got in judged if not agrees(reason.expected, got)]
    kinds = Counter(f"expected {reason.expected}, got {got}" for reason, got in wrong)
    step = -(-len(wrong) // SHOWN) or 1
    lines = [
        f"{len(wrong)} of {len(judged)} sentences are read wrongly",
        *(f"  {n} {k}" for k, n in kinds.most_common()),
    ]
    lines += [f"  {reason.text!r}: expected {reason.expected}, got {got}" for reason, got in wrong[::step]]
    assert not wrong, "\n".join(lines)


def all_as(expected: str, texts: Iterable[str]) -> list[Sentence]:
    """Return each text once, as a sentence in which the same must be read."""
    return [Sentence(text, expected) for text in dict.fromkeys(texts)]


def filled(phrasings: Iterable[str], words: Iterable[str]) -> Iterator[str]:
    """Give every phrasing with every term in it."""
    words = list(words)
    yield from (phrasing.format(word) for phrasing in phrasings for word in words)


def plain(text: str, language: str) -> str:
    """Return a text without its accents, as it is typed on another keyboard."""
    if language == "de":
        text = text.translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"})
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def typed_wrong(term: str) -> Iterator[str]:
    """Give a term with one typing error in one of its longer words: a letter lost, doubled, or two exchanged."""
    words = term.split(" ")
    for place, word in enumerate(words):
        if len(word) < 6 or not word.isalpha():
            continue
        middle = len(word) // 2
        lost = word[:middle] + word[middle + 1 :]
        doubled = word[:middle] + word[middle - 1] + word[middle:]
        exchanged = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
        for wrong in (lost, doubled, exchanged):
            if wrong not in (word, *REAL_WORDS):
                yield " ".join([*words[:place], wrong, *words[place + 1 :]])


REAL_WORDS = ("stuck",)
"""What a typing error may make that means something else."""

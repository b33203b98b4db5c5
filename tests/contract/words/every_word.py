"""every_word.csv: texts, each with what must be read in it; for every spelling of reason_words.csv one that needs it.

`says` lists what a text speaks of, each `topic:means:certainty`, or `none`; `named`, where it is filled, the wordings.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from cds_service.knowledge.typed_text import TypedTextReader

CORPUS = Path(__file__).with_name("every_word.csv")
TODAY = date(2026, 11, 22)
_PARTED = "; "


class Text(NamedTuple):
    """A text, and what must be read in it."""

    text: str
    says: str
    named: str


def corpus(file: Path = CORPUS) -> list[Text]:
    """Return the texts of a corpus."""
    with file.open(encoding="utf-8", newline="") as opened:
        return [Text(**row) for row in csv.DictReader(opened)]


def read(words: TypedTextReader, row: Text, limits: Mapping[str, int]) -> Text:
    """Return a text with what is read in it, in the notation of the corpus."""
    mentions = words.read(row.text, TODAY, limits)
    says = sorted({f"{mention.topic}:{mention.means}:{mention.certainty}" for mention in mentions})
    named = sorted({mention.wording for mention in mentions}) if row.named else []
    return Text(row.text, _PARTED.join(says) or "none", _PARTED.join(named))


def wrong(words: TypedTextReader, texts: Iterable[Text], limits: Mapping[str, int]) -> Iterator[str]:
    """Yield what is read otherwise than it must be."""
    for row in texts:
        got = read(words, row, limits)
        if got != row:
            yield f"{row.text!r}: expected {_shown(row)}, got {_shown(got)}"


def _shown(row: Text) -> str:
    return f"{row.says} ({row.named})" if row.named else row.says


def outcome(row: Text) -> str:
    """Return what the service answers to a text as the reason of a lumbar MRI: the presentation, or its silence."""
    holds = {"asserted", "asked", "unclear"}
    mentions = [part.split(":") for part in row.says.split(_PARTED) if part != "none"]
    found = {topic for topic, _, certainty in mentions if certainty in holds}
    if "emergency" in found:
        return "emergency"
    if "trauma" in found:
        return "acute_trauma"
    signs = {means for topic, means, certainty in mentions if topic == "presentation" and certainty == "asserted"}
    if any(topic == "plexopathy" and certainty in ("asserted", "asked") for topic, _, certainty in mentions):
        signs.add("specific")
    lower = any(topic == "lower_body" and certainty != "denied" for topic, _, certainty in mentions)
    if "upper_limb" in found and not lower and not signs:
        return "upper_limb_only"
    return next((means for means in ("specific", "compatible") if means in signs), "none")

"""The texts of the page behind the card: its sections, what they state on whose authority, and its words."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from cds_service.knowledge.card_files import CardFiles, Rows


@dataclass(frozen=True, slots=True)
class Statement:
    """What the page says on one topic, and the citations that support it."""

    topic: str
    text: str
    citations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """What a term of the tables is called on the page, and what it means."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page; beside its statements it may have what the code computes."""

    name: str
    title: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class About:
    """The page's own knowledge, in the order in which it is read."""

    sections: tuple[Section, ...]
    words: Mapping[str, Word]
    attributes: Rows
    """The source attributes, their placeholders not filled yet."""


def compiled(card_files: CardFiles) -> About:
    """Return the texts of the page; the checks have found them complete."""
    return About(
        sections=tuple(_sections(card_files)),
        words={row["term"]: Word(row["name"], row["words"]) for row in card_files.tables["about_words"]},
        attributes=card_files.tables["source_attributes"],
    )


def _sections(card_files: CardFiles) -> Iterator[Section]:
    for row in card_files.tables["about_sections"]:
        stated = (line for line in card_files.tables["about"] if line["section"] == row["section"])
        statements = (Statement(line["topic"], line["text"], tuple(line["citations"].split())) for line in stated)
        yield Section(row["section"], row["title"], tuple(statements))


ATTRIBUTE_PLACEHOLDERS = ("citations", "publisher", "version", "date", "status")
"""What a value of source_attributes.csv may leave to the plan."""


def filled(attributes: Rows, plan: Mapping[str, Any], used: Collection[str], version: str) -> Rows:
    """Return source attributes with their placeholders filled; the citations are those that are `used`."""
    cited = " ".join(source["citation"] for source in plan["relatedArtifact"] if source["label"] in used)
    values = {name: plan[name] for name in ATTRIBUTE_PLACEHOLDERS if name in plan}
    values |= {"version": version, "citations": cited}
    return [{**row, "value": Template(row["value"]).substitute(values)} for row in attributes]

"""What the words of an order's reason say, where it carries no code of ours: phrases, their scope, negations."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.knowledge.words import normalised, pattern

_SENTENCES = re.compile(r"[;.:|()\n]|\b(?:but|however|although)\b", re.IGNORECASE)

PARTS = ("leg", "seat", "arm")
"""The lists of body parts."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One row of reason_words.csv: what it says, and the list that must (or, with `not `, must not) stand beside it."""

    topic: str
    means: str
    match: re.Pattern[str]
    beside: str
    wording: str


@dataclass(frozen=True, slots=True)
class ReasonWords:
    """The phrases, in order of test, and the lists that they refer to."""

    phrases: tuple[Phrase, ...]
    lists: Mapping[str, re.Pattern[str]]

    @classmethod
    def compiled(cls, rows: Iterable[Mapping[str, str]]) -> "ReasonWords":
        """Compile the rows; those of topic `list` are the lists."""
        rows = list(rows)
        names = {row["means"] for row in rows if row["topic"] == "list"}
        lists = {
            name: pattern(row["words"] for row in rows if (row["topic"], row["means"]) == ("list", name))
            for name in names
        }
        phrases = (
            Phrase(row["topic"], row["means"], pattern([row["words"]]), row["beside"], row["wording"])
            for row in rows
            if row["topic"] != "list"
        )
        return cls(tuple(phrases), lists)

    def read(self, text: str) -> Iterator[tuple[str, str, str]]:
        """Yield (topic, means, wording) of what a text says; of each topic the first that holds in each clause."""
        for sentence in _SENTENCES.split(_marked(text)):
            clauses = self._denied([normalised(clause) for clause in sentence.split(",")])
            for number, clause in enumerate(clauses):
                yield from self._clause(clause, self._around(clauses, number))

    def _denied(self, clauses: list[str]) -> list[str]:
        """Carry a denial on through a list that ends in `or`: "no numbness, tingling, or weakness"."""
        carried = list(clauses)
        for number in range(1, len(clauses)):
            rest = " ".join(clauses[number:])
            is_list = not self._names_a_part(clauses[number]) and re.search(r"\bN?OR\b", rest)
            if is_list and self._is_negated("presentation", f"{carried[number - 1]} "):
                carried[number] = f"NO {clauses[number]}"
        return carried

    def _around(self, clauses: list[str], number: int) -> str:
        """Return where a part may stand: the clause, and the next if that is all it says ("weakness, left leg")."""
        own, following = clauses[number], " ".join(clauses[number + 1 : number + 2])
        says_more = any(phrase.match.search(following) for phrase in self.phrases)
        return own if self._names_a_part(own) or says_more else f"{own} {following}"

    def _names_a_part(self, clause: str) -> bool:
        return any(self.lists[part].search(clause) for part in PARTS)

    def _clause(self, clause: str, around: str) -> Iterator[tuple[str, str, str]]:
        said: set[str] = set()
        for phrase in self.phrases:
            if phrase.topic not in said and self._holds(phrase, clause, around):
                said.add(phrase.topic)
                yield phrase.topic, phrase.means, phrase.wording

    def _holds(self, phrase: Phrase, clause: str, around: str) -> bool:
        match = phrase.match.search(clause)
        if match is None or self._is_negated(phrase.topic, clause[: match.start()]):
            return False
        wanted = phrase.beside.removeprefix("not ")
        return not wanted or bool(self.lists[wanted].search(around)) is not phrase.beside.startswith("not ")

    def _is_negated(self, topic: str, before: str) -> bool:
        """Tell whether a phrase is denied or only asked for; asking for an emergency makes the spine the question."""
        ends = [end.end() for end in self.lists["scope_end"].finditer(before)]
        scope = before[max(ends, default=0) :]
        asked = topic != "emergency" and self.lists["question"].search(scope)
        return bool(asked or self.lists["negation"].search(scope))


def _marked(text: str) -> str:
    """Join the abbreviations h/o, r/o and w/o, which would fall apart at their slash."""
    return re.sub(r"\b([hrw])/(o)\b", r"\1\2", text, flags=re.IGNORECASE)

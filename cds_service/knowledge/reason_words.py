"""What the words of an order's reason say, where it carries no code of ours: phrases, their scope, denials."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.knowledge.words import normalised, pattern

_SENTENCES = re.compile(r"[;.:|()\n]|\b(?:but|however|although)\b", re.IGNORECASE)
_DATED = r"\b\d{1,2}[/-](?:\d{1,2}[/-])?20\d\d\b|\b20\d\d-\d{1,2}(?:-\d{1,2})?\b"
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_FAR = (("negation", "negation_end"), ("history", "scope_end"), ("question", "question_end"))
_MOST = 20

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
    any_phrase: re.Pattern[str]
    lists: Mapping[str, re.Pattern[str]]

    @classmethod
    def compiled(cls, rows: Iterable[Mapping[str, str]]) -> "ReasonWords":
        """Compile the rows; those of topic `list` are the lists."""
        rows = list(rows)
        listed = [row for row in rows if row["topic"] == "list"]
        names = {row["means"] for row in listed}
        lists = {name: pattern(row["words"] for row in listed if row["means"] == name) for name in names}
        phrases = (
            Phrase(row["topic"], row["means"], pattern([row["words"]]), row["beside"], row["wording"])
            for row in rows
            if row["topic"] != "list"
        )
        return cls(tuple(phrases), pattern(row["words"] for row in rows if row["topic"] != "list"), lists)

    def read(self, text: str, recent_years: Collection[int] = ()) -> Iterator[tuple[str, str, str]]:
        """Yield (topic, means, wording) of what a text says; of each topic the first that holds in each clause."""
        if not text:
            return
        for sentence in filter(str.strip, _SENTENCES.split(_marked(text, recent_years))):
            clauses = self._denied(self._joined(map(self._plain, sentence.split(","))))
            for number, clause in enumerate(clauses):
                yield from self._clause(clause, self._around(clauses, number))

    def _plain(self, clause: str) -> str:
        """Return a clause without the idioms that are no sign and no denial ("weak stream", "no relief")."""
        return " ".join(self.lists["set_aside"].sub(" ", normalised(clause)).split())

    def _joined(self, clauses: Iterable[str]) -> list[str]:
        """Join a clause that is nothing but a denial to the one before it ("foot drop, resolved")."""
        joined: list[str] = []
        for clause in clauses:
            rest = self.lists["denied_after"].sub(" ", clause)
            if joined and rest != clause and self._is_filler(rest):
                joined[-1] += f" {clause}"
            else:
                joined.append(clause)
        return joined

    def _denied(self, clauses: list[str]) -> list[str]:
        """Carry a denial or a question on through a list: "no numbness, tingling, or weakness"."""
        carried = list(clauses)
        for number in range(1, len(clauses)):
            if self._goes_on(clauses[number : number + _MOST]):
                carried[number] = f"{self._opening('list', f'{carried[number - 1]} ')} {clauses[number]}".strip()
        return carried

    def _goes_on(self, clauses: list[str]) -> bool:
        """Tell whether clauses go on with a list that ends in `or`; a part is in it only before ", or"."""
        last = r"(?:^|, )N?OR\b" if self._names_a_part(clauses[0]) else r"\bN?OR\b"
        return bool(re.search(last, ", ".join(clauses))) and not self.lists["scope_end"].match(clauses[0])

    def _around(self, clauses: list[str], number: int) -> str:
        """Return where a part may stand: the clause, and the next if that is all it says ("weakness, left leg")."""
        own, following = clauses[number], " ".join(clauses[number + 1 : number + 2])
        says_more = self.any_phrase.search(following) is not None
        return own if self._names_a_part(own) or says_more else f"{own} {following}"

    def _names_a_part(self, clause: str) -> bool:
        return any(self.lists[part].search(clause) for part in PARTS)

    def _clause(self, clause: str, around: str) -> Iterator[tuple[str, str, str]]:
        said: set[str] = set()
        present = (phrase for phrase in self.phrases if phrase.match.search(clause))
        for phrase in present if self.any_phrase.search(clause) else ():
            if phrase.topic not in said and self._holds(phrase, clause, around):
                said.add(phrase.topic)
                yield phrase.topic, phrase.means, phrase.wording

    def _holds(self, phrase: Phrase, clause: str, around: str) -> bool:
        wanted = phrase.beside.removeprefix("not ")
        if wanted and bool(self.lists[wanted].search(around)) is phrase.beside.startswith("not "):
            return False
        places = list(phrase.match.finditer(clause))[-_MOST:]
        return any(self._stands(phrase.topic, clause[: one.start()], clause[one.end() :]) for one in places)

    def _stands(self, topic: str, before: str, after: str) -> bool:
        """Tell whether what stands between two texts is said of the patient now: not denied, asked for or past."""
        denied = self._opening(topic, before) or self._is_next("denied_before", before)
        denied = denied or self._follows("denied_after", after)
        doubted = topic != "emergency" and self._follows("doubted_after", after)
        return not (denied or doubted or (topic == "trauma" and self._is_past(before, after)))

    def _opening(self, topic: str, before: str) -> str:
        """Return what denies, dates back or asks for all that follows; to ask for an emergency does not deny it."""
        for name, end in _FAR:
            ends = [one.end() for one in self.lists[end].finditer(before)]
            found = self.lists[name].search(before, max(ends, default=0))
            if found and (topic, name) not in {("emergency", "question"), ("list", "history")}:
                return found[0]
        return ""

    def _is_next(self, name: str, before: str) -> bool:
        ends = [one.end() for one in self.lists[name].finditer(before)]
        return bool(ends) and self._is_filler(before[ends[-1] :])

    def _follows(self, name: str, after: str) -> bool:
        found = self.lists[name].search(after)
        return found is not None and self._is_filler(after[: found.start()])

    def _is_filler(self, gap: str) -> bool:
        for name in ("filler", *PARTS):
            gap = self.lists[name].sub(" ", gap)
        return not gap.strip()

    def _is_past(self, before: str, after: str) -> bool:
        """Tell whether an injury is an old one: by a word before it, or by a year."""
        clause = f"{before} {after}"
        past = self._is_next("old", before) or self.lists["long_ago"].search(clause) or _YEAR.search(clause)
        return bool(past) and not self.lists["recent"].search(clause)


def _marked(text: str, recent_years: Collection[int]) -> str:
    """Keep h/o and "(resolved)" with their clause; leave out recent years, or full dates where none is known."""
    recent = "|".join(rf"\b{year}\b" for year in recent_years) or _DATED
    text = re.sub(r"\((\w+(?: \w+)?)\)", r", \1,", re.sub(recent, " ", text))
    return re.sub(r"\b([hrw])/(o)\b", r"\1\2", text, flags=re.IGNORECASE)

"""What a code means in all families at once: most codes of a chart mean nothing, and are to cost next to nothing."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.model import Json, Term

_NAMES = re.compile(r"\|[^|]*(\||$)")
_CONCEPT = re.compile(r"\b\d{6,18}\b")
_EXPRESSION = re.compile(r"[^\w]*\d{6,18}\b(?=.*[|:+=]|\s*\Z)", re.DOTALL)
_BETWEEN = re.compile("[\\s+*!\u2020\u2021#]+")
"""What stands between and after the codes of ICD-10: blanks, dagger, asterisk and exclamation mark."""

_LONGEST = 1000
"""Characters of a code that are read in this way."""

_SHORTEST = 2
"""Characters of a code; a letter alone tells the side or the certainty of the code before it."""


def plain(code: str) -> str:
    """Return a code without its dots and in capitals, as codes come with and without them."""
    return code.strip().replace(".", "").upper()


def written(code: str, taken_back: Collection[str]) -> list[str]:
    """Return each code in what was written as one: an expression's focus concepts, or the codes of a pair.

    An expression whose refinement has one of the codes that take it back names nothing of the patient's.
    """
    if plain(code).isalnum() or len(code) > _LONGEST:
        return [code]
    if _EXPRESSION.match(code):
        focus, _, refinement = _NAMES.sub(" ", code).partition(":")
        said = _CONCEPT.findall(refinement)
        return [] if any(one in taken_back for one in said) else _CONCEPT.findall(focus)
    return [part for part in _BETWEEN.split(code) if len(part) >= _SHORTEST]


_SYSTEMS_LONGEST = 200
"""Characters of a system's name: none is longer, and a name comes from outside."""

_REMEMBERED = 4096
_SCHEME = re.compile(r"^(https?://|urn:oid:)")


def form(name: str) -> str:
    """Return what all spellings of a name share: no version after a bar, blanks, scheme, letter case or last slash."""
    return _SCHEME.sub("", "".join(name.partition("|")[0].split()).casefold()).rstrip("/")


class Systems(Mapping[str, str]):
    """The name in systems.csv for each spelling of a system; a spelling that ends in `*` stands for what begins so."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._names: dict[str, str] = {}
        self._starts: list[tuple[str, str]] = []
        for row in rows:
            self._names[row["canonical"]] = row["canonical"]
            for other in filter(None, row["also_seen_as"].split(";")):
                if other.endswith("*"):
                    self._starts.append((form(other[:-1]) + "/", row["canonical"]))
                else:
                    self._names[other] = row["canonical"]
        self._forms = {form(other): name for other, name in self._names.items()}
        self._spelled = lru_cache(_REMEMBERED)(self._by_form)

    def __getitem__(self, name: str) -> str:
        """Return the name that systems.csv has for a system."""
        found = self._names.get(name) or self._spelled(name[:_SYSTEMS_LONGEST])
        if found is None:
            raise KeyError(name)
        return found

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return the name that systems.csv has for a system, or the default."""
        return self._names.get(name) or self._spelled(name[:_SYSTEMS_LONGEST]) or default

    def __contains__(self, name: object) -> bool:
        """Tell whether a system is one that we know."""
        return isinstance(name, str) and (name in self._names or self._spelled(name[:_SYSTEMS_LONGEST]) is not None)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the spellings that are listed."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many spellings are listed."""
        return len(self._names)

    def _by_form(self, name: str) -> str | None:
        spelled = form(name)
        for start, system in self._starts:
            if spelled.startswith(start):
                return system
        return self._forms.get(spelled)


def clashes(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield a sentence for each spelling that two rows have."""
    seen: dict[str, str] = {}
    for row in rows:
        for name in filter(None, (row["canonical"], *row["also_seen_as"].split(";"))):
            if seen.setdefault(form(name), row["canonical"]) != row["canonical"]:
                yield f"{name} is a spelling of {seen[form(name)]} and of {row['canonical']}"


__all__ = ["PROVENANCE", "WORDING", "CodeIndex", "extension", "plain"]

WORDING = "urn:plexus-cds:wording"
PROVENANCE = "urn:plexus-cds:provenance"


@dataclass(slots=True)
class CodeIndex:
    """The value sets of one family, for looking up a coding of a record."""

    spellings: Mapping[str, str]
    exact: dict[tuple[str, str], Term] = field(default_factory=dict)
    prefixes: dict[tuple[str, str], Term] = field(default_factory=dict)
    patterns: list[tuple[str, re.Pattern[str], Term]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    """Of the categories, the longest first: a code of a million characters is not tried at each of its lengths."""

    listed: list[tuple[str, str]] = field(default_factory=list)
    """The codes as they were written, for queries."""

    taken_back: frozenset[str] = frozenset()
    """The codes by which an expression says that what it names is not the patient's."""

    def find(self, system: str, code: str) -> Term | None:
        """Return the term of the longest match, or None for a code that is in no set of the family."""
        system, code = self.spellings.get(system, system), plain(code)
        return self.exact.get((system, code)) or self._by_prefix(system, code) or self._by_pattern(system, code)

    def terms(self, codings: Iterable[tuple[str, str]]) -> list[Term]:
        """Return the terms of those codings that are in a set of the family."""
        return [
            term
            for system, code in codings
            for one in written(code, self.taken_back)
            if (term := self.find(system, one))
        ]

    def _by_prefix(self, system: str, code: str) -> Term | None:
        for length in self.lengths:
            if term := self.prefixes.get((system, code[:length])):
                return term
        return None

    def _by_pattern(self, system: str, code: str) -> Term | None:
        if not self.patterns:
            return None
        found = [
            replace(term, length=match.end())
            for known, pattern, term in self.patterns
            if known == system and (match := pattern.match(code))
        ]
        return max(found, key=lambda term: term.length, default=None)

    def add(self, value_set: Json, means: str, *, metastatic: bool) -> int:
        """Take in one FHIR ValueSet and return how many codes, categories and patterns it has."""
        count = 0
        for kind, system, code, wording in _members(value_set):
            term = Term(value_set["id"], means, wording, metastatic, len(plain(code)))
            self._put(kind, self.spellings.get(system, system), code, term)
            count += 1
        return count

    def _put(self, kind: str, system: str, code: str, term: Term) -> None:
        if kind == "regex":
            taken = next((t for s, p, t in self.patterns if (s, p.pattern) == (system, code)), None)
            self.patterns.append((system, re.compile(code), term))
        else:
            if kind == "code":
                self.listed.append((system, code))
            else:
                self.lengths = sorted({*self.lengths, len(plain(code))}, reverse=True)
            table = self.exact if kind == "code" else self.prefixes
            taken = table.setdefault((system, plain(code)), term)
        if taken not in (None, term):
            message = f"{system} {code} stands in {taken.value_set} and again in {term.value_set}"
            raise KnowledgeError(message)


def _members(value_set: Json) -> Iterator[tuple[str, str, str, str]]:
    for include in value_set["compose"]["include"]:
        system, wording = include["system"], extension(include, WORDING)
        for concept in include.get("concept", []):
            yield "code", system, concept["code"], wording
        for condition in include.get("filter", []):
            yield _filter_kind(value_set, condition), system, condition["value"], wording


def _filter_kind(value_set: Json, condition: Json) -> str:
    kinds = {("concept", "is-a"): "category", ("code", "regex"): "regex"}
    kind = kinds.get((condition["property"], condition["op"]))
    if kind is None:
        message = f"{value_set['id']}: a filter that is neither concept is-a nor code regex"
        raise KnowledgeError(message)
    return kind


def extension(element: Mapping[str, Any], url: str) -> str:
    """Return the string in the extension with this url, or no text."""
    values = (one.get("valueString", "") for one in element.get("extension", []) if one.get("url") == url)
    return str(next(values, ""))


Terms = Mapping[str, list[Term]]
"""The terms of an entry's codings, by family."""

_ByFamily = dict[str, Term]

UNREAD: Terms = {}
"""The terms where no coding is of a system that we read."""


@dataclass(slots=True)
class _System:
    """What all families know of one code system."""

    name: str
    codes: dict[str, _ByFamily] = field(default_factory=lambda: defaultdict(dict))
    categories: dict[str, _ByFamily] = field(default_factory=lambda: defaultdict(dict))
    lengths: tuple[int, ...] = ()
    """Of the categories, the longest first."""
    indexes: dict[str, CodeIndex] = field(default_factory=dict)
    """The families that have patterns."""
    pattern: re.Pattern[str] | None = None
    """All patterns in one."""

    def terms(self, code: str) -> _ByFamily:
        """Return the term of a code, in plain spelling, in each family that knows it: that of the longest match."""
        found: _ByFamily = {}
        if code in self.codes:
            found = self.codes[code]
        for length in self.lengths:
            if code[:length] in self.categories:
                found = self.categories[code[:length]] | found
        if self.pattern is not None and self.pattern.match(code):
            matched = {family: index.find(self.name, code) for family, index in self.indexes.items()}
            found = {family: term for family, term in matched.items() if term} | found
        return found

    def settle(self) -> None:
        """Get ready to be asked, when all is taken in."""
        self.codes, self.categories = dict(self.codes), dict(self.categories)
        self.lengths = tuple(sorted({len(category) for category in self.categories}, reverse=True))
        own = {text.pattern for index in self.indexes.values() for name, text, _ in index.patterns if name == self.name}
        self.pattern = re.compile("|".join(f"(?:{text})" for text in sorted(own))) if own else None


class Meanings:
    """The codes of all families together, by every spelling of their systems; CodeIndex is the reference."""

    def __init__(self, codes: Mapping[str, CodeIndex], spellings: Mapping[str, str]) -> None:
        self._systems: dict[str, _System] = {}
        self._spellings = spellings
        self._taken_back = frozenset[str]().union(*(index.taken_back for index in codes.values()))
        for family, index in codes.items():
            self._take_in(family, index)
        for system in self._systems.values():
            system.settle()
        known = dict(self._systems)
        self._systems |= {other: known[one] for other, one in spellings.items() if one in known}

    def of(self, codings: Iterable[tuple[str, str]]) -> Terms:
        """Return by family the terms of those codings that have one, in the order of the codings.

        UNREAD tells that none of the codings, if there are any, is of a system that we read.
        """
        found: dict[str, list[Term]] = {}
        is_read = False
        for name, code in codings:
            system = self._systems.get(name) or self._systems.get(self._spellings.get(name, name))
            if system is None:
                continue
            is_read = True
            short = plain(code)
            for one in (short,) if short.isalnum() else map(plain, written(code, self._taken_back)):
                for family, term in system.terms(one).items():
                    found.setdefault(family, []).append(term)
        return found if is_read else UNREAD

    def _take_in(self, family: str, index: CodeIndex) -> None:
        for (system, code), term in index.exact.items():
            self._system(system).codes[code][family] = term
        for (system, category), term in index.prefixes.items():
            self._system(system).categories[category][family] = term
        for system, _, _ in index.patterns:
            self._system(system).indexes[family] = index

    def _system(self, name: str) -> _System:
        return self._systems.setdefault(name, _System(name))

"""What a code means in all families at once: most codes of a chart mean nothing, and are to cost next to nothing."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cds_service.knowledge.codes import CodeIndex
from cds_service.knowledge.written import plain, written
from cds_service.model import Term

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

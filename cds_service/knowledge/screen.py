"""Whether a code is in any value set at all: most codes of a chart are in none, and are to cost next to nothing."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cds_service.knowledge.codes import CodeIndex, plain


@dataclass(slots=True)
class _System:
    """What all families know of one code system."""

    codes: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    lengths: set[int] = field(default_factory=set)
    """Of the categories."""
    patterns: list[str] = field(default_factory=list)
    pattern: re.Pattern[str] | None = None
    """All patterns in one."""

    def knows(self, code: str) -> bool:
        return (
            code in self.codes
            or any(code[:length] in self.categories for length in self.lengths)
            or (self.pattern is not None and self.pattern.match(code) is not None)
        )


class Screen:
    """The codes of all families together, by every spelling of their systems."""

    def __init__(self, indexes: Iterable[CodeIndex], spellings: Mapping[str, str]) -> None:
        self._systems: dict[str, _System] = defaultdict(_System)
        for index in indexes:
            self._take_in(index)
        for system in self._systems.values():
            system.pattern = re.compile("|".join(system.patterns)) if system.patterns else None
        known = dict(self._systems)
        self._systems = known | {other: known[one] for other, one in spellings.items() if one in known}

    def knows(self, codings: Iterable[tuple[str, str]]) -> bool:
        """Tell whether any of these codings has a term in any family."""
        for system, code in codings:
            found = self._systems.get(system)
            if found is not None and found.knows(plain(code)):
                return True
        return False

    def _take_in(self, index: CodeIndex) -> None:
        for system, code in index.exact:
            self._systems[system].codes.add(code)
        for system, category in index.prefixes:
            self._systems[system].categories.add(category)
            self._systems[system].lengths.add(len(category))
        for system, pattern, _ in index.patterns:
            self._systems[system].patterns.append(f"(?:{pattern.pattern})")

"""Value sets compiled for membership by (system, code): the longest matching code wins."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.knowledge.written import plain, written
from cds_service.model import Json, Term

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

"""What a code means: the value sets of all families compiled into one look-up, by code system.

A coding is looked up in every family at once, as most codes of a chart mean nothing and are to cost next to nothing.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cds_service.errors import KnowledgeError
from cds_service.model import Json, Term

WORDING = "urn:plexus-cds:wording"
PROVENANCE = "urn:plexus-cds:provenance"

_DISPLAY = re.compile(r"\|[^|]*(\||$)")
_CONCEPT = re.compile(r"\b\d{6,18}\b")
_EXPRESSION = re.compile(r"[^\w]*\d{6,18}\b(?=.*[|:+=]|\s*\Z)", re.DOTALL)
_BETWEEN = re.compile("[\\s+*!\u2020\u2021#]+")
"""The characters between and after the codes of ICD-10: blanks, dagger, asterisk and exclamation mark."""

_LONGEST_CODE = 1000
"""Characters up to which a code is split into its parts."""

_SHORTEST_CODE = 2
"""Characters of a code; a letter alone is the side or the certainty of the code before it."""

_LONGEST_SYSTEM = 200
"""Characters of a code system's name that are read: none is longer, and a name comes from outside."""

_CACHED_SYSTEMS = 4096
_SCHEME = re.compile(r"^(https?://|urn:oid:)")


def plain(code: str) -> str:
    """Return a code without its dots and in capitals, as codes come with and without them."""
    return code.strip().replace(".", "").upper()


def split_code(code: str, negating: Collection[str]) -> list[str]:
    """Return each code in what came as one: the focus concepts of an expression, or the codes of a pair.

    An expression with a `negating` concept in its refinement (absent, suspected, of the family) has no code.
    """
    if plain(code).isalnum() or len(code) > _LONGEST_CODE:
        return [code]
    if _EXPRESSION.match(code):
        focus, _, refinement = _DISPLAY.sub(" ", code).partition(":")
        if any(concept in negating for concept in _CONCEPT.findall(refinement)):
            return []
        return _CONCEPT.findall(focus)
    return [part for part in _BETWEEN.split(code) if len(part) >= _SHORTEST_CODE]


def normalized_system(name: str) -> str:
    """Return what all spellings of a code system share: no version after a bar, blanks, scheme, case or last slash."""
    return _SCHEME.sub("", "".join(name.partition("|")[0].split()).casefold()).rstrip("/")


class CodeSystems(Mapping[str, str]):
    """The canonical name in systems.csv for each spelling of a code system; `*` ends a spelling that is a prefix."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._names: dict[str, str] = {}
        self._prefixes: list[tuple[str, str]] = []
        for row in rows:
            self._names[row["canonical"]] = row["canonical"]
            for spelling in filter(None, row["also_seen_as"].split(";")):
                if spelling.endswith("*"):
                    self._prefixes.append((normalized_system(spelling[:-1]) + "/", row["canonical"]))
                else:
                    self._names[spelling] = row["canonical"]
        self._normalized = {normalized_system(spelling): name for spelling, name in self._names.items()}
        self._cached = lru_cache(_CACHED_SYSTEMS)(self._by_normalized)

    def __getitem__(self, name: str) -> str:
        """Return the canonical name of a code system, or raise KeyError for one that systems.csv does not have."""
        canonical = self.get(name)
        if canonical is None:
            raise KeyError(name)
        return canonical

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return the canonical name of a code system, or the default."""
        return self._names.get(name) or self._cached(name[:_LONGEST_SYSTEM]) or default

    def __contains__(self, name: object) -> bool:
        """Tell whether a code system is in systems.csv, in any spelling."""
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the spellings that are listed."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many spellings are listed."""
        return len(self._names)

    def _by_normalized(self, name: str) -> str | None:
        normalized = normalized_system(name)
        for prefix, canonical in self._prefixes:
            if normalized.startswith(prefix):
                return canonical
        return self._normalized.get(normalized)


def spelling_clashes(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield a sentence for each spelling that two code systems of systems.csv share."""
    owner: dict[str, str] = {}
    for row in rows:
        for name in filter(None, (row["canonical"], *row["also_seen_as"].split(";"))):
            if owner.setdefault(normalized_system(name), row["canonical"]) != row["canonical"]:
                yield f"{name} is a spelling of {owner[normalized_system(name)]} and of {row['canonical']}"


@dataclass(frozen=True, slots=True)
class Member:
    """One code, category (all codes that begin so) or pattern (a regular expression) of a value set."""

    kind: str
    """`code`, `category` or `pattern`."""
    system: str
    """The canonical name of its code system."""
    code: str
    """As the value set has it."""
    term: Term


def members(value_set: Json, means: str, systems: Mapping[str, str], *, metastatic: bool) -> Iterator[Member]:
    """Yield the members of a FHIR ValueSet, or raise KnowledgeError for a filter that is not read."""
    for include in value_set["compose"]["include"]:
        system, wording = systems.get(include["system"], include["system"]), extension(include, WORDING)
        kinds = [("code", concept["code"]) for concept in include.get("concept", [])]
        kinds += [
            (_filter_kind(value_set, code_filter), code_filter["value"]) for code_filter in include.get("filter", [])
        ]
        for kind, code in kinds:
            yield Member(kind, system, code, Term(value_set["id"], means, wording, metastatic, len(plain(code))))


def _filter_kind(value_set: Json, condition: Json) -> str:
    kinds = {("concept", "is-a"): "category", ("code", "regex"): "pattern"}
    kind = kinds.get((condition["property"], condition["op"]))
    if kind is None:
        message = f"valuesets/{value_set['id']}.json: a filter must be `concept is-a` or `code regex`"
        raise KnowledgeError(message)
    return kind


def extension(element: Mapping[str, Any], url: str) -> str:
    """Return the string in the extension with this url, or no text."""
    values = (member.get("valueString", "") for member in element.get("extension", []) if member.get("url") == url)
    return str(next(values, ""))


Terms = Mapping[str, list[Term]]
"""The terms of an entry's codings, by family."""

UNREAD: Terms = {}
"""The terms where no coding is of a system that we read."""

_ByFamily = dict[str, Term]


class _SystemIndex:
    """The members of all families in one code system."""

    def __init__(self) -> None:
        self.codes: dict[str, _ByFamily] = {}
        self.categories: dict[str, _ByFamily] = {}
        self.patterns: dict[tuple[str, str], tuple[re.Pattern[str], Term]] = {}
        self.lengths: tuple[int, ...] = ()
        """Of the categories, the longest first: a code of a million characters is not tried at each of its lengths."""
        self.any_pattern: re.Pattern[str] | None = None

    def add(self, family: str, member: Member) -> None:
        """Take in a member, or raise KnowledgeError for one that the family has with another term."""
        if member.kind == "pattern":
            pattern = re.compile(member.code)
            _, term = self.patterns.setdefault((family, member.code), (pattern, member.term))
        else:
            table = self.codes if member.kind == "code" else self.categories
            term = table.setdefault(plain(member.code), {}).setdefault(family, member.term)
        if term != member.term:
            message = f"{member.system} {member.code} stands in {term.value_set} and again in {member.term.value_set}"
            raise KnowledgeError(message)

    def finish(self) -> None:
        """Prepare for look-ups, once every member is in."""
        self.lengths = tuple(sorted({len(category) for category in self.categories}, reverse=True))
        if self.patterns:
            self.any_pattern = re.compile("|".join(sorted({f"(?:{text})" for _, text in self.patterns})))

    def lookup(self, code: str) -> _ByFamily:
        """Return by family the term of a `plain` code: of the code itself, else its longest category, else pattern."""
        terms = self.codes.get(code, {})
        for length in self.lengths:
            if code[:length] in self.categories:
                terms = self.categories[code[:length]] | terms
        if self.any_pattern is not None and self.any_pattern.match(code):
            terms = self._by_pattern(code) | terms
        return terms

    def _by_pattern(self, code: str) -> _ByFamily:
        terms: _ByFamily = {}
        for (family, _), (pattern, term) in self.patterns.items():
            match = pattern.match(code)
            if match and (family not in terms or match.end() > terms[family].length):
                terms[family] = replace(term, length=match.end())
        return terms


class Terminology:
    """The members of every family, and what codings mean by them.

    `negating` are the SNOMED CT concepts by which an expression says that what it names is not the patient's.
    """

    def __init__(self, families: Mapping[str, list[Member]], systems: Mapping[str, str]) -> None:
        self.families = families
        self._canonical = systems
        self._negating = frozenset(
            plain(member.code) for member in families.get("context", ()) if member.kind == "code"
        )
        self._indexes: dict[str, _SystemIndex] = defaultdict(_SystemIndex)
        for family, listed in families.items():
            for member in listed:
                self._indexes[member.system].add(family, member)
        for index in self._indexes.values():
            index.finish()
        by_canonical_name = dict(self._indexes)
        self._indexes = by_canonical_name | {
            spelling: by_canonical_name[name] for spelling, name in systems.items() if name in by_canonical_name
        }

    def lookup(self, codings: Iterable[tuple[str, str]]) -> Terms:
        """Return by family the terms of those (system, code) that have one, in the order of the codings.

        UNREAD says that none of the codings is of a system that we read.
        """
        terms: dict[str, list[Term]] = {}
        is_read = False
        for system, code in codings:
            index = self._indexes.get(system) or self._indexes.get(self._canonical.get(system, system))
            if index is None:
                continue
            is_read = True
            normalized = plain(code)
            codes = (normalized,) if normalized.isalnum() else map(plain, split_code(code, self._negating))
            for single_code in codes:
                for family, term in index.lookup(single_code).items():
                    terms.setdefault(family, []).append(term)
        return terms if is_read else UNREAD

    def terms(self, family: str, codings: Iterable[tuple[str, str]]) -> list[Term]:
        """Return the terms of those (system, code) that are in a value set of the family."""
        return self.lookup(codings).get(family, [])

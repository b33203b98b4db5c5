"""A patient's entries -> what of them a decision needs, as of each order.

Most entries of a chart mean nothing to the card, whatever the day: a decision only asks whether there were Conditions
and whether any could be read. So each distinct code is looked at once for all patients, and of the entries that mean
nothing one of each kind stays for the rest.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from cds_service.backtest.moments import Moment, Timing, timing
from cds_service.backtest.scan import Variant, name_of
from cds_service.decision.entry_filter import EntryFilter
from cds_service.decision.fhir_fields import codings, own_study, reference_of, text_of
from cds_service.decision.findings import possible_meaning
from cds_service.decision.record import as_procedure
from cds_service.decision.references import ReferenceResolver, referenced_names
from cds_service.knowledge.terminology import UNREAD
from cds_service.knowledge.typed_text.budget import MOST_LOOKED_AT
from cds_service.strict_json import to_json

_CODED = ("Condition", "Procedure")
_ANY_CODE = "x"
_MEMOIZED = 50_000

Unmapped = tuple[str, str, str, str, str]
"""(resource type, code system, code, name, what its words say); the last three are empty where they say nothing."""


_Group = tuple[str, tuple[bool, ...]]
"""The resource type of an entry that means nothing, and whether it can be read, by variant."""


class Entry(NamedTuple):
    """An entry of the record, and when it was recorded."""

    resource: dict[str, Any]
    recorded: Moment | None


class _Kind(NamedTuple):
    """What entries of one content have in common."""

    matters: bool
    """It can mean something on some day, or it is of a type of which we don't look."""
    group: _Group
    unmapped: Unmapped | None
    """How it counts among the entries of code systems that are not read, if it means nothing."""
    text_length: int


class Chart(NamedTuple):
    """The entries of a patient: those that matter, and those that do not with their groups."""

    relevant: list[Entry]
    others: list[tuple[Entry, _Group]]
    unmapped: frozenset[Unmapped]

    def as_of(self, ordered: Moment, counts: Counter[tuple[str, ...]]) -> list[tuple[dict[str, Any], Timing]]:
        """Return what a decision needs of that which was, or may have been, on record; counts each entry's timing."""
        recorded: list[tuple[dict[str, Any], Timing]] = []
        number_by_timing = dict.fromkeys(Timing, 0)
        for resource, when in self.relevant:
            entry_timing = timing(when, ordered)
            number_by_timing[entry_timing] += 1
            if entry_timing is not Timing.AFTER:
                recorded.append((resource, entry_timing))
        representatives: dict[Any, dict[str, Any]] = {}
        for (resource, when), group in self.others:
            entry_timing = timing(when, ordered)
            number_by_timing[entry_timing] += 1
            representatives.setdefault((group, entry_timing), resource)
        recorded += [
            (resource, entry_timing)
            for (_, entry_timing), resource in representatives.items()
            if entry_timing is not Timing.AFTER
        ]
        for entry_timing, number in number_by_timing.items():
            if number:
                counts["as_of", entry_timing] += number
        return recorded


class ChartReader:
    """Makes charts, and remembers what each code means to the variants of a back-test."""

    def __init__(self, variants: Sequence[Variant]) -> None:
        self._filters = [
            EntryFilter(variant.knowledge, variant.site, date.max, ReferenceResolver()) for variant in variants
        ]
        self._variant = variants[0]
        self._kinds: dict[bytes, _Kind] = {}
        self._systems: dict[str, bool] = {}

    def chart(self, entries: Iterable[Entry], orders: Iterable[dict[str, Any]]) -> Chart:
        """Return the chart of a patient for the orders of that patient."""
        entries_and_kinds = [(entry, self._kind(entry.resource)) for entry in entries]
        relevant = [entry for entry, kind in entries_and_kinds if kind.matters]
        names = _names((*orders, *(entry.resource for entry in relevant)))
        keeps_all = sum(kind.text_length for _, kind in entries_and_kinds) > MOST_LOOKED_AT
        others: list[tuple[Entry, _Group]] = []
        if len(relevant) < len(entries_and_kinds):
            relevant.clear()
            for entry, kind in entries_and_kinds:
                if kind.matters or keeps_all or (names and reference_of(entry.resource) in names):
                    relevant.append(entry)
                else:
                    others.append((entry, kind.group))
        unmapped = {kind.unmapped for _, kind in entries_and_kinds if kind.unmapped}
        unmapped.update(self._unmapped_by_words(relevant))
        return Chart(relevant, others, frozenset(unmapped))

    def matters(self, resource: dict[str, Any]) -> bool:
        """Return whether an entry can mean something on some day, unless a reason refers to it."""
        return self._kind(resource).matters

    def _kind(self, resource: dict[str, Any]) -> _Kind:
        resource_type = resource.get("resourceType")
        category = resource.get("category") if resource_type == "Procedure" else None
        content = to_json([resource_type, resource.get("code"), category])
        kind = self._kinds.get(content)
        if kind is None:
            if len(self._kinds) >= _MEMOIZED:
                self._kinds.clear()
            kind = self._kinds[content] = self._look(resource)
        return kind

    def _look(self, resource: dict[str, Any]) -> _Kind:
        meanings = [possible_meaning(resource, entry_filter) for entry_filter in self._filters]
        resource_type = text_of(resource.get("resourceType"))
        matters = resource_type not in _CODED or any(meaning.is_any for meaning in meanings)
        system = self._unmapped_system(resource)
        return _Kind(
            matters,
            (resource_type, tuple(meaning.is_read for meaning in meanings)),
            (resource_type, system, "", "", "") if system else None,
            max(len(entry_filter.typed_text(resource)) for entry_filter in self._filters),
        )

    def _unmapped_system(self, resource: dict[str, Any]) -> str:
        """Return the first code system of an entry of which no code is read or mapped, or no text."""
        site, knowledge = self._variant.site, self._variant.knowledge
        pairs = codings(resource.get("code"), site.systems)
        if not pairs or any(self._is_read(system) for system, _ in pairs):
            return ""
        return "" if own_study(pairs, site.studies, knowledge.known_systems) else pairs[0][0]

    def _unmapped_by_words(self, relevant: Iterable[Entry]) -> Iterator[Unmapped]:
        """Yield the entries of code systems that are not read whose words say something, each with its name."""
        entry_filter: EntryFilter | None = None
        for resource, recorded in relevant:
            if not self._unmapped_system(resource):
                continue
            if recorded and entry_filter is None:
                entry_filter = EntryFilter(
                    self._variant.knowledge, self._variant.site, recorded.first, ReferenceResolver()
                )
            if entry_filter and (mentions := entry_filter.mentions(resource)):
                name = name_of(resource, codings(resource.get("code"), self._variant.site.systems))
                yield text_of(resource.get("resourceType")), *name, mentions[0].wording or mentions[0].means

    def _is_read(self, system: str) -> bool:
        """Return whether codes of a system are read; exports have few systems and very many codes."""
        if system not in self._systems:
            if len(self._systems) >= _MEMOIZED:
                self._systems.clear()
            lookup = self._variant.knowledge.terminology.lookup
            self._systems[system] = lookup([(system, _ANY_CODE)]) is not UNREAD
        return self._systems[system]


def _names(resources: Iterable[dict[str, Any]]) -> set[str]:
    """Return the names of what the reasons of orders and entries refer to."""
    return {name for resource in resources for name in referenced_names(as_procedure(resource))}

"""Whether and when an entry of the record counts: its statuses and its dates."""

from collections import ChainMap, defaultdict
from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar, cast

from cds_service.decision.fhir_fields import (
    certainties,
    codings,
    partial_date,
    period,
    reference_of,
    status_codes,
    typed_text,
)
from cds_service.decision.references import ReferenceResolver
from cds_service.knowledge import Knowledge
from cds_service.knowledge.terminology import Terms
from cds_service.knowledge.typed_text import Mention, TypedText
from cds_service.model import Certainty, Field, Finding, FindingKind, Json, PartialDate, Reach, Site, Term

LONGEST = 2000
"""Characters of a typed text that are read: none is longer, and reading must stay quick."""

_ONSET = ("onsetDateTime", "onsetPeriod")
_RECORDED = ("recordedDate", "assertedDate", "dateRecorded")
_OBSERVED = ("effectiveDateTime", "effectivePeriod", "issued")
_PERFORMED = ("performedDateTime", "performedPeriod", "occurrenceDateTime", "occurrencePeriod")
_DONE = {"Encounter": ("period", "actualPeriod"), "DiagnosticReport": _OBSERVED}
"""When that was done which an entry tells, by its type; of any other it is when it was performed."""

_ORDERED = (("authoredOn",), ("occurrenceDateTime", "occurrencePeriod"))

Read = TypeVar("Read")


class Where(NamedTuple):
    """Where radiotherapy was given, and the words for the site or for the tumor that tell it."""

    field: Field | None = None
    site: str = ""
    treats: str = ""
    site_unread: bool = False
    """A site is recorded that we cannot read."""


NOWHERE = Where()


class EntryFilter:
    """Reads the entries of one record on one day; counts what it saw and did not use."""

    def __init__(self, knowledge: Knowledge, site: Site, today: date, known: ReferenceResolver) -> None:
        self.knowledge, self.site, self.today, self.known = knowledge, site, today, known
        self.limits = {**knowledge.lookback_windows, **site.limits}
        self.tally: dict[str, int] = defaultdict(int)
        self.unrecognized: dict[tuple[str, str], int] = {}
        """Entries whose every code is of a system that is not read, by resource type and by their first system."""
        self.read = 0
        """Entries that could be read, by a code of a system that we read or by their words."""
        self.conditions_read = 0
        self._known_systems: Collection[str] = knowledge.known_systems
        if site.systems:
            self._known_systems = ChainMap({**site.systems}, cast("dict[str, str]", knowledge.known_systems))
        self._read: dict[tuple[object, int], Any] = {}
        self._typed_texts: dict[str, TypedText] = {}
        """By text: the same one stands in many entries of a chart, and is asked for by several readers."""

    def codings(self, concepts: object) -> list[tuple[str, str]]:
        """Return the codings of concepts; the site may have its own name for a system."""
        return codings(concepts, self.site.systems)

    def terms(self, entry: Json) -> Terms:
        """Return what the codes of an entry mean."""
        return self.meaning(entry, self.codings(entry.get("code")))

    def meaning(self, entry: Json, pairs: list[tuple[str, str]]) -> Terms:
        """Return what the codes of an entry mean; that a Procedure is radiotherapy may stand in its category alone."""
        terms = self.knowledge.terminology.lookup(pairs)
        if "category" in entry and "radiotherapy" not in terms and entry.get("resourceType") == "Procedure":
            delivered = self.knowledge.terminology.lookup(codings(entry["category"], self.site.systems)).get(
                "radiotherapy"
            )
            if delivered and not any(term.means == "not_delivery" for term in self.sites(self.typed(entry))):
                return {**terms, "radiotherapy": delivered}
        return terms

    def sites(self, text: str) -> list[Term]:
        """Return what the sites of radiotherapy mean that a text names."""
        return self.knowledge.site_words.terms(text) if text else []

    def typed(self, entry: Json) -> str:
        """Return what was typed in the code of an entry, or of a reason in the shape of one."""
        return self.typed_in(entry.get("code"))

    def typed_in(self, concepts: object) -> str:
        """Return what was typed in concepts."""
        return typed_text(concepts, self._known_systems)[:LONGEST]

    def mentions(self, entry: Json) -> list[Mention]:
        """Return what the typed text of an entry speaks of, and how certain it is."""
        return self._typed_text(entry).mentions

    def opening(self, entry: Json) -> Certainty:
        """Return how certain the typed text of an entry is of what it begins with."""
        return self._typed_text(entry).opening

    def _typed_text(self, entry: Json) -> TypedText:
        text = self.typed(entry)
        if text not in self._typed_texts:
            self._typed_texts[text] = self.knowledge.reason_words.typed_text(text, self.today, self.limits)
        return self._typed_texts[text]

    def once(self, read: Callable[["EntryFilter", Json], Read], reason: Json) -> Read:
        """Return what a reason says as `read` reads it; one that thousands refer to is read, and counted, once."""
        if not self.known.is_referred(reason):
            return read(self, reason)
        key = (read, id(reason))
        if key not in self._read:
            self._read[key] = read(self, reason)
        said: Read = self._read[key]
        return said

    def stands(self, condition: Json) -> bool:
        """Tell whether the verification status lets a Condition count, and the certainty that its code may carry."""
        if not self.knowledge.refused["Condition.code.certainty"].isdisjoint(certainties(condition.get("code"))):
            self.tally["status does not count"] += 1
            return False
        return not self._refused("Condition.verificationStatus", condition.get("verificationStatus"))

    def is_allergy(self, allergy: Json) -> bool:
        """Tell whether the verification status lets an allergy count: an unconfirmed one does, to be safe."""
        return not self._refused("AllergyIntolerance.verificationStatus", allergy.get("verificationStatus"))

    def is_active(self, condition: Json) -> bool:
        """Tell whether a Condition is present: active, recurrence, relapse, or neither a status nor an end."""
        for name in condition:
            if name.startswith("abatement") and condition[name] is not False:
                return False
        codes = [code for code in status_codes(condition.get("clinicalStatus")) if code]
        return not codes or not self.knowledge.active.isdisjoint(codes)

    def was_performed(self, entry: Json) -> bool:
        """Tell whether the status lets a Procedure, an Encounter or a report count; notDone was once a status, too."""
        if entry.get("notDone") is True or entry.get("notPerformed") is True:
            self.tally["status does not count"] += 1
            return False
        return not self._refused(f"{entry.get('resourceType')}.status", entry.get("status"))

    def is_ordered(self, order: Json) -> bool:
        """Tell whether an order on record is in force: its study may still be done."""
        return order.get("doNotPerform") is not True and not self._refused("imaging_order.status", order.get("status"))

    def _refused(self, element: str, value: object) -> bool:
        refused = not self.knowledge.refused[element].isdisjoint(status_codes(value))
        self.tally["status does not count"] += refused
        return refused

    def is_recent(self, when: PartialDate | None, window: str) -> bool:
        """Tell whether any day of a date lies in a window of days before today; no date lies in none."""
        return when is not None and when.last >= self.today - timedelta(days=self.limits[window])

    def recorded(self, resource: Json) -> PartialDate | None:
        """Return when an entry was recorded."""
        for name in _RECORDED:
            if when := partial_date(resource.get(name), self.today):
                return when
        return None

    def dated(self, condition: Json) -> PartialDate | None:
        """Return a Condition's onset, or when it was recorded where none is stated."""
        onset, _ = period(condition, _ONSET, self.today)
        return onset or self.recorded(condition)

    def later(self, condition: Json) -> PartialDate | None:
        """Return the later of a Condition's onset and recording, None where it has neither."""
        onset, _ = period(condition, _ONSET, self.today)
        recorded = self.recorded(condition)
        if onset is None or recorded is None:
            return onset or recorded
        return recorded if recorded.last > onset.last else onset

    def of_condition(
        self,
        kind: FindingKind,
        term: Term,
        condition: Json,
        *,
        from_order: bool = False,
        reach: Reach | None = None,
        field: Field | None = None,
    ) -> Finding:
        """Return the finding that a Condition, or a reason in the shape of one, is."""
        since, until = period(condition, _ONSET, self.today)
        return Finding(
            kind,
            term.wording,
            (reference_of(condition),) if condition.get("resourceType") else (),
            since=since,
            until=until if until != since else None,
            recorded=self.recorded(condition),
            status=self.knowledge.status_words(status_codes(condition.get("clinicalStatus"))),
            from_order=from_order,
            means=term.means,
            reach=reach,
            metastatic=term.metastatic,
            field=field,
        )

    def of_observation(self, kind: FindingKind, term: Term, observation: Json) -> Finding:
        """Return the finding that an Observation is."""
        since, _ = period(observation, _OBSERVED, self.today)
        return Finding(kind, term.wording, (reference_of(observation),), since, means=term.means)

    def of_order(self, kind: FindingKind, term: Term, order: Json) -> Finding:
        """Return the finding that an order on record is, dated by the later of its signing and the day it is for."""
        stated = [until for names in _ORDERED if (until := period(order, names, self.today)[1])]
        when = max(stated, key=lambda one: one.last, default=None)
        return Finding(kind, term.wording, (reference_of(order),), when, means=term.means)

    def of_procedure(self, kind: FindingKind, term: Term, procedure: Json, where: Where = NOWHERE) -> Finding:
        """Return the finding that a Procedure, or an entry that is read like one, is."""
        since, until = period(procedure, _DONE.get(str(procedure.get("resourceType")), _PERFORMED), self.today)
        return Finding(
            kind,
            term.wording,
            (reference_of(procedure),),
            since,
            until,
            status=self.knowledge.status_words(status_codes(procedure.get("status"))),
            from_procedure=True,
            means=term.means,
            field=where.field,
            site=where.site,
            site_unread=where.site_unread,
            treats=where.treats,
        )

"""Whether and when an entry of the record counts: its codes, its statuses and its dates (contract sections 3 and 4)."""

from collections import ChainMap, defaultdict
from collections.abc import Callable, Collection
from datetime import date, timedelta
from enum import StrEnum
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
from cds_service.knowledge.typed_text import Mention, TextBudget, TypedText
from cds_service.model import Certainty, Field, Finding, FindingKind, Json, PartialDate, Reach, Site, Term

MAX_TEXT_LENGTH = 2000
"""Characters of a typed text that are read; real texts are shorter, and reading must stay fast."""

_ONSET = ("onsetDateTime", "onsetPeriod")
_RECORDED = ("recordedDate", "assertedDate", "dateRecorded")
_OBSERVED = ("effectiveDateTime", "effectivePeriod", "issued")
_PERFORMED = ("performedDateTime", "performedPeriod", "occurrenceDateTime", "occurrencePeriod")
_DONE = {"Encounter": ("period", "actualPeriod"), "DiagnosticReport": _OBSERVED}
"""The members that say when a procedure took place, by resource type; all other types have `_PERFORMED`."""

_ORDERED = (("authoredOn",), ("occurrenceDateTime", "occurrencePeriod"))

Read = TypeVar("Read")


class Omission(StrEnum):
    """Why an entry, or one of its meanings, does not count; `explanation` has the words."""

    STATUS = "status"
    CERTAINTY = "certainty"
    NOT_DONE = "not_done"
    NOT_TO_BE_DONE = "not_to_be_done"
    DENIED = "denied"
    DOUBTED = "doubted"
    PAST = "past"
    NOT_ACTIVE = "not_active"
    ENDED = "ended"
    NO_DATE = "no_date"
    TOO_OLD = "too_old"
    ORDER_ONLY = "order_only"
    NOT_IN_PROCEDURE = "not_in_procedure"
    NOT_DELIVERED = "not_delivered"
    NO_MALIGNANCY = "no_malignancy"
    OTHER_STUDY = "other_study"
    NO_VALUE = "no_value"
    NOT_NEWEST = "not_newest"
    NOT_LOW = "not_low"


_BY_CERTAINTY = {Certainty.DENIED: Omission.DENIED, Certainty.PAST: Omission.PAST}
"""The omission for what a text says; anything else is doubted."""


class RadiotherapySite(NamedTuple):
    """The field of a course of radiotherapy, and the site or the treated tumor that it was derived from."""

    field: Field | None = None
    site: str = ""
    treats: str = ""
    site_unread: bool = False
    """A site is recorded, but by no code or word that we know."""


NO_SITE = RadiotherapySite()


class EntryFilter:
    """Reads codes, statuses, dates and texts of the entries of one record, as of one day.

    It counts the entries that it did not use, by reason (`unused`) and by code system (`unrecognized`).
    """

    def __init__(self, knowledge: Knowledge, site: Site, today: date, references: ReferenceResolver) -> None:
        self.knowledge, self.site, self.today, self.references = knowledge, site, today, references
        self.limits = {**knowledge.lookback_windows, **site.lookback}
        self.unused: dict[str, int] = defaultdict(int)
        self.unrecognized: dict[tuple[str, str], int] = {}
        """Entries that have no code of a system that we read, by resource type and first code system."""
        self.readable = 0
        """Entries that could be read, by a code of a known system or by their text."""
        self.readable_conditions = 0
        self._known_systems: Collection[str] = knowledge.known_systems
        if site.systems:
            self._known_systems = ChainMap({**site.systems}, cast("dict[str, str]", knowledge.known_systems))
        self._cached_reasons: dict[tuple[object, int], Any] = {}
        self._typed_texts: dict[str, TypedText] = {}
        """By text: many entries of a chart have the same text."""
        self.text_budget = TextBudget()
        """Of what is read now; the record and the reasons of the orders have one each."""
        self.omissions: dict[int, list[tuple[Omission, str]]] | None = None
        """By the id of an entry: why it does not count, with a status or a window; None where nobody asks."""
        self._entry_texts: dict[int, tuple[Json, TypedText]] = {}
        """By the id of an entry, which stays alive with it: several steps ask for its text."""

    def note(self, entry: Json, omission: Omission, detail: str = "") -> None:
        """Note why an entry does not count, for an explanation; a hook call asks for none."""
        if self.omissions is not None:
            self.omissions.setdefault(id(entry), []).append((omission, detail))

    def note_certainty(self, entry: Json, certainty: Certainty) -> None:
        """Note that what the text of an entry says is not certain enough to count."""
        self.note(entry, _BY_CERTAINTY.get(certainty, Omission.DOUBTED))

    def codings(self, concepts: object) -> list[tuple[str, str]]:
        """Return (system, code) of each coding; a site's own name of a code system becomes the standard one."""
        return codings(concepts, self.site.systems)

    def terms(self, entry: Json) -> Terms:
        """Return what the codes of an entry mean, by family, for example `{"malignancy": [Term, ...]}`."""
        return self.meaning(entry, self.codings(entry.get("code")))

    def meaning(self, entry: Json, pairs: list[tuple[str, str]]) -> Terms:
        """Return what the codings of an entry mean, by family.

        Registries may say only in the category of a Procedure that it is radiotherapy (contract section 3).
        """
        terms = self.knowledge.terminology.lookup(pairs)
        if "category" in entry and "radiotherapy" not in terms and entry.get("resourceType") == "Procedure":
            delivered = self.knowledge.terminology.lookup(codings(entry["category"], self.site.systems)).get(
                "radiotherapy"
            )
            if delivered and not any(
                term.means == "not_delivery" for term in self.radiotherapy_sites(self.typed_text(entry))
            ):
                return {**terms, "radiotherapy": delivered}
        return terms

    def radiotherapy_sites(self, text: str) -> list[Term]:
        """Return the radiotherapy sites that a text names (contract section 3: field)."""
        return self.knowledge.site_words.terms(text) if text else []

    def typed_text(self, entry: Json) -> str:
        """Return the free text in the code of an entry, or of a reason in the shape of one (contract section 4)."""
        return self.typed_text_of(entry.get("code"))

    def typed_text_of(self, concepts: object) -> str:
        """Return the free text in CodeableConcepts, at most 2,000 characters of it."""
        return typed_text(concepts, self._known_systems)[:MAX_TEXT_LENGTH]

    def mentions(self, entry: Json) -> list[Mention]:
        """Return what the free text of an entry mentions, each with its certainty (contract section 4)."""
        return self._parsed_text(entry).mentions

    def mentions_of(self, topics: Collection[str], entry: Json) -> list[Mention]:
        """Return what the free text of an entry mentions of some topics."""
        return self._parsed_text(entry).mentions_of(topics)

    def opening_certainty(self, entry: Json) -> Certainty:
        """Return the certainty of the first mention in the free text of an entry (contract section 4)."""
        return self._parsed_text(entry).opening

    def _parsed_text(self, entry: Json) -> TypedText:
        cached = self._entry_texts.get(id(entry))
        if cached is not None:
            return cached[1]
        text = self.typed_text(entry)
        typed_text = self._typed_texts.get(text)
        if typed_text is None:
            typed_text = self.knowledge.reason_words.typed_text(text, self.today, self.limits, self.text_budget)
            self._typed_texts[text] = typed_text
        self._entry_texts[id(entry)] = entry, typed_text
        return typed_text

    def read_once(self, read: Callable[["EntryFilter", Json], Read], reason: Json) -> Read:
        """Return `read(self, reason)`; a resource that many reasons refer to is read, and counted, once."""
        if not self.references.is_referred(reason):
            return read(self, reason)
        key = (read, id(reason))
        if key not in self._cached_reasons:
            self._cached_reasons[key] = read(self, reason)
        value: Read = self._cached_reasons[key]
        return value

    def is_verified(self, condition: Json) -> bool:
        """Return whether a Condition counts by its verificationStatus and by the certainty flag of its code.

        Without a status it counts (contract section 3, and the German Diagnosesicherheit).
        """
        if not self.knowledge.refused["Condition.code.certainty"].isdisjoint(certainties(condition.get("code"))):
            self.unused["status does not count"] += 1
            self.note(condition, Omission.CERTAINTY)
            return False
        return not self.is_refused(condition, "Condition.verificationStatus", condition.get("verificationStatus"))

    def is_verified_allergy(self, allergy: Json) -> bool:
        """Return whether an allergy counts by its verificationStatus: an unconfirmed one does, to be safe."""
        return not self.is_refused(allergy, "AllergyIntolerance.verificationStatus", allergy.get("verificationStatus"))

    def is_active(self, condition: Json) -> bool:
        """Return whether a Condition is present: active, recurrence, relapse, or neither a status nor an end.

        Contract section 4.
        """
        for name in condition:
            if name.startswith("abatement") and condition[name] is not False:
                self.note(condition, Omission.ENDED)
                return False
        # a display may be in any language: one that we do not know must not end an emergency
        codes = [code for code in status_codes(condition.get("clinicalStatus"), reads_displays=False) if code]
        if not codes or not self.knowledge.active.isdisjoint(codes):
            return True
        self.note(condition, Omission.NOT_ACTIVE, self.knowledge.status_words(codes))
        return False

    def was_performed(self, entry: Json) -> bool:
        """Return whether a Procedure, an Encounter or a report counts by its status, or by `notDone` (up to STU3).

        Contract section 3.
        """
        if entry.get("notDone") is True or entry.get("notPerformed") is True:
            self.unused["status does not count"] += 1
            self.note(entry, Omission.NOT_DONE)
            return False
        return not self.is_void(entry)

    def is_void(self, entry: Json) -> bool:
        """Return whether an entry does not count by its `status`."""
        return self.is_refused(entry, f"{entry.get('resourceType')}.status", entry.get("status"))

    def is_ordered(self, order: Json) -> bool:
        """Return whether an order on record is in force, so that its study may still be done."""
        if order.get("doNotPerform") is True:
            self.note(order, Omission.NOT_TO_BE_DONE)
            return False
        return not self.is_refused(order, "imaging_order.status", order.get("status"))

    def is_refused(self, entry: Json, element: str, value: object) -> bool:
        """Return whether a status of an entry is one of those in statuses.csv by which it does not count."""
        refused = self.knowledge.refused[element].intersection(status_codes(value))
        if not refused:
            return False
        self.unused["status does not count"] += 1
        self.note(entry, Omission.STATUS, min(refused))
        return True

    def is_recent(self, entry: Json, when: PartialDate | None, window: str) -> bool:
        """Return whether a day of a partial date lies within a window of lookback_windows.csv; no date lies in none."""
        if when is not None and when.last >= self.today - timedelta(days=self.limits[window]):
            return True
        self.note(entry, Omission.NO_DATE if when is None else Omission.TOO_OLD, window)
        return False

    def recorded_date(self, resource: Json) -> PartialDate | None:
        """Return the date on which an entry was recorded, or None."""
        for name in _RECORDED:
            if when := partial_date(resource.get(name), self.today):
                return when
        return None

    def onset_or_recorded(self, condition: Json) -> PartialDate | None:
        """Return a Condition's onset or, without one, the date of its recording (contract section 4: signs)."""
        onset, _ = period(condition, _ONSET, self.today)
        return onset or self.recorded_date(condition)

    def latest_date(self, condition: Json) -> PartialDate | None:
        """Return the later of a Condition's onset and recording, None without either (contract section 4: brakes)."""
        onset, _ = period(condition, _ONSET, self.today)
        recorded = self.recorded_date(condition)
        if onset is None or recorded is None:
            return onset or recorded
        return recorded if recorded.last > onset.last else onset

    def condition_finding(
        self,
        kind: FindingKind,
        term: Term,
        condition: Json,
        *,
        from_order: bool = False,
        reach: Reach | None = None,
        field: Field | None = None,
    ) -> Finding:
        """Return the finding of a Condition, or of a reason in the shape of one."""
        since, until = period(condition, _ONSET, self.today)
        return Finding(
            kind,
            term.wording,
            (reference_of(condition),) if condition.get("resourceType") else (),
            since=since,
            until=until if until != since else None,
            recorded=self.recorded_date(condition),
            status=self.knowledge.status_words(status_codes(condition.get("clinicalStatus"))),
            from_order=from_order,
            means=term.means,
            reach=reach,
            metastatic=term.metastatic,
            field=field,
        )

    def observation_finding(self, kind: FindingKind, term: Term, observation: Json) -> Finding:
        """Return the finding of an Observation."""
        since, _ = period(observation, _OBSERVED, self.today)
        return Finding(kind, term.wording, (reference_of(observation),), since, means=term.means)

    def order_finding(self, kind: FindingKind, term: Term, order: Json) -> Finding:
        """Return the finding of an order on record, dated by the later of its signing and its planned day."""
        ends = [end for names in _ORDERED if (end := period(order, names, self.today)[1])]
        when = max(ends, key=lambda end: end.last, default=None)
        return Finding(kind, term.wording, (reference_of(order),), when, means=term.means)

    def procedure_finding(
        self, kind: FindingKind, term: Term, procedure: Json, area: RadiotherapySite = NO_SITE
    ) -> Finding:
        """Return the finding of a Procedure, or of an entry that is read like one."""
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
            field=area.field,
            site=area.site,
            site_unread=area.site_unread,
            treats=area.treats,
        )

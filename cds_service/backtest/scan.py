"""Lines of an export -> the monitored orders and their patients' entries, and counts of all that is left out.

An order is parsed; of any other line no more is read than its type and its patient, on the bytes.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

from cds_service.backtest.moments import Moment, moment
from cds_service.backtest.tally import Tally
from cds_service.decision.fhir_fields import codings, last_segment, members, own_study, status_codes, text_of
from cds_service.decision.studies import UNRECOGNIZED, study_of
from cds_service.knowledge import Knowledge
from cds_service.knowledge.terminology import UNREAD
from cds_service.model import Site
from cds_service.strict_json import strict_json, to_json
from cds_service.validation_stamp import checked_knowledge

ORDER = "ServiceRequest"
NOT_WATCHED = "nothing_watched"
"""The result of an order that the card does not monitor."""

EARLIEST = date(2000, 1, 1)
"""The first day of an order that is replayed if no other is given."""

_ENTERED_IN_ERROR = "entered-in-error"
_PATIENT_ID = re.compile(r"[A-Za-z0-9._~:-]{1,256}")
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_SUBJECT = re.compile(rb'"subject":\s?\{\s?"reference":\s?"Patient/([A-Za-z0-9._~:-]{1,256})"')
"""The patient of a Condition or Procedure as most servers write it; what is written otherwise is parsed."""

_CONTAINED = b'"contained"'
_MEMOIZED = 50_000
_BYTES = (1 << 24) - 1
_LONGEST_NAME = 100
"""Characters of a code or a name in a table."""


class Record(NamedTuple):
    """One line that is replayed, and where it came from: chunk and line tell which, should it turn out unusable."""

    patient: str
    chunk: str
    line: int
    content: bytes
    is_order: bool = False


@dataclass(frozen=True)
class Variant:
    """What decides: the knowledge, and the site that it is applied to."""

    site: Site
    knowledge_folder: Any = None

    @property
    def knowledge(self) -> Knowledge:
        """Return the knowledge, which a process reads once; it remembers the texts that it read."""
        return _remembering_knowledge(self.knowledge_folder)


@cache
def _remembering_knowledge(folder: Any) -> Knowledge:
    knowledge = checked_knowledge(folder)
    return replace(knowledge, reason_words=knowledge.reason_words.remembering())


@dataclass(frozen=True)
class Plan:
    """What a back-test is asked for; it is sent to every process that takes part."""

    variants: tuple[Variant, ...]
    """The one in question and, to compare, another."""
    types: tuple[str, ...]
    """The resource types of the record."""
    first: date = EARLIEST
    last: date = date.max
    today: date = date.max
    """The day of the run: what is ordered later is a typing error, as is what is ordered before `EARLIEST`."""
    at_least: int = 11
    by_place: bool = False
    sample_size: int = 0

    def tally(self) -> Tally:
        """Return an empty tally."""
        return Tally(self.at_least, self.sample_size)


class Fault(StrEnum):
    """Why a line, or a file from some line on, cannot be used; docs/backtest.md says what to do."""

    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    NULL = "null"
    A_LIST = "a_list"
    NO_OBJECT = "no_object"
    TOO_LONG = "too_long"
    ANOTHER_TYPE = "another_type"
    NO_SUBJECT = "no_subject"
    SUBJECT_IS_NO_PATIENT = "subject_is_no_patient"
    NO_AUTHORED_ON = "no_authored_on"
    AUTHORED_ON_IS_NO_DAY = "authored_on_is_no_day"
    DUPLICATE = "duplicate"
    CUT_OFF = "cut_off"
    """A compressed file that ends too early or is damaged: the rest of it is not read."""
    NOT_DECIDED = "not_decided"
    """The service would have answered this call with an error."""


class UnusableLine(ValueError):
    """A line that cannot be used."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def hash_of(patient: str) -> int:
    """Return a hash that is the same in every process: it picks the hash part, and the bit of a patient."""
    return crc32(patient.encode())


class PatientFilter:
    """Which patients have a monitored order: a bit for each hash, so that its size does not grow with them.

    A patient without an order who shares a bit is spilled in vain, and left out by the replay.
    """

    def __init__(self, bits: bytes | None = None) -> None:
        self.bits = bytearray(bits or _BYTES + 1)

    def add(self, patient_hash: int) -> None:
        """Note the hash of a patient."""
        self.bits[patient_hash >> 3 & _BYTES] |= 1 << (patient_hash & 7)


def parsed(line: bytes) -> dict[str, Any]:
    """Return the resource of a line, or raise UnusableLine."""
    try:
        value = strict_json(line)
    except UnicodeDecodeError:
        raise UnusableLine(Fault.NOT_UTF8) from None
    except ValueError:
        raise UnusableLine(Fault.NOT_JSON) from None
    if isinstance(value, dict):
        return value
    kinds = {type(None): Fault.NULL, list: Fault.A_LIST}
    raise UnusableLine(kinds.get(type(value), Fault.NO_OBJECT))


def patient_of(resource: dict[str, Any]) -> str:
    """Return the id of a resource's patient, or raise UnusableLine."""
    subject = resource.get("subject") or resource.get("patient")
    reference = text_of(subject.get("reference")) if isinstance(subject, dict) else ""
    if not reference:
        raise UnusableLine(Fault.NO_SUBJECT)
    return patient_in(reference)


def patient_in(reference: str) -> str:
    """Return the id of the patient that a reference names, or raise UnusableLine."""
    path = reference.split("/_history/", maxsplit=1)[0].rstrip("/").split("/")
    patient = last_segment(reference)
    if (len(path) > 1 and path[-2] != "Patient") or not _PATIENT_ID.fullmatch(patient):
        raise UnusableLine(Fault.SUBJECT_IS_NO_PATIENT)
    return patient


def type_of(line: bytes) -> str:
    """Return the resource type of a line, or no text; a contained resource may stand before the type of its own."""
    if _CONTAINED not in line:
        kind = _TYPE.search(line)
        return kind[1].decode() if kind else ""
    try:
        return text_of(parsed(line).get("resourceType"))
    except UnusableLine:
        return ""


class OrderScan:
    """Finds the orders that any variant monitors, or that keep it from speaking; counts all others."""

    def __init__(self, plan: Plan, file_type: str) -> None:
        self.plan, self.file_type, self.tally = plan, file_type, plan.tally()
        self._studied: dict[bytes, tuple[bool, tuple[str, ...] | None]] = {}
        self._relevant = [
            {*knowledge.watched, *(study for row in knowledge.watched.values() for study in row.same_as)}
            for knowledge in (variant.knowledge for variant in self.plan.variants)
        ]

    def records(self, chunk: str, lines: Iterable[tuple[int, bytes | None]]) -> Iterator[Record]:
        """Yield the orders to replay among the numbered lines of a chunk."""
        number = 0
        for number, line in lines:
            if line == b"":
                continue
            try:
                if order := self._order(line):
                    yield Record(patient_of(order), chunk, number, line or b"", is_order=True)
            except UnusableLine as unusable:
                self.tally.add_error(chunk, number, unusable.fault)
        if self.file_type:  # the lines of other files are counted when the record is scanned
            self.tally.counts["lines", *chunk.split("\t")] += number

    def _order(self, line: bytes | None) -> dict[str, Any] | None:
        if not self.file_type and (line is None or type_of(line) != ORDER):
            return None
        if line is None:
            raise UnusableLine(Fault.TOO_LONG)
        order = parsed(line)
        if order.get("resourceType") != ORDER:
            raise UnusableLine(Fault.ANOTHER_TYPE)
        if _ENTERED_IN_ERROR in status_codes(order.get("status")):
            self.tally.add("left_out", "entered_in_error")
            return None
        ordered, patient = ordered_at(order), patient_of(order)
        if not self.plan.first <= ordered.first <= min(self.plan.last, self.plan.today):
            self.tally.add("left_out", "outside_period")
            return None
        is_relevant, unmapped = self._study(order)
        if unmapped:
            self.tally.add("unmapped_order", *unmapped)
            self.tally.add_patient(("unmapped_order", *unmapped), hash_of(patient))
        if is_relevant:
            return order
        self.tally.add("result", NOT_WATCHED)
        return None

    def _study(self, order: dict[str, Any]) -> tuple[bool, tuple[str, ...] | None]:
        """Return whether the order's study matters, and the name of an order that no code explains."""
        key = to_json([order.get("code"), order.get("bodySite")])
        if key not in self._studied:
            if len(self._studied) >= _MEMOIZED:
                self._studied.clear()
            self._studied[key] = self._look_up(order)
        return self._studied[key]

    def _look_up(self, order: dict[str, Any]) -> tuple[bool, tuple[str, ...] | None]:
        studies = [study_of(order, variant.knowledge, variant.site)[0] for variant in self.plan.variants]
        is_relevant = any(study in relevant for study, relevant in zip(studies, self._relevant, strict=True))
        return is_relevant, self._unmapped(order, studies[0])

    def _unmapped(self, order: dict[str, Any], study: str) -> tuple[str, ...] | None:
        """Return (how recognized, study, system, code, name) of an order that is known by its words or not at all."""
        variant = self.plan.variants[0]
        pairs = codings(order.get("code"), variant.site.systems)
        if own_study(pairs, variant.site.studies, variant.knowledge.known_systems):
            return None
        terms = variant.knowledge.terminology.lookup(pairs)
        if study in self._relevant[0] and "order" not in terms:
            return ("by_words", study, *name_of(order, pairs))
        if study == UNRECOGNIZED or terms is UNREAD:
            return ("not_recognized", "", *name_of(order, pairs))
        return None


def name_of(resource: dict[str, Any], pairs: list[tuple[str, str]]) -> tuple[str, str, str]:
    """Return (system, code, name) of a resource's first coding, or its text alone; each of a length for a table."""
    code = resource.get("code")
    names = [text_of(concept.get("text")) for concept in members(code)]
    for concept in members(code):
        names[:0] = [text_of(coding.get("display")) for coding in members(concept.get("coding"))[:1]]
    system, own_code = pairs[0] if pairs else ("", "")
    name = " ".join(next(filter(None, names), "").split())
    return system[:_LONGEST_NAME], own_code[:_LONGEST_NAME], name[:_LONGEST_NAME]


def ordered_at(order: dict[str, Any]) -> Moment:
    """Return when an order was made, to the day at least, or raise UnusableLine."""
    stated = order.get("authoredOn") or order.get("orderedOn")
    if stated is None:
        raise UnusableLine(Fault.NO_AUTHORED_ON)
    ordered = moment(stated) if isinstance(stated, str) else None
    if ordered is None or ordered.first != ordered.last:
        raise UnusableLine(Fault.AUTHORED_ON_IS_NO_DAY)
    return ordered


class RecordScan:
    """Finds the entries of the patients who have orders; what else a line holds is read by the replay."""

    def __init__(self, plan: Plan, file_type: str, patients: PatientFilter) -> None:
        self.plan, self.file_type, self.patients, self.tally = plan, file_type, patients, plan.tally()
        self._types = frozenset(self.plan.types)
        self._prefixes = tuple(f'{{"resourceType":"{name}",'.encode() for name in self.plan.types)

    def records(self, chunk: str, lines: Iterable[tuple[int, bytes | None]]) -> Iterator[Record]:
        """Yield the entries to replay among the numbered lines of a chunk."""
        number, bits = 0, self.patients.bits
        for number, line in lines:
            if line == b"":
                continue
            patient = self._patient_in_bytes(line)
            if patient is None:
                try:
                    patient = self._patient_parsed(line).encode()
                except UnusableLine as unusable:
                    self.tally.add_error(chunk, number, unusable.fault)
                    continue
            patient_hash = crc32(patient)
            if patient and bits[patient_hash >> 3 & _BYTES] >> (patient_hash & 7) & 1:
                yield Record(patient.decode(), chunk, number, line or b"")
        self.tally.counts["lines", *chunk.split("\t")] += number

    def _patient_in_bytes(self, line: bytes | None) -> bytes | None:
        """Return the patient of a line in its usual shape, or None: such a line is not parsed until it is replayed."""
        if line is None or not line.startswith(self._prefixes) or not line.endswith(b"}") or _CONTAINED in line:
            return None
        subject = _SUBJECT.search(line)
        return subject[1] if subject else None

    def _patient_parsed(self, line: bytes | None) -> str:
        """Return the patient of a line, or no text for a line of a type that is not asked for."""
        if line is None:
            raise UnusableLine(Fault.TOO_LONG)
        if not self.file_type and type_of(line) == ORDER:
            return ""  # its faults were counted with the orders
        resource = parsed(line)
        if text_of(resource.get("resourceType")) in self._types:
            return patient_of(resource)
        if self.file_type:
            raise UnusableLine(Fault.ANOTHER_TYPE)
        return ""

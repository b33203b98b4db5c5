"""A hook call as it would have been on an earlier day: without the entries of the record that came later."""

from datetime import date
from typing import Any

from cds_service.decision.fhir_fields import first_day, members
from cds_service.model import Json

_RECORDED = ("recordedDate", "assertedDate", "dateRecorded", "onsetDateTime", "onsetPeriod")
_PERFORMED = ("performedDateTime", "performedPeriod", "occurrenceDateTime", "occurrencePeriod")
_DATED_BY = {
    "Condition": _RECORDED,
    "Procedure": _PERFORMED,
    "Encounter": ("period", "actualPeriod"),
    "ServiceRequest": ("authoredOn",),
    "DiagnosticReport": ("issued", "effectiveDateTime", "effectivePeriod"),
}
"""What tells when an entry came to the record: the first of these that it has, by type. R4 Procedures have no more."""


def as_of(body: Any, day: date) -> tuple[Any, int]:
    """Return a call without the prefetched entries recorded (else begun) after a day, and how many were left out.

    An entry without a date stays: nobody can tell when it came.
    """
    prefetch = body.get("prefetch") if isinstance(body, dict) else None
    if not isinstance(prefetch, dict):
        return body, 0
    earlier_prefetch, removed_count = {}, 0
    for key, value in prefetch.items():
        earlier_prefetch[key], removed_of_key = _before(value, day)
        removed_count += removed_of_key
    return {**body, "prefetch": earlier_prefetch}, removed_count


def _before(value: Any, day: date) -> tuple[Any, int]:
    """Return a Bundle without the entries that came after a day; anything else as it is."""
    if not isinstance(value, dict) or not isinstance(value.get("entry"), list):
        return value, 0
    entries = [entry for entry in value["entry"] if not _is_later(entry, day)]
    removed_count = len(value["entry"]) - len(entries)
    total = value.get("total")
    new_total = {"total": total - removed_count} if isinstance(total, int) and not isinstance(total, bool) else {}
    return {**value, **new_total, "entry": entries}, removed_count


def _is_later(entry: Any, day: date) -> bool:
    for resource in members(entry.get("resource")) if isinstance(entry, dict) else ():
        for name in _DATED_BY.get(str(resource.get("resourceType")), ()):
            if recorded := first_day(resource.get(name)):
                return recorded > day
    return False


def dated_by(resource: Json) -> tuple[str, ...]:
    """Return the members that tell when an entry came to the record, the first that is dated before the others."""
    return _DATED_BY.get(str(resource.get("resourceType")), ())

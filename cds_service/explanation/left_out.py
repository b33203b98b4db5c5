"""The entries of the record that no finding comes from, and why."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

from cds_service.decision.codings import reference_of, status_codes
from cds_service.decision.entries import Reader
from cds_service.decision.reasons import Known
from cds_service.knowledge import Knowledge
from cds_service.knowledge.meanings import UNREAD
from cds_service.model import Json, PatientRecord, Site

_EXCLUDED = {
    "not_delivery": "it is no delivery of radiotherapy",
    "removed": "it tells of a removal",
}
_CONDITIONS = (
    "malignancy",
    "radiation_history",
    "presentation",
    "emergency",
    "trauma",
    "upper_limb",
    "device",
    "contrast",
    "spine",
    "other_explanation",
)
_PROCEDURES = ("radiotherapy", "device", "contrast", "spine", "order")
_NO_CODE = "it has no code"
_UNKNOWN = "this card does not look for it"
_UNREAD = "its code is of a system that is not read"
_ELSE = "it is not active, too long ago, or of no matter to this order"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One entry of the record that was read and not used."""

    reference: str
    why: str


def left_out(
    record: PatientRecord, used: Collection[str], knowledge: Knowledge, site: Site, today: date
) -> Iterator[LeftOut]:
    """Yield each entry that is not among those `used`, with the reason."""
    reader = Reader(knowledge, site, today, Known())
    for condition in record.conditions:
        if reference_of(condition) not in used:
            status = "" if reader.stands(condition) else _status(reader, "verificationStatus", condition)
            yield LeftOut(reference_of(condition), _why(reader, condition, _CONDITIONS, status))
    more = record.optional
    for procedure in (*record.procedures, *more.get("encounters", ()), *more.get("imaging_reports", ())):
        if reference_of(procedure) not in used:
            status = "" if reader.was_performed(procedure) else _status(reader, "status", procedure)
            yield LeftOut(reference_of(procedure), _why(reader, procedure, _PROCEDURES, status))
    for order in more.get("imaging_orders", ()):
        if reference_of(order) not in used:
            status = "" if reader.is_ordered(order) else _status(reader, "status", order)
            yield LeftOut(reference_of(order), _why(reader, order, ("order",), status))


def _status(reader: Reader, member: str, entry: Json) -> str:
    """Name the status by which an entry does not count; only a status of the knowledge is ever named."""
    kind = "imaging_order" if entry["resourceType"] == "ServiceRequest" else entry["resourceType"]
    refused = reader.knowledge.refused[f"{kind}.{member}"]
    named = next((f", {code}," for code in status_codes(entry.get(member)) if code in refused), "")
    return f"its status{named} does not count"


def _why(reader: Reader, entry: Json, families: tuple[str, ...], status: str) -> str:
    pairs = reader.codings(entry.get("code"))
    if not pairs:
        return _NO_CODE
    if reader.meaning(entry, pairs) is UNREAD:
        return _UNREAD
    means = [term.means for family in families for term in reader.knowledge.codes[family].terms(pairs)]
    if not means:
        return _UNKNOWN
    return status or next((_EXCLUDED[one] for one in means if one in _EXCLUDED), _no_malignancy(means) or _ELSE)


def _no_malignancy(means: list[str]) -> str:
    return "it is not a malignancy that counts" if any(one.startswith("excluded") for one in means) else ""

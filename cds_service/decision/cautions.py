"""What asks to check first: devices in the body, and what speaks against contrast; and a plexus MRI already done."""

from collections.abc import Iterator, Sequence

from cds_service.decision.codings import codings, members, status_codes
from cds_service.decision.entries import Reader
from cds_service.model import Finding, Json, Term
from cds_service.vocabulary import FindingKind

_CARDIAC, _REMOVED = "cardiac_device", "removed"
_RECENT = {"acute_renal": "acute_kidney_injury", "pregnancy": "pregnancy"}
"""Which of the contrast cautions pass, and the window in which they hold."""


def in_condition(reader: Reader, condition: Json) -> Iterator[Finding]:
    """Yield devices and contrast cautions that an active Condition is of."""
    pairs = list(codings(condition.get("code")))
    devices = reader.knowledge.codes["device"].terms(pairs)
    contrast = reader.knowledge.codes["contrast"].terms(pairs)
    if not (devices or contrast) or not reader.is_active(condition):
        return
    for term in devices[:1]:
        yield reader.of_condition(FindingKind.DEVICE, term, condition)
    for term in contrast[:1]:
        window = _RECENT.get(term.means)
        if window is None or reader.is_recent(reader.later(condition), window):
            yield reader.of_condition(FindingKind.CONTRAST, term, condition)


def in_procedure(reader: Reader, procedure: Json, done: frozenset[str]) -> Iterator[Finding]:
    """Yield the device that a Procedure implanted or removed, dialysis, and a recent MRI of the studies `done`."""
    pairs = list(codings(procedure.get("code")))
    found: list[tuple[FindingKind, Term]] = [
        *((FindingKind.DEVICE, term) for term in reader.knowledge.codes["device"].terms(pairs)[:1]),
        *((FindingKind.CONTRAST, term) for term in reader.knowledge.codes["contrast"].terms(pairs)[:1]),
        *((FindingKind.PLEXUS_MRI, t) for t in reader.knowledge.codes["order"].terms(pairs)[:1] if t.means in done),
    ]
    if not found or not reader.was_performed(procedure):
        return
    for kind, term in found:
        one = reader.of_procedure(kind, term, procedure)
        if kind is not FindingKind.PLEXUS_MRI or reader.is_recent(one.until, "plexus_mri_done"):
            yield one


def in_optional(reader: Reader, resources: Sequence[Json]) -> Iterator[Finding]:
    """Yield what AllergyIntolerances, Devices and Observations say, where a site sends them."""
    for resource in resources:
        kind = resource.get("resourceType")
        if kind == "AllergyIntolerance" and reader.stands(resource) and reader.is_active(resource):
            terms = reader.knowledge.codes["contrast"].terms(_substances(resource))
            yield from (reader.of_condition(FindingKind.CONTRAST, term, resource) for term in terms[:1])
        elif kind == "Device" and resource.get("status") not in ("inactive", "entered-in-error"):
            terms = reader.knowledge.codes["device"].terms(codings(resource.get("type")))
            yield from (reader.of_condition(FindingKind.DEVICE, term, resource) for term in terms[:1])
        elif kind == "Observation":
            yield from _low_egfr(reader, resource)


def _substances(allergy: Json) -> Iterator[tuple[str, str]]:
    yield from codings(allergy.get("code"))
    for reaction in members(allergy.get("reaction")):
        yield from codings(reaction.get("substance"))


def _low_egfr(reader: Reader, observation: Json) -> Iterator[Finding]:
    terms = reader.knowledge.codes["observation"].terms(codings(observation.get("code")))
    quantity = observation.get("valueQuantity")
    value = quantity.get("value") if isinstance(quantity, dict) else None
    is_final = status_codes(observation.get("status")) not in (["cancelled"], ["entered-in-error"])
    if not terms or not is_final or not isinstance(value, int | float):
        return
    found = reader.of_observation(FindingKind.CONTRAST, terms[0], observation)
    if value < reader.limits["egfr_below"] and reader.is_recent(found.since, "egfr"):
        yield found


def present(devices: Sequence[Finding]) -> list[Finding]:
    """Return the devices that are in the body: a removal takes away cardiac devices that are not dated after it."""
    removed = max((one.newest for one in devices if one.means == _REMOVED), default=None)
    kept = [one for one in devices if one.means != _REMOVED]
    return [one for one in kept if removed is None or one.means != _CARDIAC or one.newest > removed]

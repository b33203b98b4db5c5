"""What asks to check first: devices in the body, and what speaks against contrast; and a plexus MRI already done."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from cds_service.decision.entry_filter import LONGEST, EntryFilter
from cds_service.decision.fhir_fields import members, own_study, reference_of, status_codes, words_of
from cds_service.decision.studies import study_of
from cds_service.knowledge.terminology import Terms
from cds_service.model import PLEXUS_STUDIES, Finding, FindingKind, Json, PartialDate, Term

_CARDIAC, _REMOVED, _IN_USE = "cardiac_device", "removed", "in_use"
_RENAL = "renal"
"""The only contrast caution that a Procedure can be of: dialysis."""


def in_procedure(entry_filter: EntryFilter, procedure: Json, terms: Terms) -> Iterator[Finding]:
    """Yield the device that a Procedure implanted or removed, dialysis, radiotherapy of bone, and an imaging study."""
    said = {
        FindingKind.DEVICE: terms.get("device"),
        FindingKind.CONTRAST: [term for term in terms.get("contrast", ()) if term.means == _RENAL],
        FindingKind.SPINE: terms.get("spine"),
        FindingKind.PLEXUS_MRI: _studies(entry_filter, procedure, terms),
    }
    yield from _performed(entry_filter, procedure, [(kind, these[0]) for kind, these in said.items() if these])


def in_report(entry_filter: EntryFilter, report: Json, terms: Terms) -> Iterator[Finding]:
    """Yield the imaging study that a report is of: it was done."""
    found = [(FindingKind.PLEXUS_MRI, _named(entry_filter, one)) for one in _studies(entry_filter, report, terms)[:1]]
    yield from _performed(entry_filter, report, found)


def in_order(entry_filter: EntryFilter, order: Json) -> Iterator[Finding]:
    """Yield the plexus MRI that an order on record asks for, where it is in force and recent enough to be done yet."""
    study, name = study_of(order, entry_filter.knowledge, entry_filter.site)
    if study not in PLEXUS_STUDIES or not entry_filter.is_ordered(order):
        return
    kind = FindingKind.PLEXUS_MRI_ORDERED
    one = entry_filter.of_order(kind, _named(entry_filter, Term("order", study, name)), order)
    if entry_filter.is_recent(one.since, kind):
        yield one


def _named(entry_filter: EntryFilter, study: Term) -> Term:
    """Return a study with a name of ours, where it was known by the site's code or by words."""
    known = [member.term for member in entry_filter.knowledge.terminology.families["order"]]
    return replace(study, wording=study.wording or next(one.wording for one in known if one.means == study.means))


def _performed(entry_filter: EntryFilter, entry: Json, found: list[tuple[FindingKind, Term]]) -> Iterator[Finding]:
    """Yield what an entry was found as, if its status lets it count; of a plexus MRI its date tells as what."""
    if not found or not entry_filter.was_performed(entry):
        return
    for kind, term in found:
        one = entry_filter.of_procedure(kind, term, entry)
        if kind is not FindingKind.PLEXUS_MRI or entry_filter.is_recent(one.until, "plexus_mri_done"):
            yield one
        if kind is FindingKind.PLEXUS_MRI and (
            one.until is None or entry_filter.is_recent(one.until, "plexus_mri_earlier")
        ):
            yield one._replace(kind=FindingKind.PLEXUS_MRI_EARLIER)


def _studies(entry_filter: EntryFilter, procedure: Json, terms: Terms) -> list[Term]:
    """Return the studies that an entry is, by codes of the site, by ours, or by words that name a plexus MRI."""
    pairs = entry_filter.codings(procedure.get("code"))
    own = own_study(pairs, entry_filter.site.studies, entry_filter.knowledge.known_systems)
    if own or terms.get("order"):
        return [*([Term("site", own, "")] if own else []), *terms.get("order", ())]
    words = words_of(procedure.get("code"))[:LONGEST]
    study = entry_filter.knowledge.words.study(words) if entry_filter.knowledge.words.names_plexus(words) else None
    if study not in PLEXUS_STUDIES:
        return []
    wording = next((one.wording for one in entry_filter.mentions(procedure) if one.topic == FindingKind.PLEXUS_MRI), "")
    return [Term("words", study, wording)]


def in_optional(entry_filter: EntryFilter, resources: Iterable[Json]) -> Iterator[Finding]:
    """Yield what AllergyIntolerances, Devices and Observations say, where a site sends them."""
    filtrations = []
    for resource in resources:
        kind = resource.get("resourceType")
        if kind == "AllergyIntolerance":
            yield from _allergy(entry_filter, resource)
        elif kind == "Device":
            yield from _device(entry_filter, resource)
        elif kind == "Observation" and (measured := _filtration(entry_filter, resource)):
            filtrations.append(measured)
    newest = max(filtrations, key=lambda one: one[1].newest, default=None)
    if newest and newest[0] < entry_filter.limits["egfr_below"] and entry_filter.is_recent(newest[1].since, "egfr"):
        yield newest[1]


def _allergy(entry_filter: EntryFilter, allergy: Json) -> Iterator[Finding]:
    substances = entry_filter.codings(allergy.get("code"))
    for reaction in members(allergy.get("reaction")):
        substances += entry_filter.codings(reaction.get("substance"))
    for kind, family in (FindingKind.CONTRAST, "contrast"), (FindingKind.IODINE, "iodine"):
        terms = entry_filter.knowledge.terminology.terms(family, substances)
        if terms and entry_filter.is_allergy(allergy) and entry_filter.is_active(allergy):
            yield entry_filter.of_condition(kind, terms[0], allergy)


def _device(entry_filter: EntryFilter, device: Json) -> Iterator[Finding]:
    """Yield an active Device: it is in the body today, whatever was removed before."""
    terms = entry_filter.knowledge.terminology.terms("device", entry_filter.codings(device.get("type")))
    if terms and {"inactive", "entered-in-error"}.isdisjoint(status_codes(device.get("status"))):
        today = PartialDate(entry_filter.today.isoformat(), entry_filter.today, entry_filter.today)
        yield Finding(FindingKind.DEVICE, terms[0].wording, (reference_of(device),), recorded=today, means=_IN_USE)


def _filtration(entry_filter: EntryFilter, observation: Json) -> tuple[float, Finding] | None:
    """Return an estimated glomerular filtration rate that was measured."""
    terms = entry_filter.knowledge.terminology.terms("observation", entry_filter.codings(observation.get("code")))
    quantity = observation.get("valueQuantity")
    value = quantity.get("value") if isinstance(quantity, dict) else None
    is_void = status_codes(observation.get("status")) in (["cancelled"], ["entered-in-error"])
    if not terms or is_void or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value, entry_filter.of_observation(FindingKind.CONTRAST, terms[0], observation)


def present(devices: Sequence[Finding]) -> list[Finding]:
    """Return the devices that are in the body: a removal takes away cardiac devices that are not dated after it."""
    removed = max((one.newest for one in devices if one.means == _REMOVED), default=None)
    kept = [one for one in devices if one.means != _REMOVED]
    return [one for one in kept if removed is None or one.means != _CARDIAC or one.newest > removed]

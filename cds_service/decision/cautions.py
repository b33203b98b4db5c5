"""Devices, contrast cautions, and plexus MRIs done or ordered, in a record (contract sections 5 to 7)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from cds_service.decision.entry_filter import MAX_TEXT_LENGTH, EntryFilter, Omission
from cds_service.decision.fhir_fields import members, own_study, reference_of, words_of
from cds_service.decision.studies import study_of
from cds_service.knowledge.terminology import Terms
from cds_service.model import PLEXUS_STUDIES, Finding, FindingKind, Json, PartialDate, Term

_CARDIAC, _REMOVED, _IN_USE = "cardiac_device", "removed", "in_use"
_RENAL = "renal"
"""The only contrast caution that a Procedure can be of: dialysis."""


def procedure_findings(entry_filter: EntryFilter, procedure: Json, terms: Terms) -> Iterator[Finding]:
    """Yield the device that a Procedure implanted or removed, dialysis, radiotherapy of bone, and an imaging study.

    Contract sections 5 and 6.
    """
    terms_by_kind = {
        FindingKind.DEVICE: terms.get("device"),
        FindingKind.CONTRAST: [term for term in terms.get("contrast", ()) if term.means == _RENAL],
        FindingKind.SPINE: terms.get("spine"),
        FindingKind.PLEXUS_MRI: _studies(entry_filter, procedure, terms),
    }
    yield from _performed_findings(
        entry_filter,
        procedure,
        [(kind, terms_of_kind[0]) for kind, terms_of_kind in terms_by_kind.items() if terms_of_kind],
    )


def report_findings(entry_filter: EntryFilter, report: Json, terms: Terms) -> Iterator[Finding]:
    """Yield the imaging study that a report is of: it was done (contract section 5)."""
    studies = _studies(entry_filter, report, terms)[:1]
    kinds_and_terms = [(FindingKind.PLEXUS_MRI, _with_wording(entry_filter, study)) for study in studies]
    yield from _performed_findings(entry_filter, report, kinds_and_terms)


def order_findings(entry_filter: EntryFilter, order: Json) -> Iterator[Finding]:
    """Yield the plexus MRI that an order on record asks for, if in force and recent enough (contract section 5)."""
    study, name = study_of(order, entry_filter.knowledge, entry_filter.site)
    if study not in PLEXUS_STUDIES:
        entry_filter.note(order, Omission.OTHER_STUDY)
        return
    if not entry_filter.is_ordered(order):
        return
    kind = FindingKind.PLEXUS_MRI_ORDERED
    finding = entry_filter.order_finding(kind, _with_wording(entry_filter, Term("order", study, name)), order)
    if entry_filter.is_recent(order, finding.since, kind):
        yield finding


def optional_findings(entry_filter: EntryFilter, resources: Iterable[Json]) -> Iterator[Finding]:
    """Yield the findings of AllergyIntolerances, Devices and Observations (contract section 7)."""
    measurements = []
    for resource in resources:
        kind = resource.get("resourceType")
        if kind == "AllergyIntolerance":
            yield from _allergy(entry_filter, resource)
        elif kind == "Device":
            yield from _device(entry_filter, resource)
        elif kind == "Observation" and (measured := _egfr(entry_filter, resource)):
            measurements.append((*measured, resource))
    measurements.sort(key=lambda measured: measured[1].newest, reverse=True)
    for value, finding, observation in measurements[:1]:
        if not value < entry_filter.limits["egfr_below"]:
            entry_filter.note(observation, Omission.NOT_LOW)
        elif entry_filter.is_recent(observation, finding.since, "egfr"):
            yield finding
    for *_, observation in measurements[1:]:
        entry_filter.note(observation, Omission.NOT_NEWEST)


def devices_in_body(devices: Sequence[Finding]) -> list[Finding]:
    """Return the devices in the body: a removal cancels cardiac devices not dated after it (contract section 7)."""
    removal_day = max((finding.newest for finding in devices if finding.means == _REMOVED), default=None)
    implanted = [finding for finding in devices if finding.means != _REMOVED]
    if removal_day is None:
        return implanted
    return [finding for finding in implanted if finding.means != _CARDIAC or finding.newest > removal_day]


def _studies(entry_filter: EntryFilter, procedure: Json, terms: Terms) -> list[Term]:
    """Return the studies that an entry is, by codes of the site, by ours, or by words that name a plexus MRI."""
    own = None
    if studies := entry_filter.site.studies:
        own = own_study(entry_filter.codings(procedure.get("code")), studies, entry_filter.knowledge.known_systems)
    if own or terms.get("order"):
        return [*([Term("site", own, "")] if own else []), *terms.get("order", ())]
    words = words_of(procedure.get("code"))[:MAX_TEXT_LENGTH]
    study = entry_filter.knowledge.words.study(words) if entry_filter.knowledge.words.names_plexus(words) else None
    if study not in PLEXUS_STUDIES:
        return []
    wording = next(
        (mention.wording for mention in entry_filter.mentions(procedure) if mention.topic == FindingKind.PLEXUS_MRI), ""
    )
    return [Term("words", study, wording)]


def _performed_findings(
    entry_filter: EntryFilter, entry: Json, kinds_and_terms: list[tuple[FindingKind, Term]]
) -> Iterator[Finding]:
    """Yield the findings of an entry that was performed; a plexus MRI is recent or earlier by its date."""
    if not kinds_and_terms or not entry_filter.was_performed(entry):
        return
    for kind, term in kinds_and_terms:
        if kind is FindingKind.PLEXUS_MRI and term.means not in PLEXUS_STUDIES:
            entry_filter.note(entry, Omission.OTHER_STUDY)
        finding = entry_filter.procedure_finding(kind, term, entry)
        if kind is not FindingKind.PLEXUS_MRI or entry_filter.is_recent(entry, finding.until, "plexus_mri_done"):
            yield finding
        if kind is FindingKind.PLEXUS_MRI and (
            finding.until is None or entry_filter.is_recent(entry, finding.until, "plexus_mri_earlier")
        ):
            yield finding._replace(kind=FindingKind.PLEXUS_MRI_EARLIER)


def _with_wording(entry_filter: EntryFilter, study: Term) -> Term:
    """Return a study with our wording, which one known by the site's code or by text lacks."""
    known = [member.term for member in entry_filter.knowledge.terminology.families["order"]]
    return replace(study, wording=study.wording or next(term.wording for term in known if term.means == study.means))


def _allergy(entry_filter: EntryFilter, allergy: Json) -> Iterator[Finding]:
    substances = entry_filter.codings(allergy.get("code"))
    for reaction in members(allergy.get("reaction")):
        substances += entry_filter.codings(reaction.get("substance"))
    for kind, family in (FindingKind.CONTRAST, "contrast"), (FindingKind.IODINE, "iodine"):
        terms = entry_filter.knowledge.terminology.terms(family, substances)
        if terms and entry_filter.is_verified_allergy(allergy) and entry_filter.is_active(allergy):
            yield entry_filter.condition_finding(kind, terms[0], allergy)


def _device(entry_filter: EntryFilter, device: Json) -> Iterator[Finding]:
    """Yield a Device that counts by its status: it is in the body today, whatever was removed before."""
    terms = entry_filter.knowledge.terminology.terms("device", entry_filter.codings(device.get("type")))
    if not terms or entry_filter.is_void(device):
        return
    today = PartialDate(entry_filter.today.isoformat(), entry_filter.today, entry_filter.today)
    yield Finding(FindingKind.DEVICE, terms[0].wording, (reference_of(device),), recorded=today, means=_IN_USE)


def _egfr(entry_filter: EntryFilter, observation: Json) -> tuple[float, Finding] | None:
    """Return (value, finding) of an estimated glomerular filtration rate, or None if it is none or does not count."""
    terms = entry_filter.knowledge.terminology.terms("observation", entry_filter.codings(observation.get("code")))
    quantity = observation.get("valueQuantity")
    value = quantity.get("value") if isinstance(quantity, dict) else None
    if not terms or entry_filter.is_void(observation):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        entry_filter.note(observation, Omission.NO_VALUE)
        return None
    return value, entry_filter.observation_finding(FindingKind.CONTRAST, terms[0], observation)

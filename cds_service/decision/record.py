"""Step 3: the prefetch, and what `fetch` brings for what is missing of it -> PatientRecord."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cds_service.decision.codings import is_of, members, resources_of, text_of
from cds_service.model import Fetch, HookRequest, Json, Pages, PatientRecord, Search, Unread

_TYPES = {"conditions": "Condition", "procedures": "Procedure"}
"""The prefetch keys and what each holds; discovery advertises the same."""

OPTIONAL = {"allergies": "AllergyIntolerance", "devices": "Device", "egfr": "Observation"}
"""Keys that a site may advertise: taken as they are given, never fetched, never missed."""

CLIENT_FAILED = "the client could not read it"
SERVER_FAILED = "the FHIR server could not read it"


@dataclass(slots=True)
class _Part:
    """What is known so far about one prefetch key."""

    search: Search
    bundles: list[Json] = field(default_factory=list)
    missing: bool = False
    """Still to be fetched: all of it, or the pages from `search.next_url` on."""
    why: str = ""


def read_record(request: HookRequest, fetch: Fetch, optional_keys: Iterable[str] = ()) -> PatientRecord:
    """Return the record with what could not be read named in it; reads from the FHIR server only what is missing."""
    parts = [_given(request, key) for key in _TYPES]
    wanted = [part for part in parts if part.missing]
    if wanted:
        for part, pages in zip(wanted, fetch(request, [part.search for part in wanted]), strict=True):
            _take(part, pages)
    record = _record(request.patient_id, {part.search.key: part for part in parts})
    return replace(record, optional=tuple(_optional(request, optional_keys)))


def _optional(request: HookRequest, keys: Iterable[str]) -> Iterator[Json]:
    for key in keys:
        for bundle in members(request.prefetch.get(key)):
            for resource in resources_of(bundle):
                if resource.get("resourceType") == OPTIONAL[key] and is_of(request.patient_id, resource):
                    yield resource


def _given(request: HookRequest, key: str) -> _Part:
    """Read one prefetch value; the table of its states is in docs/integration.md."""
    part = _Part(Search(key, _TYPES[key], request.patient_id))
    value = request.prefetch.get(key, part)
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if value is None:
        return part
    if kind == "Bundle":
        return _bundle(part, value)
    if kind == "OperationOutcome":
        part.why = CLIENT_FAILED
    elif kind == part.search.resource_type:
        part.bundles.append({"entry": [{"resource": value}]})
    else:
        part.missing = True
    return part


def _bundle(part: _Part, bundle: Json) -> _Part:
    part.bundles.append(bundle)
    if _has_failed(bundle):
        part.why = CLIENT_FAILED
    elif url := next_page(bundle):
        part.search, part.missing = _onward(part.search, url), True
    return part


def _onward(search: Search, url: str) -> Search:
    return Search(search.key, search.resource_type, search.patient_id, url)


def next_page(bundle: Json) -> str:
    """Return the URL of the page after this one, or no text."""
    links = members(bundle.get("link"))
    return next((text_of(link.get("url")) for link in links if link.get("relation") == "next"), "")


def _has_failed(bundle: Json) -> bool:
    """Tell whether a Bundle says that its search failed: an OperationOutcome of severity error or fatal in it."""
    outcomes = (entry.get("resource") for entry in members(bundle.get("entry")))
    issues = (
        issue
        for outcome in members(list(outcomes))
        if outcome.get("resourceType") == "OperationOutcome"
        for issue in members(outcome.get("issue"))
    )
    return any(issue.get("severity") in ("error", "fatal") for issue in issues)


def _take(part: _Part, pages: Pages) -> None:
    part.bundles.extend(pages.bundles)
    failed = any(map(_has_failed, pages.bundles))
    part.why = pages.problem or (SERVER_FAILED if failed else "")


def _record(patient_id: str, parts: Mapping[str, _Part]) -> PatientRecord:
    kept: dict[str, tuple[Json, ...]] = {}
    skipped = other_patient = 0
    for key, part in parts.items():
        resources, odd = _resources(part)
        own = tuple(resource for resource in resources if is_of(patient_id, resource))
        kept[key], skipped, other_patient = own, skipped + odd, other_patient + len(resources) - len(own)
    unread = tuple(Unread(key, part.why, bool(part.bundles)) for key, part in parts.items() if part.why)
    return PatientRecord(
        kept["conditions"], kept["procedures"], unread=unread, skipped=skipped, other_patient=other_patient
    )


def _resources(part: _Part) -> tuple[list[Json], int]:
    """Return the resources of the type that was asked for, and how many entries could not be read."""
    resources: list[Json] = []
    odd = 0
    for entry in _entries(part.bundles):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or not text_of(resource.get("resourceType")):
            odd += 1
        elif resource["resourceType"] == part.search.resource_type:
            resources.append(resource)
    return resources, odd


def _entries(bundles: Iterable[Json]) -> Iterable[Any]:
    for bundle in bundles:
        entries = bundle.get("entry")
        yield from entries if isinstance(entries, list) else [] if entries is None else [entries]

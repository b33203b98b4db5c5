"""Step 3: the prefetch, and what `fetch` brings for what is missing of it -> PatientRecord."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from cds_service.decision.codings import is_of, members, resources_of, text_of
from cds_service.model import Fetch, HookRequest, Json, Pages, PatientRecord, Retrieval, Search, Unread
from cds_service.vocabulary import FetchFault, PrefetchState

_TYPES = {"conditions": "Condition", "procedures": "Procedure"}
"""The prefetch keys and what each holds; discovery advertises the same."""

OPTIONAL = {"allergies": "AllergyIntolerance", "devices": "Device", "egfr": "Observation"}
"""Keys that a site may advertise: taken as they are given, never fetched, never missed."""

KEYS = (*_TYPES, *OPTIONAL)
"""All keys that are looked at."""

CLIENT_FAILED = "the client could not read it"
_TO_FETCH = (PrefetchState.ABSENT, PrefetchState.UNREADABLE, PrefetchState.FIRST_PAGE)


@dataclass(slots=True)
class _Part:
    """What is known so far about one prefetch key."""

    search: Search
    state: PrefetchState
    bundles: list[Json] = field(default_factory=list)
    fault: FetchFault | None = None
    own: list[Json] = field(default_factory=list)
    odd: int = 0
    """Entries that could not be read."""
    other_patient: int = 0

    @property
    def missing(self) -> bool:
        """Tell whether it is to be fetched: all of it, or the pages from `search.next_url` on."""
        return self.state in _TO_FETCH

    @property
    def why(self) -> str:
        """Return why it is not complete, or no text where it is."""
        return CLIENT_FAILED if self.state is PrefetchState.FAILED else self.fault or ""


def read_record(request: HookRequest, fetch: Fetch, optional_keys: Iterable[str] = ()) -> PatientRecord:
    """Return the record with what could not be read named in it; reads from the FHIR server only what is missing."""
    parts = [_given(request, key) for key in _TYPES]
    wanted = [part for part in parts if part.missing]
    if wanted:
        for part, pages in zip(wanted, fetch(request, [part.search for part in wanted]), strict=True):
            _take(part, pages)
    states = {part.search.key: part.state for part in parts}
    states |= {key: _state(request.prefetch, key, OPTIONAL[key]) for key in optional_keys}
    retrieval = Retrieval(states, {part.search.key: part.fault for part in wanted})
    return _record(parts, tuple(_optional(request, optional_keys)), retrieval)


def _optional(request: HookRequest, keys: Iterable[str]) -> Iterator[Json]:
    for key in keys:
        for bundle in members(request.prefetch.get(key)):
            for resource in resources_of(bundle):
                if resource.get("resourceType") == OPTIONAL[key] and is_of(request.patient_id, resource):
                    yield resource


def _given(request: HookRequest, key: str) -> _Part:
    """Read one prefetch value; the table of its states is in docs/integration.md."""
    search, value = Search(key, _TYPES[key], request.patient_id), request.prefetch.get(key)
    part = _Part(search, _state(request.prefetch, key, search.resource_type))
    if part.state is PrefetchState.RESOURCE:
        part.bundles.append({"entry": [{"resource": value}]})
    elif isinstance(value, dict) and part.state in (
        PrefetchState.BUNDLE,
        PrefetchState.FIRST_PAGE,
        PrefetchState.FAILED,
    ):
        part.bundles.extend([value] if value.get("resourceType") == "Bundle" else [])
    if part.state is PrefetchState.FIRST_PAGE:
        part.search = search._replace(next_url=next_page(part.bundles[0]))
    return part


def _state(prefetch: Json, key: str, resource_type: str) -> PrefetchState:
    """Tell what the client sent for a key."""
    value = prefetch.get(key)
    if value is None:
        return PrefetchState.NULL if key in prefetch else PrefetchState.ABSENT
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if kind == "Bundle":
        return _state_of_bundle(value)
    known = {"OperationOutcome": PrefetchState.FAILED, resource_type: PrefetchState.RESOURCE}
    return known.get(kind, PrefetchState.UNREADABLE) if isinstance(kind, str) else PrefetchState.UNREADABLE


def _state_of_bundle(bundle: Json) -> PrefetchState:
    if _has_failed(bundle):
        return PrefetchState.FAILED
    if _total(bundle) > 0 and not _entries(bundle):
        return PrefetchState.UNREADABLE
    return PrefetchState.FIRST_PAGE if next_page(bundle) else PrefetchState.BUNDLE


def _total(bundle: Json) -> int:
    """Return how many matches a Bundle says that there are, 0 where it does not."""
    total = bundle.get("total")
    return total if isinstance(total, int) and not isinstance(total, bool) else 0


def next_page(bundle: Json) -> str:
    """Return the URL of the page after this one, or no text."""
    for link in members(bundle.get("link")):
        if link.get("relation") == "next":
            return text_of(link.get("url"))
    return ""


def _has_failed(bundle: Json) -> bool:
    """Tell whether a Bundle says that its search failed: an OperationOutcome of severity error or fatal in it."""
    for entry in members(bundle.get("entry")):
        resource = entry.get("resource")
        if isinstance(resource, dict) and resource.get("resourceType") == "OperationOutcome" and _is_grave(resource):
            return True
    return False


def _is_grave(outcome: Json) -> bool:
    return any(issue.get("severity") in ("error", "fatal") for issue in members(outcome.get("issue")))


def _take(part: _Part, pages: Pages) -> None:
    part.bundles.extend(pages.bundles)
    failed = any(map(_has_failed, pages.bundles))
    part.fault = pages.problem or (FetchFault.REPORTED if failed else None)


def _record(parts: list[_Part], optional: tuple[Json, ...], retrieval: Retrieval) -> PatientRecord:
    for part in parts:
        _sort(part)
    conditions, procedures = parts
    return PatientRecord(
        tuple(conditions.own),
        tuple(procedures.own),
        optional,
        tuple([Unread(part.search.key, part.why, bool(part.bundles)) for part in parts if part.why]),
        skipped=conditions.odd + procedures.odd,
        other_patient=conditions.other_patient + procedures.other_patient,
        not_sent=sum(map(_not_sent, parts)),
        retrieval=retrieval,
    )


def _not_sent(part: _Part) -> int:
    """Return how many entries the Bundles of a part count beyond those in them, where nothing says that more follow."""
    if part.why or not part.bundles or next_page(part.bundles[-1]):
        return 0
    total = max(map(_total, part.bundles))
    return max(0, total - sum(len(_entries(bundle)) for bundle in part.bundles)) if total else 0


def _sort(part: _Part) -> None:
    """Keep the patient's resources of the type that was asked for; count others' and what could not be read."""
    patient_id, resource_type = part.search.patient_id, part.search.resource_type
    for entry in chain.from_iterable(map(_entries, part.bundles)):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if resource is None or kind != resource_type:
            part.odd += not text_of(kind)
        elif is_of(patient_id, resource):
            part.own.append(resource)
        else:
            part.other_patient += 1


def _entries(bundle: Json) -> list[Any]:
    entries = bundle.get("entry")
    return entries if isinstance(entries, list) else [] if entries is None else [entries]

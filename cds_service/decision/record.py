"""Step 3: the prefetch, completed by `fetch` -> PatientRecord (CDS Hooks 2.0.1, Prefetch Template)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import Any

from cds_service.decision.fhir_fields import concepts_of, is_of, members, reference_of, resources_of, text_of
from cds_service.model import (
    MAIN_KEYS,
    OPTIONAL_KEYS,
    PREFETCH_KEYS,
    Fetch,
    FetchFault,
    HookRequest,
    Json,
    Pages,
    PatientRecord,
    PrefetchState,
    Retrieval,
    Search,
    Unread,
)

_NO_KEYS: Mapping[str, str] = MappingProxyType({})
_NO_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType({})

KEY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
"""A key's name that an analyst chose, and nothing longer."""

MAX_NAMED_KEYS = 20
"""How many of the client's prefetch keys are named."""

CLIENT_FAILED = "the client could not read it"
NOT_FETCHED = "it was not prefetched in full, and this service does not fetch it"
_TO_FETCH = (PrefetchState.ABSENT, PrefetchState.UNREADABLE, PrefetchState.FIRST_PAGE)


@dataclass(slots=True)
class _Part:
    """One prefetch key while it is read."""

    search: Search
    state: PrefetchState
    holds: str = ""
    """The optional key, the category of Conditions, or the key of which it is a part; empty for a main key itself."""
    bundles: list[Json] = field(default_factory=list)
    fault: FetchFault | None = None
    resources: list[Json] = field(default_factory=list)
    """Those of the patient, of the requested type."""
    unreadable: int = 0
    """Entries that could not be read."""
    other_patient: list[str] = field(default_factory=list)
    """References of entries that name another patient."""

    @property
    def is_main(self) -> bool:
        """Return whether it is always advertised: only then is it fetched, and needed."""
        return self.search.key in MAIN_KEYS

    @property
    def missing(self) -> bool:
        """Return whether all of it, or the pages from `search.next_url` on, were not prefetched."""
        return self.state in _TO_FETCH

    @property
    def unread_reason(self) -> str:
        """Return why the part is not complete, or no text where it is."""
        if self.state is PrefetchState.FAILED:
            return CLIENT_FAILED
        return NOT_FETCHED if self.missing and not self.is_main else self.fault or ""


def next_page(bundle: Json) -> str:
    """Return the URL of the page after this one, or no text."""
    for link in members(bundle.get("link")):
        if link.get("relation") == "next":
            return text_of(link.get("url"))
    return ""


def read_record(
    request: HookRequest,
    fetch: Fetch,
    optional_keys: Iterable[str] = (),
    condition_keys: Mapping[str, str] = _NO_KEYS,
    prefetch_parts: Mapping[str, tuple[str, ...]] = _NO_PARTS,
) -> PatientRecord:
    """Return the record, with the parts that could not be read; only what was not prefetched is fetched.

    `optional_keys` are those that the site turned on; `condition_keys` has the category of each key in place of
    `conditions`, where the site splits them; `prefetch_parts` has the names under which the parts of a key come.
    Nothing is raised: each part that is not complete is in `unread`.
    """
    names = {key: _names_of(request, key, prefetch_parts) for key in (*MAIN_KEYS, *optional_keys)}
    parts = list(_parts(request, names, condition_keys))
    to_fetch = [part for part in parts if part.is_main and part.missing]
    if to_fetch:
        for part, pages in zip(to_fetch, fetch(request, [part.search for part in to_fetch]), strict=True):
            _add_pages(part, pages)
    caution_keys = [key for key in names if key in OPTIONAL_KEYS and OPTIONAL_KEYS[key].is_caution]
    cautions = {key: tuple(_caution_resources(request, key, names[key])) for key in caution_keys}
    states = {part.search.key: part.state for part in parts}
    states |= {
        name: _state_of(request.prefetch, name, OPTIONAL_KEYS[key].resource_type)
        for key in cautions
        for name in names[key]
    }
    retrieval = Retrieval(states, {part.search.key: part.fault for part in to_fetch})
    ignored = sorted(key for key in request.prefetch.keys() - states if KEY_NAME.fullmatch(key))
    return _record(parts, cautions, retrieval)._replace(ignored_keys=tuple(ignored[:MAX_NAMED_KEYS]))


def with_own_keys(request: HookRequest, aliases: Mapping[str, str]) -> HookRequest:
    """Return the call with our names of prefetch keys: what came under an alias is, or joins, the value of the key.

    An empty Bundle under one name must not hide what came under the other.
    """
    renamed = {alias: key for key, alias in aliases.items() if alias in request.prefetch}
    if not renamed:
        return request
    prefetch = {name: value for name, value in request.prefetch.items() if name not in renamed}
    for alias, key in renamed.items():
        value = request.prefetch[alias]
        prefetch[key] = value if prefetch.get(key) is None else _joined(prefetch[key], value)
    return request._replace(prefetch=prefetch)


def _joined(value: Any, other: Any) -> Any:
    """Return two prefetch values as one Bundle, which is a failed one if either cannot be read in full."""
    if other is None:
        return value
    bundles = [_as_bundle(value), _as_bundle(other)]
    if all(map(next_page, bundles)):
        bundles[1] = _FAILED_BUNDLE
    return {
        "resourceType": "Bundle",
        "total": sum(map(_total_of, bundles)),
        "link": [link for bundle in bundles for link in members(bundle.get("link"))],
        "entry": [entry for bundle in bundles for entry in _entries_of(bundle)],
    }


_FAILED_BUNDLE: Json = {"entry": [{"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}}]}


def _as_bundle(value: Any) -> Json:
    """Return a prefetch value as a Bundle; one that cannot be read, or of which the client says so, has failed."""
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if kind == "Bundle":
        is_empty = _total_of(value) > 0 and not _entries_of(value)
        return _FAILED_BUNDLE if is_empty else value
    is_resource = isinstance(kind, str) and kind != "OperationOutcome"
    return {"entry": [{"resource": value}]} if is_resource else _FAILED_BUNDLE


def entry_counts(record: PatientRecord) -> dict[str, int]:
    """Return how many entries of the patient were read, by prefetch key: `{"conditions": 12, "procedures": 3, ...}`."""
    optional = {key: len(entries) for key, entries in record.optional.items()}
    return {"conditions": len(record.conditions), "procedures": len(record.procedures), **optional}


def _parts(
    request: HookRequest, names: Mapping[str, tuple[str, ...]], condition_keys: Mapping[str, str]
) -> Iterator[_Part]:
    """Yield the parts of the record: Conditions, Procedures, and the optional keys that are no cautions."""
    for key, its_names in names.items():
        prefetch_key = PREFETCH_KEYS[key]
        if key == "conditions" and condition_keys:
            for name, category in _keys_of_conditions(request, condition_keys).items():
                yield _part_of(request, name, prefetch_key.resource_type, category)
        elif not prefetch_key.is_caution:
            for name in its_names:
                holds = "" if name in MAIN_KEYS else key
                yield _part_of(request, name, prefetch_key.resource_type, holds)


def _names_of(request: HookRequest, key: str, prefetch_parts: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names under which a client sends a key: our own, or those of its parts.

    A client that sends our own name, which the site does not list, and none of the parts, follows discovery: all of the
    key is there. Beside a part it is one more, and each part that is absent is missed.
    """
    parts = prefetch_parts.get(key, ())
    if not parts or key in parts or key not in request.prefetch:
        return parts or (key,)
    return (key, *parts) if any(name in request.prefetch for name in parts) else (key,)


def _keys_of_conditions(request: HookRequest, condition_keys: Mapping[str, str]) -> Mapping[str, str]:
    """Return the keys of Conditions; a client that sends `conditions`, unasked, has them all there."""
    if "conditions" in condition_keys or "conditions" not in request.prefetch:
        return condition_keys
    return {"conditions": ""} | {key: holds for key, holds in condition_keys.items() if key in request.prefetch}


def _part_of(request: HookRequest, key: str, resource_type: str, holds: str = "") -> _Part:
    """Read one prefetch value; the table of its states is in docs/integration.md."""
    search, value = Search(key, resource_type, request.patient_id), request.prefetch.get(key)
    part = _Part(search, _state_of(request.prefetch, key, resource_type), holds)
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


def _state_of(prefetch: Json, key: str, resource_type: str) -> PrefetchState:
    """Return the state of a prefetch key: what the client sent for it."""
    value = prefetch.get(key)
    if value is None:
        return PrefetchState.NULL if key in prefetch else PrefetchState.ABSENT
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if kind == "Bundle":
        return _state_of_bundle(value, resource_type)
    known = {"OperationOutcome": PrefetchState.FAILED, resource_type: PrefetchState.RESOURCE}
    return known.get(kind, PrefetchState.UNREADABLE) if isinstance(kind, str) else PrefetchState.UNREADABLE


def _state_of_bundle(bundle: Json, resource_type: str) -> PrefetchState:
    if _has_failed(bundle):
        return PrefetchState.FAILED
    if (_total_of(bundle) > 0 and not _entries_of(bundle)) or _is_of_another_query(bundle, resource_type):
        return PrefetchState.UNREADABLE
    return PrefetchState.FIRST_PAGE if next_page(bundle) else PrefetchState.BUNDLE


def _is_of_another_query(bundle: Json, resource_type: str) -> bool:
    """Return whether a Bundle has resources, and none of the requested type: queries may be mixed up."""
    found = False
    for entry in members(bundle.get("entry")):
        resource = entry.get("resource")
        kind = text_of(resource.get("resourceType")) if isinstance(resource, dict) else ""
        if kind == resource_type:
            return False
        found = found or kind not in ("", "OperationOutcome")
    return found


def _has_failed(bundle: Json) -> bool:
    """Return whether the search of a Bundle failed: an OperationOutcome of severity error or fatal in it."""
    for entry in members(bundle.get("entry")):
        resource = entry.get("resource")
        if isinstance(resource, dict) and resource.get("resourceType") == "OperationOutcome" and _is_failure(resource):
            return True
    return False


def _is_failure(outcome: Json) -> bool:
    return any(issue.get("severity") in ("error", "fatal") for issue in members(outcome.get("issue")))


def _total_of(bundle: Json) -> int:
    """Return the total of a Bundle, 0 where it has none."""
    total = bundle.get("total")
    return total if isinstance(total, int) and not isinstance(total, bool) else 0


def _entries_of(bundle: Json) -> list[Any]:
    """Return the entries of a Bundle as they came."""
    entries = bundle.get("entry")
    return entries if isinstance(entries, list) else [] if entries is None else [entries]


def _add_pages(part: _Part, pages: Pages) -> None:
    part.bundles.extend(pages.bundles)
    failed = any(map(_has_failed, pages.bundles))
    part.fault = pages.problem or (FetchFault.REPORTED if failed else None)


def _caution_resources(request: HookRequest, key: str, names: tuple[str, ...]) -> Iterator[Json]:
    for bundle in chain.from_iterable(members(request.prefetch.get(name)) for name in names):
        for resource in resources_of(bundle):
            if resource.get("resourceType") == OPTIONAL_KEYS[key].resource_type and is_of(request.patient_id, resource):
                yield resource


def _record(parts: list[_Part], cautions: dict[str, tuple[Json, ...]], retrieval: Retrieval) -> PatientRecord:
    for part in parts:
        _sort_entries(part)
    conditions = [part for part in parts if part.search.resource_type == "Condition"]
    procedures = [part for part in parts if part.search.resource_type == "Procedure"]
    optional: dict[str, list[_Part]] = {}
    for part in parts:
        if part.holds in OPTIONAL_KEYS:
            optional.setdefault(part.holds, []).append(part)
    return PatientRecord(
        tuple(_without_duplicates(conditions)),
        tuple(_without_duplicates(procedures)),
        {key: tuple(map(as_procedure, _without_duplicates(its_parts))) for key, its_parts in optional.items()}
        | cautions,
        tuple(_unread(parts, conditions)),
        skipped=sum(part.unreadable for part in parts),
        other_patient=tuple(reference for part in parts for reference in part.other_patient),
        not_sent=sum(map(_not_sent, parts)),
        retrieval=retrieval,
    )


def _sort_entries(part: _Part) -> None:
    """Collect the patient's resources of the requested type; count those of others and those that are unreadable."""
    patient_id, resource_type = part.search.patient_id, part.search.resource_type
    for entry in chain.from_iterable(map(_entries_of, part.bundles)):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if resource is None or kind != resource_type:
            part.unreadable += not text_of(kind)
        elif is_of(patient_id, resource):
            part.resources.append(resource)
        else:
            part.other_patient.append(reference_of(resource))


def _without_duplicates(parts: list[_Part]) -> Iterator[Json]:
    """Yield the resources of parts of one type; one that comes under several keys, by its id, comes once."""
    if len(parts) == 1:
        yield from parts[0].resources
        return
    seen: set[str] = set()
    for part in parts:
        yield from (
            resource
            for resource in part.resources
            if not text_of(resource.get("id")) or reference_of(resource) not in seen
        )
        seen.update(map(reference_of, part.resources))


def as_procedure(entry: Json) -> Json:
    """Return an entry in the shape of a Procedure: the code of an Encounter is its type and its service."""
    if entry.get("resourceType") != "Encounter":
        return entry
    treated = [
        reference for diagnosis in members(entry.get("diagnosis")) for reference in members(diagnosis.get("condition"))
    ]
    return {
        **entry,
        "code": [*concepts_of(entry.get("type")), *concepts_of(entry.get("serviceType"))],
        "reasonReference": [*members(entry.get("reasonReference")), *treated],
    }


def _unread(parts: list[_Part], conditions: list[_Part]) -> Iterator[Unread]:
    """Yield the parts that are not complete.

    Each part of a main key is needed; of the categories of Conditions each only where none was read.
    """
    none_read = all(part.unread_reason and not part.resources for part in conditions)
    for part in parts:
        if part.unread_reason:
            is_needed = (
                part.is_main or part.holds in MAIN_KEYS or (none_read and part.search.resource_type == "Condition")
            )
            others_read = part.holds in MAIN_KEYS and _any_read(parts, part.search.resource_type)
            yield Unread(part.search.key, part.unread_reason, bool(part.bundles), is_needed, part.holds, others_read)


def _any_read(parts: list[_Part], resource_type: str) -> bool:
    """Return whether a part of a type was read, be it empty."""
    of_type = (part for part in parts if part.search.resource_type == resource_type)
    return any(part.bundles or not part.unread_reason for part in of_type)


def _not_sent(part: _Part) -> int:
    """Return how many entries the totals of a part count beyond those in its Bundles, if no next page follows."""
    if part.unread_reason or not part.bundles or next_page(part.bundles[-1]):
        return 0
    total = max(map(_total_of, part.bundles))
    return max(0, total - sum(len(_entries_of(bundle)) for bundle in part.bundles)) if total else 0

"""The reasons of a resource: its own concepts, and the resources that it refers to (contract section 4)."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice

from cds_service.decision.fhir_fields import is_of, members, reference_of, text_of
from cds_service.model import HookRequest, Json, PatientRecord

_REASON_CONCEPTS, _REASON_REFERENCES = ("reasonCode", "reasonCodeableConcept"), "reasonReference"
_REASONS = frozenset({*_REASON_CONCEPTS, _REASON_REFERENCES, "reason"})
_MAX_REASONS = 100
"""Reasons per resource that are read; real resources have fewer, and text takes time."""


class ReferenceResolver:
    """Finds what a reason refers to, by name, among this patient's drafts, prefetch and record.

    Few reasons refer to anything, so the names are gathered when the first is asked for.
    """

    def __init__(self, request: HookRequest | None = None, record: PatientRecord | None = None) -> None:
        self._request, self._record = request, record
        self._referred: set[int] = set()

    def get(self, name: str) -> Json | None:
        """Return the resource of a name, or None."""
        return self._resources_by_name.get(name)

    def mark_referred(self, resource: Json) -> None:
        """Note that a reason referred to a resource; another one may, too."""
        self._referred.add(id(resource))

    def is_referred(self, reason: Json) -> bool:
        """Return whether a reason is a resource that was referred to; those live as long as the call does."""
        return id(reason) in self._referred

    @cached_property
    def _resources_by_name(self) -> dict[str, Json]:
        read = (*self._record.conditions, *self._record.procedures) if self._record else ()
        named = _prefetched(self._request) if self._request else {}
        return named | {reference_of(resource): resource for resource in read}


def reasons(resource: Json, references: ReferenceResolver) -> Iterator[Json]:
    """Yield each reason in the shape of a Condition: its concept, what it refers to, or nothing that can be read."""
    return iter(()) if _REASONS.isdisjoint(resource) else islice(_reasons(resource, references), _MAX_REASONS)


def referenced_names(resource: Json) -> Iterator[str]:
    """Yield the name of each resource that a reason of this one refers to, as `Type/id`."""
    for reason in _reason_members(resource):
        for target in members(reason.get("reference")):
            yield _name_in(text_of(target.get("reference")))


def _name_in(reference: str) -> str:
    """Return the `Type/id` that a reference ends with."""
    return "/".join(reference.split("/_history/", maxsplit=1)[0].split("/")[-2:])


def _prefetched(request: HookRequest) -> dict[str, Json]:
    """Return this patient's resources among the drafts and in the prefetch, whatever their key, by all their names."""
    prefetched = (bundle for value in request.prefetch.values() for bundle in members(value))
    return {
        name: resource
        for bundle in (request.drafts, *prefetched)
        for entry in members(bundle.get("entry"))
        for resource in members(entry.get("resource"))
        if is_of(request.patient_id, resource)
        for name in _names(entry, resource)
    }


def _names(entry: Json, resource: Json) -> tuple[str, ...]:
    """Return the names by which a reason may refer to an entry: `Type/id`, and a fullUrl that is a URN."""
    full_url = text_of(entry.get("fullUrl"))
    return (reference_of(resource), full_url) if full_url.startswith("urn:") else (reference_of(resource),)


def _reasons(resource: Json, references: ReferenceResolver) -> Iterator[Json]:
    within = _ResourceReferences(resource, references)
    for reason in _reason_members(resource):
        concepts, targets = members(reason.get("concept")), members(reason.get("reference"))
        yield from ({"code": concept} for concept in concepts)
        yield from map(within.resolve, targets)
        if not concepts and not targets:
            yield {}


class _ResourceReferences:
    """Resolves the references in one resource: to contained resources, or to those known by name."""

    def __init__(self, resource: Json, references: ReferenceResolver) -> None:
        self._resource, self._references = resource, references

    def resolve(self, reference: Json) -> Json:
        """Return the referenced resource; if it is not available, the display of the reference as a reason in text."""
        referenced = self._resolve(text_of(reference.get("reference")))
        if referenced is None:
            return {"code": {"text": reference.get("display")}}
        self._references.mark_referred(referenced)
        return referenced

    def _resolve(self, reference: str) -> Json | None:
        if reference.startswith("#"):
            return self._contained.get(reference[1:])
        return self._references.get(_name_in(reference))

    @cached_property
    def _contained(self) -> dict[str, Json]:
        """By id; of two with one id the first counts."""
        contained = reversed(members(self._resource.get("contained")))
        return {own_id: resource for resource in contained if isinstance(own_id := resource.get("id"), str)}


def _reason_members(resource: Json) -> Iterator[Json]:
    """Yield the reasons as R5 has them: concept and reference in one; up to R4 each is a member of its own."""
    for name in _REASON_CONCEPTS:
        for concept in members(resource.get(name)):
            yield {"concept": concept}
    for reference in members(resource.get(_REASON_REFERENCES)):
        yield {"reference": reference}
    yield from members(resource.get("reason"))

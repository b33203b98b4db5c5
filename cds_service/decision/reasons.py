"""What a resource gives as its reasons: concepts of its own, and the resources that it refers to."""

from collections.abc import Iterator
from functools import cached_property

from cds_service.decision.codings import is_of, members, reference_of, text_of
from cds_service.model import HookRequest, Json, PatientRecord


class Known:
    """What a reason may refer to: this patient's drafts, prefetch and record, by name.

    Few reasons refer to anything, so the names are gathered when the first is asked for.
    """

    def __init__(self, request: HookRequest | None = None, record: PatientRecord | None = None) -> None:
        self._request, self._record = request, record

    def get(self, name: str) -> Json | None:
        """Return the resource of a name, or None."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Json]:
        read = (*self._record.conditions, *self._record.procedures) if self._record else ()
        named = _prefetched(self._request) if self._request else {}
        return named | {reference_of(resource): resource for resource in read}


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
    """Return what a reason may call the resource of an entry: `Type/id`, and its fullUrl where that is no address."""
    full_url = text_of(entry.get("fullUrl"))
    return (reference_of(resource), full_url) if full_url.startswith("urn:") else (reference_of(resource),)


def reasons(resource: Json, known: Known) -> Iterator[Json]:
    """Yield each reason in the shape of a Condition: its concept, what it refers to, or nothing that can be read."""
    for given in _given(resource):
        concepts, references = members(given.get("concept")), members(given.get("reference"))
        yield from ({"code": concept} for concept in concepts)
        yield from (_referred(reference, resource, known) for reference in references)
        if not concepts and not references:
            yield {}


def _given(resource: Json) -> Iterator[Json]:
    """Yield the reasons as R5 has them: concept and reference in one; up to R4 each is a member of its own."""
    for name in ("reasonCode", "reasonCodeableConcept"):
        yield from ({"concept": concept} for concept in members(resource.get(name)))
    yield from ({"reference": reference} for reference in members(resource.get("reasonReference")))
    yield from members(resource.get("reason"))


def _referred(reference: Json, resource: Json, known: Known) -> Json:
    """Return what is referred to; where that is not at hand, the display of the reference as a reason in words."""
    found = _resolve(text_of(reference.get("reference")), resource, known)
    return {"code": {"text": reference.get("display")}} if found is None else found


def _resolve(reference: str, resource: Json, known: Known) -> Json | None:
    if reference.startswith("#"):
        contained = members(resource.get("contained"))
        return next((one for one in contained if one.get("id") == reference[1:]), None)
    parts = reference.split("/_history/", maxsplit=1)[0].split("/")
    return known.get("/".join(parts[-2:]))

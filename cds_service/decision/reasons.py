"""What a resource gives as its reasons: concepts of its own, and the resources that it refers to."""

from collections.abc import Iterable, Iterator, Mapping

from cds_service.decision.codings import is_of, members, reference_of, resources_of, text_of
from cds_service.model import HookRequest, Json


def by_reference(resources: Iterable[Json]) -> dict[str, Json]:
    """Return resources by their `Type/id`, for looking up what a reason refers to."""
    return {reference_of(resource): resource for resource in resources}


def at_hand(request: HookRequest) -> dict[str, Json]:
    """Return this patient's resources among the drafts and in the prefetch, whatever their key."""
    bundles = (bundle for value in request.prefetch.values() for bundle in members(value))
    prefetched = (resource for bundle in bundles for resource in resources_of(bundle))
    return by_reference(one for one in [*request.drafted, *prefetched] if is_of(request.patient_id, one))


def reasons(resource: Json, known: Mapping[str, Json]) -> Iterator[Json]:
    """Yield each reason in the shape of a Condition: of a reasonCode its code, else what a reasonReference names."""
    for concept in members(resource.get("reasonCode")):
        yield {"code": concept}
    for reference in members(resource.get("reasonReference")):
        referred = _resolve(text_of(reference.get("reference")), resource, known)
        if referred:
            yield referred


def _resolve(reference: str, resource: Json, known: Mapping[str, Json]) -> Json | None:
    if reference.startswith("#"):
        contained = members(resource.get("contained"))
        return next((one for one in contained if one.get("id") == reference[1:]), None)
    parts = reference.split("/_history/", maxsplit=1)[0].split("/")
    return known.get("/".join(parts[-2:]))

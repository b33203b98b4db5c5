"""What a resource gives as its reasons: concepts of its own, and the resources that it refers to."""

from collections.abc import Iterable, Iterator, Mapping

from cds_service.decision.codings import members, reference_of, text_of
from cds_service.model import Json


def by_reference(resources: Iterable[Json]) -> dict[str, Json]:
    """Return resources by their `Type/id`, for looking up what a reason refers to."""
    return {reference_of(resource): resource for resource in resources}


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

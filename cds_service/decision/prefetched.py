"""What a client sent for one prefetch key, and the pages of a search: what a Bundle has, and what it says it has."""

from typing import Any

from cds_service.decision.codings import members, text_of
from cds_service.model import Json
from cds_service.vocabulary import PrefetchState


def state_of(prefetch: Json, key: str, resource_type: str) -> PrefetchState:
    """Tell what the client sent for a key."""
    value = prefetch.get(key)
    if value is None:
        return PrefetchState.NULL if key in prefetch else PrefetchState.ABSENT
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if kind == "Bundle":
        return _of_bundle(value)
    known = {"OperationOutcome": PrefetchState.FAILED, resource_type: PrefetchState.RESOURCE}
    return known.get(kind, PrefetchState.UNREADABLE) if isinstance(kind, str) else PrefetchState.UNREADABLE


def _of_bundle(bundle: Json) -> PrefetchState:
    if has_failed(bundle):
        return PrefetchState.FAILED
    if total_of(bundle) > 0 and not entries_of(bundle):
        return PrefetchState.UNREADABLE
    return PrefetchState.FIRST_PAGE if next_page(bundle) else PrefetchState.BUNDLE


def total_of(bundle: Json) -> int:
    """Return how many matches a Bundle says that there are, 0 where it does not."""
    total = bundle.get("total")
    return total if isinstance(total, int) and not isinstance(total, bool) else 0


def next_page(bundle: Json) -> str:
    """Return the URL of the page after this one, or no text."""
    for link in members(bundle.get("link")):
        if link.get("relation") == "next":
            return text_of(link.get("url"))
    return ""


def has_failed(bundle: Json) -> bool:
    """Tell whether a Bundle says that its search failed: an OperationOutcome of severity error or fatal in it."""
    for entry in members(bundle.get("entry")):
        resource = entry.get("resource")
        if isinstance(resource, dict) and resource.get("resourceType") == "OperationOutcome" and _is_grave(resource):
            return True
    return False


def _is_grave(outcome: Json) -> bool:
    return any(issue.get("severity") in ("error", "fatal") for issue in members(outcome.get("issue")))


def entries_of(bundle: Json) -> list[Any]:
    """Return the entries of a Bundle as they came."""
    entries = bundle.get("entry")
    return entries if isinstance(entries, list) else [] if entries is None else [entries]

"""The missing parts of a record, read from the client's FHIR server: all searches in parallel, page by page.

FHIR R4, "Search" (POST [type]/_search, with GET where a server lacks it) and "Paging" (links with relation `next`).
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cds_service.decision.record import next_page
from cds_service.egress_policy import Deadline, FetchLimits, HttpClientError, resolve_link, within
from cds_service.model import Fetch, FetchFault, HookRequest, Pages, Search

if TYPE_CHECKING:
    from cds_service.http_client import HttpClient

_POST_UNSUPPORTED = (404, 405, 415, 501)
"""The statuses of servers that do not support POST _search."""
_NO_ACCESS = (401, 403)
_THREAD_PREFIX = "fhir-search"
_GRACE = 0.2
"""Seconds after the deadline in which a search can still end by itself."""


@dataclass(slots=True)
class _Result:
    """The pages of one search so far, and the fault that ended it."""

    bundles: list[dict[str, Any]] = field(default_factory=list)
    fault: FetchFault | None = None
    seconds: float = 0.0


def fetcher(servers: Sequence[str], limits: FetchLimits) -> Fetch:
    """Return a function that runs searches on a call's FHIR server, where `servers` allows that server.

    It raises nothing: each search returns the pages that were read, and the fault that ended it early.
    """

    def fetch(request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
        fault = _refusal(request, servers)
        if fault:
            return [Pages((), fault) for _ in searches]
        deadline, results = Deadline(limits.seconds), [_Result() for _ in searches]
        pool = ThreadPoolExecutor(len(searches), _THREAD_PREFIX)
        futures = [
            pool.submit(_search, result, request, search, deadline, limits)
            for result, search in zip(results, searches, strict=True)
        ]
        pool.shutdown(wait=False)
        wait(futures, limits.seconds + _GRACE)
        return [_pages(result, future, limits) for result, future in zip(results, futures, strict=True)]

    return fetch


def _refusal(request: HookRequest, servers: Sequence[str]) -> FetchFault | None:
    """Return why a call's FHIR server is not read, or None where it is allowed."""
    server = request.fhir_server
    if not server:
        return FetchFault.NO_SERVER
    is_allowed = any(within(server, allowed) for allowed in servers) and "?" not in server and "#" not in server
    return None if is_allowed else FetchFault.NOT_LISTED


def _search(result: _Result, request: HookRequest, search: Search, deadline: Deadline, limits: FetchLimits) -> None:
    from cds_service.http_client import HttpClient  # noqa: PLC0415 - slow to load, and often not needed

    client, began = HttpClient(request.access_token, deadline, limits), perf_counter()
    try:
        _read_pages(result, client, request.fhir_server or "", search, limits)
    except HttpClientError as error:
        result.fault = error.fault
    finally:
        client.close()
        result.seconds = perf_counter() - began


def _pages(result: _Result, future: Future[None], limits: FetchLimits) -> Pages:
    """Return what was read so far: a DNS look-up, unlike a response, cannot be cancelled, and is not waited for."""
    if not future.done():
        return Pages(tuple(result.bundles), FetchFault.TOO_SLOW, limits.seconds + _GRACE)
    future.result()
    return Pages(tuple(result.bundles), result.fault, result.seconds)


def _read_pages(result: _Result, client: "HttpClient", server: str, search: Search, limits: FetchLimits) -> None:
    """Read the pages of a search, from the first or from the link where the client's prefetch ended."""
    page = f"{server.rstrip('/')}/{search.resource_type}"
    link = search.next_url
    if link is None:
        link = _add_page(result, *_first_page(client, page, search))
    while link:
        page = resolve_link(link, page)
        if len(result.bundles) >= limits.pages:
            result.fault = FetchFault.TOO_MANY_PAGES
        elif not within(page, server):
            result.fault = FetchFault.OUTSIDE
        else:
            link = _add_page(result, *client.get(page))
            continue
        return


def _first_page(client: "HttpClient", url: str, search: Search) -> tuple[int, Any]:
    """Return the status and the Bundle of the first page; its links are relative to `url`, by POST as by GET."""
    status, bundle = client.post_form(f"{url}/_search", {"patient": search.patient_id})
    if status in _POST_UNSUPPORTED:
        status, bundle = client.get(f"{url}?patient={search.patient_id}")
    return status, bundle


def _add_page(result: _Result, status: int, bundle: Any) -> str:
    """Add a page and return its link to the next, or no text after the last page or a fault."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        refused = FetchFault.REFUSED if status in _NO_ACCESS else FetchFault.NOT_ANSWERED
        result.fault = FetchFault.NOT_A_BUNDLE if bundle is not None else refused
        return ""
    result.bundles.append(bundle)
    return next_page(bundle)

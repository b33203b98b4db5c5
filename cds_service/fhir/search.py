"""What is missing of a record, read from the client's FHIR server: both searches at once, page by page."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service.decision.record import next_page
from cds_service.egress_policy import Deadline, FetchLimits, HttpClientError, resolve_link, within
from cds_service.model import Fetch, FetchFault, HookRequest, Pages, Search

if TYPE_CHECKING:
    from cds_service.http_client import HttpClient

_NO_POST = (404, 405, 415, 501)
"""A server that does not take POST _search says so by one of these."""
_NO_ACCESS = (401, 403)
_THREADS = "fhir-search"
"""How their names begin."""
_GRACE = 0.2
"""Seconds after the deadline in which a search may still say itself that it is over."""


@dataclass(slots=True)
class _Read:
    """The pages of one search so far."""

    bundles: list[dict[str, Any]] = field(default_factory=list)
    problem: FetchFault | None = None


def fetcher(servers: Sequence[str], limits: FetchLimits) -> Fetch:
    """Return a function that reads searches from a call's FHIR server, if `servers` lists it."""

    def fetch(request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
        problem = _refusal(request, servers)
        if problem:
            return [Pages((), problem) for _ in searches]
        clock, reads = Deadline(limits.seconds), [_Read() for _ in searches]
        pool = ThreadPoolExecutor(len(searches), _THREADS)
        running = [
            pool.submit(_search, read, request, search, clock, limits)
            for read, search in zip(reads, searches, strict=True)
        ]
        pool.shutdown(wait=False)
        wait(running, limits.seconds + _GRACE)
        return [_pages(read, one) for read, one in zip(reads, running, strict=True)]

    return fetch


def _refusal(request: HookRequest, servers: Sequence[str]) -> FetchFault | None:
    if not request.fhir_server:
        return FetchFault.NO_SERVER
    allowed = any(within(request.fhir_server, server) for server in servers)
    return (
        None if allowed and "?" not in request.fhir_server and "#" not in request.fhir_server else FetchFault.NOT_LISTED
    )


def _search(read: _Read, request: HookRequest, search: Search, clock: Deadline, limits: FetchLimits) -> None:
    from cds_service.http_client import HttpClient  # noqa: PLC0415 - slow, and many a service never asks

    outbound = HttpClient(request.access_token, clock, limits)
    try:
        _read_pages(read, outbound, request.fhir_server or "", search, limits)
    except HttpClientError as error:
        read.problem = error.fault
    finally:
        outbound.close()


def _pages(read: _Read, search: Future[None]) -> Pages:
    """Return what was read; a name service, unlike a FHIR server, cannot be hung up on, so it is not waited for."""
    if not search.done():
        return Pages(tuple(read.bundles), FetchFault.TOO_SLOW)
    search.result()
    return Pages(tuple(read.bundles), read.problem)


def _read_pages(read: _Read, outbound: "HttpClient", server: str, search: Search, limits: FetchLimits) -> None:
    page = f"{server.rstrip('/')}/{search.resource_type}"
    link = search.next_url
    if link is None:
        link = _take(read, *_first_page(outbound, page, search))
    while link:
        page = resolve_link(link, page)
        if len(read.bundles) >= limits.pages:
            read.problem = FetchFault.TOO_MANY_PAGES
        elif not within(page, server):
            read.problem = FetchFault.OUTSIDE
        else:
            link = _take(read, *outbound.get(page))
            continue
        return


def _first_page(outbound: "HttpClient", url: str, search: Search) -> tuple[int, Any]:
    """Read the first page; its links are relative to `url`, whichever way it was searched."""
    status, bundle = outbound.post_form(f"{url}/_search", {"patient": search.patient_id})
    if status in _NO_POST:
        status, bundle = outbound.get(f"{url}?patient={search.patient_id}")
    return status, bundle


def _take(read: _Read, status: int, bundle: Any) -> str:
    """Keep one page and return its link to the next, or no text after the last or a fault."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        refused = FetchFault.REFUSED if status in _NO_ACCESS else FetchFault.NOT_ANSWERED
        read.problem = FetchFault.NOT_A_BUNDLE if bundle is not None else refused
        return ""
    read.bundles.append(bundle)
    return next_page(bundle)

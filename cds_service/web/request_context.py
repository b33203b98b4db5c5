"""The context of one request; for a request that Flask answers, it is in Flask's `g`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from types import MappingProxyType
from typing import Any, NamedTuple

from flask import abort, g, request

from cds_service.auth import Principal
from cds_service.model import Decision, Fetch, HookRequest, Pages, Retrieval, Search
from cds_service.web.dialects import Answer


class Interval(NamedTuple):
    """A part of a request: when it began and ended, in seconds since the request began, and words of ours about it."""

    name: str
    began: float
    ended: float
    details: Mapping[str, str | int] = MappingProxyType({})
    is_remote: bool = False
    """Another server worked meanwhile."""


class Stopwatch:
    """Measures the phases of one request, which is in one phase at a time, or in none."""

    timeline: list[Interval] | None = None
    """Its phases and their parts, where the request is traced."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = self._since = perf_counter()
        self._phase = ""

    def enter(self, phase: str) -> None:
        """End the current phase, and begin another."""
        now = perf_counter()
        if self._phase:
            self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._since
            if self.timeline is not None:
                self.timeline.append(Interval(self._phase, self._since - self._began, now - self._began))
        self._phase, self._since = phase, now

    def stop(self) -> dict[str, float]:
        """End the request and return the seconds of each phase, and of all in `total`."""
        self.enter("")
        self.seconds["total"] = self._since - self._began
        return self.seconds

    def around(self, fetch: Fetch) -> Fetch:
        """Return a fetch that is a phase of its own within the one that it is called in."""

        def fetched(request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
            outer = self._phase
            self.enter("fetch")
            try:
                results = fetch(request, searches)
                self._note(searches, results)
                return results
            finally:
                self.enter(outer)

        return fetched

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note a part of the current phase, where the request is traced."""
        began = perf_counter()
        try:
            yield
        finally:
            if self.timeline is not None:
                interval = Interval(name, began - self._began, perf_counter() - self._began, is_remote=True)
                self.timeline.append(interval)

    def _note(self, searches: Sequence[Search], results: Sequence[Pages]) -> None:
        """Note each search of the phase that ends, where the request is traced: they began together."""
        if self.timeline is None:
            return
        began = self._since - self._began
        for search, pages in zip(searches, results, strict=True):
            outcome = pages.problem.label if pages.problem else "read"
            details: dict[str, str | int] = {"key": search.key, "outcome": outcome, "pages": len(pages.bundles)}
            self.timeline.append(Interval("search", began, began + pages.seconds, details, is_remote=True))


JSON = "application/json"
CONTEXT = "plexus_cds.context"
"""The context of a request that Flask answers, in its environment."""

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class RequestContext:
    """One request and what guards, view and after-request hooks learn of it; what is not known yet is empty.

    It knows nothing of Flask, so that the fast path can use it. A plain class with its defaults on it: each request
    makes one, and most set few attributes.
    """

    service = "unknown"
    hook = "unknown"
    client = ""
    """The issuer of a client of the clients file, or the playground."""
    principal: Principal | None = None
    user_id = ""
    """The user of a call with a card, where the site hides dismissed cards; only a keyed hash of it is stored."""
    decision: Decision | None = None
    answer: Answer | None = None
    retrieval: Retrieval | None = None
    fault = ""
    """The member for which the body is no call of the hook, and what is wrong with it."""
    outcome = ""
    """Set for a request that a guard refused; otherwise the outcome follows from status and decision."""
    reports: Mapping[str, int] = _EMPTY
    """How many reports of feedback were stored, by their outcome."""
    is_logged = False
    """It has a log line already."""
    traceparent = ""
    """The caller's trace (W3C Trace Context), where the request is traced."""
    holds_slot = False
    """It counts among the requests in progress."""

    def __init__(self, environ: dict[str, Any], method: str, path: str, blueprint: str | None) -> None:
        self.environ, self.method, self.path, self.blueprint = environ, method, path, blueprint
        self.stopwatch = Stopwatch()


class RawResponse(NamedTuple):
    """An HTTP response that knows nothing of Flask."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = _EMPTY


def begin_request() -> None:
    """Create the context of the request that Flask begins to answer; a path must start with one slash.

    werkzeug drops a second one, but a proxy, and the audience of a token, have another path then. A request without a
    path (`GET localhost:443`) it redirects to the host that the client names.
    """
    context = RequestContext(request.environ, request.method, request.path, request.blueprint)
    g.request_context = request.environ[CONTEXT] = context
    path = request.environ["PATH_INFO"]
    if not path.startswith("/") or path.startswith("//"):
        abort(404)


def current_request() -> RequestContext:
    """Return the context of the request that Flask answers at this moment."""
    context: RequestContext = g.request_context
    return context

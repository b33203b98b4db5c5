"""The call that Flask answers at this moment; it is in Flask's `g`."""

from collections.abc import Mapping, Sequence
from time import perf_counter
from types import MappingProxyType
from typing import Any, NamedTuple

from flask import g, request

from cds_service.auth import Principal
from cds_service.model import Decision, Fetch, HookRequest, Pages, Retrieval, Search


class Stopwatch:
    """Measures one call, which is in one phase at a time, or in none."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = self._since = perf_counter()
        self._phase = ""

    def enter(self, phase: str) -> None:
        """End the phase that the call is in, and begin another."""
        now = perf_counter()
        if self._phase:
            self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._since
        self._phase, self._since = phase, now

    def stop(self) -> dict[str, float]:
        """End the call and return the seconds of each phase that it went through, and of all in `total`."""
        self.enter("")
        self.seconds["total"] = self._since - self._began
        return self.seconds

    def around(self, fetch: Fetch) -> Fetch:
        """Return a fetch that is a phase of its own within the one that it is called in."""

        def fetched(request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
            outer = self._phase
            self.enter("fetch")
            try:
                return fetch(request, searches)
            finally:
                self.enter(outer)

        return fetched


JSON = "application/json"
_NONE: Mapping[str, Any] = MappingProxyType({})


class RequestContext:
    """What the doors, the view and the notes of one request hand on; what is not known yet is empty.

    A plain class with its defaults on it: each call makes one, and most set little of it.
    """

    service = "unknown"
    hook = "unknown"
    client = ""
    """The issuer of a client of the clients file, or the playground."""
    caller: Principal | None = None
    decision: Decision | None = None
    retrieval: Retrieval | None = None
    outcome = ""
    """The word for a call that was refused at a door; of the others, status and decision tell it."""
    reports: Mapping[str, int] = _NONE
    """How many reports of feedback were kept, by their outcome."""
    has_own_line = False
    """It was logged already."""
    has_place = False
    """It is among those that are worked on at once."""

    def __init__(self, environ: dict[str, Any], method: str, path: str, blueprint: str | None) -> None:
        self.environ, self.method, self.path, self.blueprint = environ, method, path, blueprint
        self.stopwatch = Stopwatch()


class Answer(NamedTuple):
    """What goes out, whoever sends it."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = _NONE


def begin_call() -> None:
    """Begin the call."""
    g.call = RequestContext(request.environ, request.method, request.path, request.blueprint)


def this_call() -> RequestContext:
    """Return the call."""
    found: RequestContext = g.call
    return found

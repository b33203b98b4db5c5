"""How long each phase of a call takes; the clock is the web's, as a decision has none."""

from collections.abc import Sequence
from time import perf_counter

from cds_service.model import Fetch, HookRequest, Pages, Search


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

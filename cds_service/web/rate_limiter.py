"""How much clients may ask, at once and in a minute: whoever asks for more is told so at once, and when to come back.

This is the only door to throttled. Its counts are this process's own: each worker has the whole of every limit.
"""

from collections.abc import Callable
from functools import cache
from math import ceil
from queue import Empty, SimpleQueue

from throttled import BaseRateLimiter, MemoryStore, RateLimiterType, Throttled, per_min

from cds_service.clock import Clock
from cds_service.errors import Overloaded, TooManyCalls
from cds_service.logs import LogThrottle
from cds_service.web.request_context import RequestContext

_PROBES = ("/livez", "/readyz", "/metrics")
"""An operator must see an overload from outside."""

_CLIENTS = 4096
"""Clients, or addresses of unknown ones, that are counted at the same time; the one that was quiet longest goes."""


_EVENTS = {"overloaded": "overloaded", "throttled": "rate_limited"}
"""The log's word for an outcome."""

_LOT, _LOTS = 10, 600
"""To count each call by itself would take longer than deciding on most: ten are, for who may make so many in 0.1 s."""


class ConcurrencyLimiter:
    """Lets so many requests be worked on at once, and refuses others unread; probes are always answered."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()  # a semaphore is Python code, and each call needs it twice
        self._log_throttle = LogThrottle(clock)
        for _ in range(most):
            self._free.put(None)

    def enter(self, call: RequestContext) -> None:
        """Take a place, or raise Overloaded."""
        if call.path in _PROBES:
            return
        try:
            self._free.get_nowait()
        except Empty:
            _log(call, self._log_throttle, "overloaded", 503)
            raise Overloaded from None
        call.has_place = True

    def leave(self, call: RequestContext) -> None:
        """Give the place back, if there was one."""
        if call.has_place:
            call.has_place = False
            self._free.put(None)


def calls_per_minute(most: int, clock: Clock) -> Callable[[RequestContext], None]:
    """Return a door that lets each client through so often; a client of the clients file may have its own number.

    0 is without a limit.

    A client that was quiet for a minute may use the whole of one at once, and gets it back evenly.
    """
    store, log_throttle = MemoryStore(options={"MAX_SIZE": _CLIENTS}), LogThrottle(clock)
    lots: dict[str, int] = {}  # the calls that each client may still make before the store is asked again

    @cache
    def limiter(calls: int) -> BaseRateLimiter:
        return Throttled(using=RateLimiterType.GCRA.value, quota=per_min(calls, burst=calls), store=store).limiter

    def count(call: RequestContext) -> None:
        if not call.path.startswith("/cds-services") or call.method == "OPTIONS":
            return
        caller = call.caller
        calls = (caller and caller.calls_per_minute) or most
        if not calls:
            return
        key = f"client {caller.issuer}" if caller else f"address {call.environ.get('REMOTE_ADDR')}"
        if ready := lots.get(key):
            lots[key] = ready - 1
            return
        lot = max(1, min(_LOT, calls // _LOTS))
        result = limiter(calls).limit(key, lot)
        if result.limited and lot > 1:
            lot, result = 1, limiter(calls).limit(key)
        if result.limited:
            _log(call, log_throttle, "throttled", 429)
            raise TooManyCalls(ceil(result.state.retry_after))
        if len(lots) >= _CLIENTS:
            lots.clear()
        lots[key] = lot - 1

    return count


def _log(call: RequestContext, log_throttle: LogThrottle, outcome: str, status: int) -> None:
    """Log a refusal now and then; the call gets no other line."""
    call.has_own_line, call.outcome = True, outcome
    log_throttle.log(_EVENTS[outcome], client=call.client, status=status)

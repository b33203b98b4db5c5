"""Limits on calls in progress and on calls per minute: a call beyond them is refused at once, with a Retry-After.

Counts are kept in memory by each worker process, so each worker applies the whole of every limit.
"""

from collections import OrderedDict
from threading import BoundedSemaphore, Lock
from time import monotonic_ns

from cds_service.clock import Clock
from cds_service.errors import Overloaded, TooManyCalls
from cds_service.logs import LogThrottle
from cds_service.web.request_context import RequestContext

_PROBES = ("/livez", "/readyz", "/metrics")
"""An operator must see an overload from outside."""

_MAX_CLIENTS = 4096
"""Clients (or IP addresses, without clients) that are counted; beyond, the least recently seen is forgotten."""

_EVENTS = {"overloaded": "overloaded", "throttled": "rate_limited"}
"""The log's event for each outcome."""

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
"""Nanoseconds."""


class ConcurrencyLimiter:
    """Limits the requests in progress and refuses others before their body is read; probes are always answered."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._slots = BoundedSemaphore(limit)
        self._log_throttle = LogThrottle(clock)

    def acquire(self, context: RequestContext) -> None:
        """Take a slot, or raise Overloaded."""
        if context.path in _PROBES:
            return
        if not self._slots.acquire(blocking=False):
            _log_refusal(context, self._log_throttle, "overloaded", 503)
            raise Overloaded
        context.holds_slot = True

    def release(self, context: RequestContext) -> None:
        """Release the slot of a request that holds one."""
        if context.holds_slot:
            context.holds_slot = False
            self._slots.release()


class RateLimiter:
    """Guard that limits the calls of each client per minute; a client of the clients file may have its own limit.

    A token bucket, kept as the time at which it is full again (GCRA): a client that was quiet for a minute may make a
    whole minute's calls at once, and gets them back evenly. A limit of 0 is no limit.
    """

    def __init__(self, calls_per_minute: int, clock: Clock) -> None:
        self._calls_per_minute = calls_per_minute
        self._log_throttle = LogThrottle(clock)
        self._lock = Lock()
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def __call__(self, context: RequestContext) -> None:
        """Count a call, or raise TooManyCalls with the seconds after which the next one is allowed."""
        if not context.path.startswith("/cds-services") or context.method == "OPTIONS":
            return
        principal = context.principal
        limit = (principal and principal.calls_per_minute) or self._calls_per_minute
        if not limit:
            return
        client = f"client {principal.issuer}" if principal else f"address {context.environ.get('REMOTE_ADDR')}"
        wait = self._take(client, _MINUTE // limit)
        if wait > 0:
            _log_refusal(context, self._log_throttle, "throttled", 429)
            raise TooManyCalls(-(-wait // _SECOND))

    def _take(self, client: str, interval: int) -> int:
        """Take a call from a client's bucket, or return the nanoseconds until it has one; 0 or less: taken."""
        with self._lock:
            now = monotonic_ns()
            full_at = max(now, self._full_at.get(client, now)) + interval
            wait = full_at - now - _MINUTE
            if wait <= 0:
                self._full_at[client] = full_at
                self._full_at.move_to_end(client)
                if len(self._full_at) > _MAX_CLIENTS:
                    self._full_at.popitem(last=False)
            return wait


def _log_refusal(context: RequestContext, log_throttle: LogThrottle, outcome: str, status: int) -> None:
    """Log a refusal, at most one a second; the call gets no other line."""
    context.is_logged, context.outcome = True, outcome
    log_throttle.log(_EVENTS[outcome], client=context.client, status=status)

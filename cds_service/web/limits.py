"""How much clients may ask, at once and in a minute: whoever asks for more is told so at once, and when to come back.

This is the only door to throttled. Its counts are this process's own: each worker has the whole of every limit.
"""

from functools import cache
from math import ceil
from queue import Empty, SimpleQueue

from flask import Flask
from throttled import BaseRateLimiter, MemoryStore, RateLimiterType, Throttled, per_min

from cds_service.errors import Overloaded, TooManyCalls
from cds_service.web.context import this_call, this_request
from cds_service.web.seldom import Seldom

_PROBES = ("/livez", "/readyz", "/metrics")
"""An operator must see an overload from outside."""

_CLIENTS = 4096
"""Clients, or addresses of unknown ones, that are counted at the same time; the one that was quiet longest goes."""


_LOT, _LOTS = 10, 600
"""To count each call by itself would take longer than deciding on most: ten are, for who may make so many in 0.1 s."""


def bound_calls_at_once(app: Flask, most: int) -> None:
    """Let the application work on so many requests at once and refuse others unread; probes are always answered."""
    places: SimpleQueue[None] = SimpleQueue()  # a semaphore is Python code, and each call needs it twice
    seldom = Seldom()
    for _ in range(most):
        places.put(None)

    def enter() -> None:
        if this_request().path in _PROBES:
            return
        try:
            places.get_nowait()
        except Empty:
            _log(seldom, "overloaded")
            raise Overloaded from None
        this_call().has_place = True

    def leave(_error: BaseException | None) -> None:
        if this_call().pop("has_place", False):
            places.put(None)

    app.before_request(enter)
    app.teardown_request(leave)


def bound_calls_per_minute(app: Flask, most: int) -> None:
    """Let each client call so often, 0 is without a limit; a client of the clients file may have its own number.

    A client that was quiet for a minute may use the whole of one at once, and gets it back evenly.
    """
    store, seldom = MemoryStore(options={"MAX_SIZE": _CLIENTS}), Seldom()
    lots: dict[str, int] = {}  # the calls that each client may still make before the store is asked again

    @cache
    def limiter(calls: int) -> BaseRateLimiter:
        return Throttled(using=RateLimiterType.GCRA.value, quota=per_min(calls, burst=calls), store=store).limiter

    def count() -> None:
        asked = this_request()
        if not asked.path.startswith("/cds-services") or asked.method == "OPTIONS":
            return
        caller = this_call().get("caller")
        calls = (caller and caller.calls_per_minute) or most
        if not calls:
            return
        key = f"client {caller.issuer}" if caller else f"address {asked.remote_addr}"
        if ready := lots.get(key):
            lots[key] = ready - 1
            return
        lot = max(1, min(_LOT, calls // _LOTS))
        result = limiter(calls).limit(key, lot)
        if result.limited and lot > 1:
            lot, result = 1, limiter(calls).limit(key)
        if result.limited:
            _log(seldom, "throttled")
            raise TooManyCalls(ceil(result.state.retry_after))
        if len(lots) >= _CLIENTS:
            lots.clear()
        lots[key] = lot - 1

    app.before_request(count)


def _log(seldom: Seldom, refused: str) -> None:
    """Log a refusal now and then; the call gets no other line."""
    held = this_call()
    held.has_own_line, held.outcome = True, refused
    seldom.log(refused, client=held.get("client", ""))

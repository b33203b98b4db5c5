"""How much clients may ask, at once and in a minute: whoever asks for more is told so at once, and when to come back.

This is the only door to throttled. Its counts are this process's own: each worker has the whole of every limit.
"""

import json
import logging
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from math import ceil
from threading import BoundedSemaphore
from time import monotonic

from flask import Flask, g, request
from throttled import MemoryStore, RateLimiterType, Throttled, per_min

from cds_service.errors import Overloaded, TooManyCalls

_PROBES = ("/livez", "/readyz", "/metrics")
"""An operator must see an overload from outside."""

_CLIENTS = 4096
"""Clients, or addresses of unknown ones, that are counted at the same time; the one that was quiet longest goes."""


class _Seldom:
    """Logs one refusal of a kind in a second: a flood of calls is to be no flood of lines."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._held_back: Counter[str] = Counter()

    def log(self, refused: str) -> None:
        """Write a line, with the number of those since the last one that had none; the call gets no other."""
        g.has_own_line, g.outcome = True, refused
        now = monotonic()
        if now < self._due.get(refused, 0.0):
            self._held_back[refused] += 1
            return
        self._due[refused] = now + 1
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        more = self._held_back.pop(refused, 0)
        line = {"time": time, "refused": refused, "client": g.get("client", ""), "unlogged": more}
        logging.getLogger("plexus_cds").warning(json.dumps(line))


def bound_calls_at_once(app: Flask, most: int) -> None:
    """Let the application work on so many requests at once and refuse others unread; probes are always answered."""
    places, seldom = BoundedSemaphore(most), _Seldom()

    def enter() -> None:
        if request.path in _PROBES:
            return
        if not places.acquire(blocking=False):
            seldom.log("overloaded")
            raise Overloaded
        g.has_place = True

    def leave(_error: BaseException | None) -> None:
        if g.pop("has_place", False):
            places.release()

    app.before_request(enter)
    app.teardown_request(leave)


def bound_calls_per_minute(app: Flask, most: int) -> None:
    """Let each client call so often, 0 is without a limit; a client of the clients file may have its own number.

    A client that was quiet for a minute may use the whole of one at once, and gets it back evenly.
    """
    store, seldom = MemoryStore(options={"MAX_SIZE": _CLIENTS}), _Seldom()

    @cache
    def limiter(calls: int) -> Throttled:
        return Throttled(using=RateLimiterType.GCRA.value, quota=per_min(calls, burst=calls), store=store)

    def count() -> None:
        if not request.path.startswith("/cds-services") or request.method == "OPTIONS":
            return
        caller = g.get("caller")
        calls = (caller and caller.calls_per_minute) or most
        if not calls:
            return
        result = limiter(calls).limit(f"client {caller.issuer}" if caller else f"address {request.remote_addr}")
        if result.limited:
            seldom.log("throttled")
            raise TooManyCalls(ceil(result.state.retry_after))

    app.before_request(count)

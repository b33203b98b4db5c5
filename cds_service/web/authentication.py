"""Where there are clients, each call has a token for exactly its own URL, or it is refused before it is read."""

from functools import partial
from typing import Any

from flask import Flask

from cds_service import metrics
from cds_service.auth import Check, ReplayMemoryUnavailable, Unauthenticated
from cds_service.fhir.search import fetcher
from cds_service.model import Fetch
from cds_service.web.callers import Callers
from cds_service.web.context import this_call, this_request
from cds_service.web.parts import Parts
from cds_service.web.seldom import Seldom

_REPLAY_MEMORY = "replay_memory"
CHECKS = (*Check, _REPLAY_MEMORY)
"""What is counted: the check that a token did not pass, or that nobody could tell whether it was used before."""

_NEED_NO_TOKEN = (None, "health", "openapi", "pages", "playground", "dashboard")
"""The blueprints of what people and operators open; None is for files, and for addresses where nothing is."""

_LINES_AT_ONCE = 60
"""Of each check: a minute's, so that the refusals of a client that is being connected are all told."""


def register(app: Flask) -> None:
    """Let the application refuse whoever is no client, where it has any."""
    found: Parts = app.extensions["plexus_cds"]
    if found.callers:
        app.before_request(partial(authenticate, found.callers, Seldom(_LINES_AT_ONCE)))


def authenticate(callers: Callers, seldom: Seldom) -> None:
    """Note who calls; whatever is not listed above needs a token, and only a preflight comes without (X-21)."""
    asked = this_request()
    if asked.blueprint in _NEED_NO_TOKEN or asked.method == "OPTIONS":
        return
    held = this_call()
    held.stopwatch.enter("authenticate")
    try:
        held.caller = callers.caller(asked.environ.get("HTTP_AUTHORIZATION"), asked.path)
    except Unauthenticated as refusal:
        token = {"key": refusal.kid_hash, "token": refusal.token_id_hash}
        _refuse(seldom, refusal.check, {"status": 401, "client": refusal.issuer, **token})
        raise
    except ReplayMemoryUnavailable as error:
        _refuse(seldom, _REPLAY_MEMORY, {"status": 503, "why": error.why})
        raise
    held.client = held.caller.issuer


def fetch(found: Parts, held: Any) -> Fetch:
    """Return what reads the FHIR servers of the caller, or those of the settings where callers have no names."""
    servers = found.fhir_servers if found.callers is None else held.caller.fhir_servers
    return fetcher(servers, found.fetch_limits)


def _refuse(seldom: Seldom, check: str, more: dict[str, Any]) -> None:
    """Count a refusal, and log it now and then: issuers of the clients file, digests and words of ours, no more."""
    this_call().has_own_line = True
    metrics.refusal(check)
    seldom.log(check, at=this_request().blueprint, **more)

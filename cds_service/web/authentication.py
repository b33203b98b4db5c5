"""Where there are clients, each call has a token for exactly its own URL, or it is refused before it is read."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from flask import Flask, g, request

from cds_service import metrics
from cds_service.auth import Check, ReplayMemoryUnavailable, Unauthenticated
from cds_service.fhir.search import fetcher
from cds_service.model import Fetch
from cds_service.web.parts import parts

_REPLAY_MEMORY = "replay_memory"
CHECKS = (*Check, _REPLAY_MEMORY)
"""What is counted: the check that a token did not pass, or that nobody could tell whether it was used before."""

_NEED_NO_TOKEN = (None, "health", "openapi", "pages", "playground", "dashboard")
"""The blueprints of what people and operators open; None is for files, and for addresses where nothing is."""


def register(app: Flask) -> None:
    """Let the application refuse whoever is no client, where it has any."""
    app.before_request(authenticate)


def authenticate() -> None:
    """Note who calls; whatever is not listed above needs a token, and only a preflight comes without (X-21)."""
    callers = parts().callers
    if callers is None or request.blueprint in _NEED_NO_TOKEN or request.method == "OPTIONS":
        return
    g.stopwatch.enter("authenticate")
    try:
        g.caller = callers.caller(request.headers.get("Authorization"), request.path)
    except Unauthenticated as refusal:
        token = {"key": refusal.kid_hash, "token": refusal.token_id_hash}
        _refuse(refusal.check, {"status": 401, "client": refusal.issuer, **token})
        raise
    except ReplayMemoryUnavailable as error:
        _refuse(_REPLAY_MEMORY, {"status": 503, "why": error.why})
        raise
    g.client = g.caller.issuer


def fetch() -> Fetch:
    """Return what reads the FHIR servers of the caller, or those of the settings where callers have no names."""
    found = parts()
    servers = found.fhir_servers if found.callers is None else g.caller.fhir_servers
    return fetcher(servers, found.fetch_limits)


def _refuse(check: str, more: dict[str, Any]) -> None:
    """Count and log a refusal: issuers of the clients file, digests and words of ours, and nothing else."""
    g.has_own_line = True
    metrics.refusal(check)
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "refused": check, "at": request.blueprint}
    logging.getLogger("plexus_cds").warning(json.dumps(line | more))

"""Where there are clients, each call has a token for exactly its own URL, or it is refused before it is read."""

from collections.abc import Callable
from typing import Any

from cds_service import metrics
from cds_service.auth import Check, ReplayCacheUnavailable, Unauthenticated
from cds_service.clock import Clock
from cds_service.fhir.search import fetcher
from cds_service.logs import LogThrottle
from cds_service.model import Fetch
from cds_service.web.authenticator import Authenticator
from cds_service.web.request_context import RequestContext
from cds_service.web.services import AppServices

_REPLAY_MEMORY = "replay_memory"
CHECKS = (*Check, _REPLAY_MEMORY)
"""What is counted: the check that a token did not pass, or that nobody could tell whether it was used before."""

_NEED_NO_TOKEN = (None, "health", "openapi", "pages", "playground", "dashboard")
"""The blueprints of what people and operators open; None is for files, and for addresses where nothing is."""

_LOG_BURST = 60
"""Of each check: a minute's, so that the refusals of a client that is being connected are all told."""


def authentication(callers: Authenticator, clock: Clock) -> Callable[[RequestContext], None]:
    """Return a door that notes who calls, and refuses whoever is no client.

    Whatever is not listed above needs a token, and only a preflight comes without (X-21).
    """
    log_throttle = LogThrottle(clock, _LOG_BURST)

    def authenticate(call: RequestContext) -> None:
        if call.blueprint in _NEED_NO_TOKEN or call.method == "OPTIONS":
            return
        call.stopwatch.enter("authenticate")
        try:
            call.caller = callers.caller(call.environ.get("HTTP_AUTHORIZATION"), call.path)
        except Unauthenticated as refusal:
            token = {"kid_hash": refusal.kid_hash, "jti_hash": refusal.token_id_hash}
            _refuse(call, log_throttle, refusal.check, {"status": 401, "client": refusal.issuer, **token})
            raise
        except ReplayCacheUnavailable as error:
            _refuse(call, log_throttle, _REPLAY_MEMORY, {"status": 503, "error": error.why})
            raise
        call.client = call.caller.issuer

    return authenticate


def fetch(found: AppServices, call: RequestContext) -> Fetch:
    """Return what reads the FHIR servers of the caller, or those of the settings where callers have no names."""
    if found.callers is None:
        return fetcher(found.fhir_servers, found.fetch_limits)
    assert call.caller  # the door let nobody else in
    return fetcher(call.caller.fhir_servers, found.fetch_limits)


def _refuse(call: RequestContext, log_throttle: LogThrottle, check: str, more: dict[str, Any]) -> None:
    """Count a refusal, and log it now and then: issuers of the clients file, digests and words of ours, no more."""
    call.has_own_line = True
    metrics.refusal(check)
    log_throttle.log("auth_refused", kind=check, reason=check, endpoint=call.blueprint, **more)

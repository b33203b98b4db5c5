"""Authentication of clients: where there is a clients file, each call needs a token for exactly its own URL."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from cds_service import metrics
from cds_service.auth import (
    Check,
    Clients,
    KeySetCache,
    Principal,
    ReplayCacheUnavailable,
    ReplayProtection,
    TokenVerifier,
    Unauthenticated,
    read_clients,
)
from cds_service.clock import Clock
from cds_service.config.settings import Settings
from cds_service.logs import LogThrottle
from cds_service.model import Dialect
from cds_service.store import CircuitBreaker, Store
from cds_service.store.replay_cache import ReplayCache
from cds_service.watched_file import WatchedFile
from cds_service.web.request_context import RequestContext, Stopwatch

_REPLAY_MEMORY = "replay_memory"
CHECKS = (*Check, _REPLAY_MEMORY)
"""What is counted: the check that a token failed, or that the replay cache could not be asked."""

_OPEN_BLUEPRINTS = (None, "health", "openapi", "pages", "playground", "dashboard")
"""Need no token: what people and operators open; None is static files, and URLs that do not exist."""

_LOG_BURST = 60
"""Lines of each check that are logged at once: a minute's, so that a client that is being connected sees each."""

_CONCURRENT_LOOKUPS = 8
"""Of the replay cache, a quarter of the threads at most: a look-up that hangs holds its thread for good."""


class Authenticator:
    """Authenticates calls against the clients file as it is now, their keys, and the tokens that were used."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        path, read = Path(settings.clients_file), partial(read_clients, development=settings.development)
        self._file = WatchedFile("clients_file", path, read, _log_fields, partial(read, original=path))
        self._base, self._clock = settings.base_url, clock
        self._keys = KeySetCache(settings.ca_file)
        self._store = Store(settings.store_url.get_secret_value(), durable=False, patience=1)
        self._replay_cache = ReplayCache(self._store, clock)
        self._replay = _ReplayBehindBreaker(self._replay_cache, settings.threads)

    @property
    def file_state(self) -> str:
        """Return read, or wrong where the file before stays in force."""
        self._file.current()  # it may have changed since the last call
        return "wrong" if self._file.is_invalid else "read"

    @property
    def dialects(self) -> set[Dialect | None]:
        """Return the dialects that the clients have of their own; None stands for that of the site."""
        return {client.dialect for client in self._file.current()}

    def authenticate(self, authorization: str | None, path: str, stopwatch: Stopwatch) -> Principal:
        """Return who calls a path with an Authorization header; raise Unauthenticated or ReplayCacheUnavailable."""
        replay = self._replay if stopwatch.timeline is None else _TracedReplay(self._replay, stopwatch)
        verifier = TokenVerifier(self._file.current(), self._keys, replay, self._clock)
        return verifier.verify(authorization, f"{self._base}{path}")

    def check_replay_cache(self) -> None:
        """Write to the replay cache as a call does; StoreUnavailable where that fails.

        It does not pass the circuit breaker, which it must not open. Where it succeeds it closes the circuit: a
        balancer that hears of it sends calls, which must not be refused.
        """
        self._replay_cache.check_writable()
        self._replay.close_circuit()

    def close(self) -> None:
        """Close the database connections; a later use opens new ones."""
        self._store.close()


class AuthenticationGuard:
    """Guard that sets the principal of a request, or refuses it; only a preflight comes without a token (X-21)."""

    def __init__(self, authenticator: Authenticator, clock: Clock) -> None:
        self._authenticator = authenticator
        self._log_throttle = LogThrottle(clock, _LOG_BURST)

    def __call__(self, context: RequestContext) -> None:
        """Authenticate a request, or raise Unauthenticated or ReplayCacheUnavailable."""
        if context.blueprint in _OPEN_BLUEPRINTS or context.method == "OPTIONS":
            return
        context.stopwatch.enter("authenticate")
        try:
            authorization = context.environ.get("HTTP_AUTHORIZATION")
            principal = self._authenticator.authenticate(authorization, context.path, context.stopwatch)
        except Unauthenticated as error:
            token = {"kid_hash": error.kid_hash, "jti_hash": error.token_id_hash}
            self._log_refusal(context, error.check, {"status": 401, "client": error.issuer, **token})
            raise
        except ReplayCacheUnavailable as error:
            self._log_refusal(context, _REPLAY_MEMORY, {"status": 503, "error": error.reason})
            raise
        context.principal, context.client = principal, principal.issuer

    def _log_refusal(self, context: RequestContext, check: str, fields: dict[str, Any]) -> None:
        """Count a refusal, and log it now and then: issuers of the clients file, digests and our own words only."""
        context.is_logged = True
        metrics.refusal(check)
        self._log_throttle.log("auth_refused", kind=check, reason=check, endpoint=context.blueprint, **fields)


class _ReplayBehindBreaker:
    """The replay cache behind a circuit breaker: one that hangs is noticed within seconds, then refused at once."""

    def __init__(self, replay: ReplayProtection, threads: int) -> None:
        self._replay = replay
        self._breaker = CircuitBreaker("replay", threads, max_concurrent=min(_CONCURRENT_LOOKUPS, threads // 4))

    def is_new(self, issuer: str, token_id: str, expires_at: datetime) -> bool:
        """Return whether a token is used for the first time, or raise StoreUnavailable."""
        with self._breaker.calling():
            return self._replay.is_new(issuer, token_id, expires_at)

    def close_circuit(self) -> None:
        """Let calls ask the replay cache again, which responds."""
        self._breaker.close()


class _TracedReplay:
    """The replay cache, asked as a part of its own of a traced request."""

    def __init__(self, replay: ReplayProtection, stopwatch: Stopwatch) -> None:
        self._replay, self._stopwatch = replay, stopwatch

    def is_new(self, issuer: str, token_id: str, expires_at: datetime) -> bool:
        """Return whether a token is used for the first time, or raise StoreUnavailable."""
        with self._stopwatch.part("store"):
            return self._replay.is_new(issuer, token_id, expires_at)


def _log_fields(clients: Clients) -> dict[str, Any]:
    return {"clients": [client.issuer for client in clients]}

"""The token verifier: from the Authorization header to the principal.

CDS Hooks 2.0.1, section "Security", and RFC 7519: every check is made, the cheap ones first and the replay cache last
(requirements X-06 to X-24).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cds_service.auth.clients import Client, Clients
from cds_service.auth.key_sets import KeySetCache
from cds_service.auth.tokens import Token, hash_id, header_fault, is_id, parse_token
from cds_service.clock import Clock
from cds_service.errors import Check, ReplayCacheUnavailable, StoreUnavailable, Unauthenticated
from cds_service.model import Dialect

LEEWAY = 60
"""Seconds by which the clocks of two machines may differ."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated client; `tenant` is empty where the token has none."""

    issuer: str
    tenant: str
    fhir_servers: tuple[str, ...]
    calls_per_minute: int | None
    dialect: Dialect | None = None
    """None for that of the site file."""


class ReplayProtection(Protocol):
    """Records the tokens that were used, for all workers and machines."""

    def is_new(self, issuer: str, token_id: str, expires_at: datetime) -> bool:
        """Return whether a token is used for the first time, and record it; StoreUnavailable where that fails."""


class TokenVerifier:
    """Verifies the tokens of the configured clients; thread-safe."""

    def __init__(self, clients: Clients, keys: KeySetCache, replay: ReplayProtection, clock: Clock) -> None:
        self._clients, self._keys, self._replay, self._clock = clients, keys, replay, clock

    def verify(self, authorization: str | None, audience: str) -> Principal:
        """Return who calls the URL `audience`, or raise Unauthenticated or ReplayCacheUnavailable."""
        token = parse_token(authorization)
        client = self._clients.get(token.claims.get("iss"))
        fault = header_fault(token.header) or self._fault(token, client, audience)
        if fault or client is None:
            issuer = client.issuer if client else ""
            kid, token_id = token.header.get("kid"), token.claims.get("jti")
            raise Unauthenticated(fault or Check.ISSUER, issuer, hash_id(kid), hash_id(token_id))
        tenant = token.claims.get("tenant", "")
        return Principal(client.issuer, tenant, client.fhir_servers, client.calls_per_minute, client.dialect)

    def _fault(self, token: Token, client: Client | None, audience: str) -> Check | None:
        if client is None:
            return Check.ISSUER
        return (
            _client_fault(token.header, client)
            or _claims_fault(token.claims, client, audience, self._clock.now().timestamp())
            or self._signature_fault(token, client)
            or self._replay_fault(token, client)
        )

    def _signature_fault(self, token: Token, client: Client) -> Check | None:
        """Return what is wrong with the signature; where several keys share a `kid`, any of them may have signed."""
        algorithm = token.header["alg"]
        keys = self._keys.keys(client, token.header["kid"])
        if keys is None:
            return Check.KEYS_UNREACHABLE
        fitting = [key for key in keys if key.fits(algorithm)]
        if not fitting:
            return Check.UNKNOWN_KEY
        is_signed = any(key.has_signed(token.signed, token.signature, algorithm) for key in fitting)
        return None if is_signed else Check.SIGNATURE

    def _replay_fault(self, token: Token, client: Client) -> Check | None:
        expires_at = datetime.fromtimestamp(token.claims["exp"] + LEEWAY, UTC)
        try:
            is_new = self._replay.is_new(client.issuer, token.claims["jti"], expires_at)
        except StoreUnavailable as error:
            raise ReplayCacheUnavailable(error.reason) from None
        return None if is_new else Check.REPLAY


def _client_fault(header: Mapping[str, Any], client: Client) -> Check | None:
    """Return what is wrong with a header of this client."""
    if header.get("alg") not in client.algorithms:
        return Check.ALGORITHM
    if client.jwks_file:
        return None  # the keys are pinned: where else they are said to be changes nothing
    return None if header.get("jku", client.jwks_url) == client.jwks_url else Check.JKU


def _claims_fault(claims: Mapping[str, Any], client: Client, audience: str, now: float) -> Check | None:
    """Return what is wrong with the claims of this client's token for the URL `audience`."""
    if not _has_audience(claims.get("aud"), audience):
        return Check.AUDIENCE
    fault = _times_fault(claims, client.lifetime_seconds, now)
    if fault:
        return fault
    if not _is_tenant_allowed(claims, client.tenants):
        return Check.TENANT
    return None if is_id(claims.get("jti")) else Check.TOKEN_ID


def _has_audience(aud: object, audience: str) -> bool:
    """Return whether a claim `aud` is exactly this URL, or a list of URLs that has it."""
    audiences = aud if isinstance(aud, list) else [aud]
    return audience in audiences and all(isinstance(name, str) for name in audiences)


def _times_fault(claims: Mapping[str, Any], max_lifetime: int, now: float) -> Check | None:
    expires: Any = claims.get("exp")
    issued: Any = claims.get("iat")
    not_before = claims.get("nbf", issued)
    if not all(map(_is_number, (expires, issued, not_before))):
        return Check.TIMES
    if max(issued, not_before) - LEEWAY > now or now >= expires + LEEWAY:
        return Check.TIMES
    return None if 0 < expires - issued <= max_lifetime else Check.LIFETIME


def _is_number(value: Any) -> bool:
    """Return whether a value is a JSON number; true and false are numbers in Python only."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_tenant_allowed(claims: Mapping[str, Any], tenants: tuple[str, ...] | None) -> bool:
    if tenants is not None:
        return claims.get("tenant") in tenants
    return "tenant" not in claims or is_id(claims["tenant"])

"""From the header Authorization to the caller: every check, in order, the cheap ones first and the memory last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cds_service.auth.clients import Client, Clients
from cds_service.auth.errors import Check, ReplayCacheUnavailable, Unauthenticated, hashed
from cds_service.auth.key_sets import KeySetCache
from cds_service.auth.tokens import Token, header_fault, is_id, read_token
from cds_service.clock import Clock
from cds_service.errors import StoreUnavailable

LEEWAY = 60
"""Seconds by which the clocks of two machines may differ."""


def client_fault(header: Mapping[str, Any], client: Client) -> Check | None:
    """Return what is wrong with a header that this client sends."""
    if header.get("alg") not in client.algorithms:
        return Check.ALGORITHM
    return None if header.get("jku", client.jwks_url) == client.jwks_url else Check.JKU


def claims_fault(claims: Mapping[str, Any], client: Client, audience: str, now: float) -> Check | None:
    """Return what is wrong with the claims of a token of this client for one of our URLs."""
    if not _is_for(audience, claims.get("aud")):
        return Check.AUDIENCE
    fault = _times_fault(claims, client.lifetime_seconds, now)
    if fault:
        return fault
    if not _may_be(claims, client.tenants):
        return Check.TENANT
    return None if is_id(claims.get("jti")) else Check.TOKEN_ID


def _is_for(audience: str, named: object) -> bool:
    """Tell whether a token names exactly this URL, alone or in a list of URLs."""
    names = named if isinstance(named, list) else [named]
    return audience in names and all(isinstance(name, str) for name in names)


def _times_fault(claims: Mapping[str, Any], most: int, now: float) -> Check | None:
    expires: Any = claims.get("exp")
    issued: Any = claims.get("iat")
    begins = claims.get("nbf", issued)
    if not all(map(_is_number, (expires, issued, begins))):
        return Check.TIMES
    if max(issued, begins) - LEEWAY > now or now >= expires + LEEWAY:
        return Check.TIMES
    return None if 0 < expires - issued <= most else Check.LIFETIME


def _is_number(value: Any) -> bool:
    """Tell a number of JSON, all of which are finite here, from true and false, which are numbers to Python."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _may_be(claims: Mapping[str, Any], tenants: tuple[str, ...] | None) -> bool:
    if tenants is not None:
        return claims.get("tenant") in tenants
    return "tenant" not in claims or is_id(claims["tenant"])


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, as far as it is proved; `tenant` is empty where the token names none."""

    issuer: str
    tenant: str
    fhir_servers: tuple[str, ...]
    calls_per_minute: int | None


class ReplayProtection(Protocol):
    """Remembers the tokens that were used, for all workers and machines."""

    def is_new(self, issuer: str, token_id: str, expires_at: datetime) -> bool:
        """Tell whether a token is used for the first time, and remember it; StoreUnavailable where nobody can tell."""


class TokenVerifier:
    """Verifies for a whole process."""

    def __init__(self, clients: Clients, keys: KeySetCache, replay: ReplayProtection, clock: Clock) -> None:
        self._clients, self._keys, self._replay, self._clock = clients, keys, replay, clock

    def verify(self, authorization: str | None, audience: str) -> Principal:
        """Return who calls one of our URLs, or raise Unauthenticated or ReplayCacheUnavailable."""
        token = read_token(authorization)
        client = self._clients.get(token.claims.get("iss"))
        fault = header_fault(token.header) or self._fault(token, client, audience)
        if fault or client is None:
            issuer = client.issuer if client else ""
            kid, token_id = token.header.get("kid"), token.claims.get("jti")
            raise Unauthenticated(fault or Check.ISSUER, issuer, hashed(kid), hashed(token_id))
        tenant = token.claims.get("tenant", "")
        return Principal(client.issuer, tenant, client.fhir_servers, client.calls_per_minute)

    def _fault(self, token: Token, client: Client | None, audience: str) -> Check | None:
        if client is None:
            return Check.ISSUER
        return (
            client_fault(token.header, client)
            or claims_fault(token.claims, client, audience, self._clock.now().timestamp())
            or self._signature_fault(token, client)
            or self._replay_fault(token, client)
        )

    def _signature_fault(self, token: Token, client: Client) -> Check | None:
        """Return what is wrong with the signature; where several keys share an id, any of them may have signed."""
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
            raise ReplayCacheUnavailable(error.why) from None
        return None if is_new else Check.REPLAY

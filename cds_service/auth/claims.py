"""What a token says of itself, held against what its client may say; whether it is true is for the signature."""

from collections.abc import Mapping
from typing import Any

from cds_service.auth.clients import Client
from cds_service.auth.refusals import Check
from cds_service.auth.tokens import is_id

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

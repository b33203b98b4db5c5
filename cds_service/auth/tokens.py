"""JSON Web Tokens before any trust in them: parsing (RFC 7515, section 3.1) and the checks of the header.

Requirements X-06 to X-09 and X-17 to X-20.
"""

import re
import string
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from cds_service.errors import Check, Unauthenticated
from cds_service.strict_json import strict_json

ALGORITHMS = {
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
}
"""The algorithms that a client may be allowed, with the curve or type of their keys; none uses a shared secret."""

_MAX_LENGTH = 8192
"""Characters of the Authorization header."""
MAX_ID_LENGTH = 256

_BEARER_TOKEN = re.compile(r"bearer (([\w-]+)\.([\w-]+))\.([\w-]*)", re.ASCII | re.IGNORECASE)
_CRITICAL = frozenset({"crit", "b64"})
"""Header parameters for extensions that the recipient must understand; there is none that this service does."""
_EMBEDDED = frozenset({"jwk", "x5c", "x5u"})
"""Header parameters by which a token would bring its own key."""
_LAST_LETTERS = (string.ascii_letters + string.digits + "-_", "", "AQgw", "AEIMQUYcgkosw048")
"""The letters with which base64url can end, by its length modulo 4: those whose unused bits are zero."""


@dataclass(frozen=True, slots=True)
class Token:
    """A parsed token, not verified; `signed` is the JWS signing input. No part of it is ever shown."""

    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


def parse_token(authorization: str | None) -> Token:
    """Return the token of an Authorization header, or raise Unauthenticated."""
    if not authorization:
        raise Unauthenticated(Check.MISSING)
    if len(authorization) > _MAX_LENGTH:
        raise Unauthenticated(Check.TOO_LARGE)
    match = _BEARER_TOKEN.fullmatch(authorization)
    if match is None:
        raise Unauthenticated(Check.MALFORMED)
    signed, header, claims, signature = match.groups()
    try:
        return Token(signed.encode(), _decode(signature), _parse_header(header), _parse_object(claims))
    except ValueError:
        raise Unauthenticated(Check.MALFORMED) from None


def header_fault(header: Mapping[str, Any]) -> Check | None:
    """Return what is wrong with a header, whichever client sends it."""
    if not _CRITICAL.isdisjoint(header):
        return Check.CRIT
    if not _EMBEDDED.isdisjoint(header):
        return Check.EMBEDDED_KEY
    if str(header.get("typ")).lower() != "jwt":
        return Check.TYPE
    return None if is_id(header.get("kid")) else Check.KID


def is_id(value: object) -> bool:
    """Return whether a value can be an id: a text of 1 to 256 characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH


def hash_id(value: object) -> str:
    """Return the first 16 hex digits of an id's SHA-256 for the log, or no text where it is not a string."""
    return sha256(value.encode(errors="surrogatepass")).hexdigest()[:16] if isinstance(value, str) else ""


@lru_cache(maxsize=64)
def _parse_header(part: str) -> Mapping[str, Any]:
    """Return a header, cached: all tokens that a client signs with one key have the same."""
    return MappingProxyType(_parse_object(part))


def _parse_object(part: str) -> Mapping[str, Any]:
    value = strict_json(_decode(part).decode(), unique_names=True)
    if isinstance(value, dict):
        return value
    message = "it is not an object"
    raise ValueError(message)


def _decode(part: str) -> bytes:
    """Return the bytes of base64url in its one canonical form: any other text would be a different token."""
    if part[-1:] in _LAST_LETTERS[len(part) % 4]:
        return urlsafe_b64decode(part + "==")
    message = "it is not the base64url of its own bytes"
    raise ValueError(message)

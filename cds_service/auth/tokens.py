"""A token as it came, read without any belief in it: its size, its shape, and what its header asks for."""

import re
import string
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cds_service.auth.errors import Check, Unauthenticated
from cds_service.strict_json import strict_json

ALGORITHMS = {
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
}
"""All the algorithms that a client may ever use, and the kind of key of each: none of them has a shared secret."""


_MOST = 8192
"""Characters of the header Authorization."""
LONGEST_ID = 256

_SHAPE = re.compile(r"bearer (([\w-]+)\.([\w-]+))\.([\w-]*)", re.ASCII | re.IGNORECASE)
_CRITICAL = frozenset({"crit", "b64"})
"""What asks us to understand an extension; b64 is one that says so by itself."""
_EMBEDDED = frozenset({"jwk", "x5c", "x5u"})
"""Where a token would bring the key that proves it."""
_LAST = (string.ascii_letters + string.digits + "-_", "", "AQgw", "AEIMQUYcgkosw048")
"""The letters with which base64url can end, by what its length leaves of 4: those whose spare bits are zero."""


@dataclass(frozen=True, slots=True)
class Token:
    """The parts of a token, and what of it is signed, by what; none of them is ever shown."""

    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


def read_token(authorization: str | None) -> Token:
    """Return the token of a header Authorization, or raise Unauthenticated."""
    if not authorization:
        raise Unauthenticated(Check.MISSING)
    if len(authorization) > _MOST:
        raise Unauthenticated(Check.TOO_LARGE)
    shape = _SHAPE.fullmatch(authorization)
    if shape is None:
        raise Unauthenticated(Check.MALFORMED)
    signed, header, claims, signature = shape.groups()
    try:
        return Token(signed.encode(), _decoded(signature), _header(header), _members(claims))
    except ValueError:
        raise Unauthenticated(Check.MALFORMED) from None


def header_fault(header: Mapping[str, Any]) -> Check | None:
    """Return what is wrong with a header, whoever sends it."""
    if not _CRITICAL.isdisjoint(header):
        return Check.CRIT
    if not _EMBEDDED.isdisjoint(header):
        return Check.EMBEDDED_KEY
    if str(header.get("typ")).lower() != "jwt":
        return Check.TYPE
    return None if is_id(header.get("kid")) else Check.KID


def is_id(value: object) -> bool:
    """Tell whether a value can be an id: a text that is neither empty nor longer than anyone needs."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID


@lru_cache(maxsize=64)
def _header(part: str) -> Mapping[str, Any]:
    """Return a header, which is one text in all tokens of a key; a client has few keys."""
    return MappingProxyType(_members(part))


def _members(part: str) -> Mapping[str, Any]:
    value = strict_json(_decoded(part).decode(), once=True)
    if isinstance(value, dict):
        return value
    message = "it is no object"
    raise ValueError(message)


def _decoded(part: str) -> bytes:
    """Return the bytes of base64url, of which there is one spelling: another one would be another token."""
    if part[-1:] in _LAST[len(part) % 4]:
        return urlsafe_b64decode(part + "==")
    message = "it is not the base64url of its own bytes"
    raise ValueError(message)

"""A token as it came, read without any belief in it: its size, its shape, and what its header asks for."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cds_service.auth.refusals import Check, Unauthenticated
from cds_service.strict_json import strict_json

_MOST = 8192
"""Characters of the header Authorization."""
LONGEST_ID = 256

_SHAPE = re.compile(r"bearer (([\w-]+)\.([\w-]+)\.([\w-]*))", re.ASCII | re.IGNORECASE)
_CRITICAL = ("crit", "b64")
"""What asks us to understand an extension; b64 is one that says so by itself."""
_EMBEDDED = ("jwk", "x5c", "x5u")
"""Where a token would bring the key that proves it."""


@dataclass(frozen=True, slots=True)
class Token:
    """The parts of a token; none of them is ever shown."""

    text: str = field(repr=False)
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
    text, header, claims, signature = shape.groups()
    try:
        _decoded(signature)
        return Token(text, _members(header), _members(claims))
    except ValueError:
        raise Unauthenticated(Check.MALFORMED) from None


def header_fault(header: Mapping[str, Any]) -> Check | None:
    """Return what is wrong with a header, whoever sends it."""
    if any(name in header for name in _CRITICAL):
        return Check.CRIT
    if any(name in header for name in _EMBEDDED):
        return Check.EMBEDDED_KEY
    if str(header.get("typ")).lower() != "jwt":
        return Check.TYPE
    return None if is_id(header.get("kid")) else Check.KID


def is_id(value: object) -> bool:
    """Tell whether a value can be an id: a text that is neither empty nor longer than anyone needs."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID


def _members(part: str) -> Mapping[str, Any]:
    value = strict_json(_decoded(part).decode(), once=True)
    if isinstance(value, dict):
        return value
    message = "it is no object"
    raise ValueError(message)


def _decoded(part: str) -> bytes:
    """Return the bytes of base64url, of which there is one spelling: another one would be another token."""
    content = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(content).decode().rstrip("=") == part:
        return content
    message = "it is not the base64url of its own bytes"
    raise ValueError(message)

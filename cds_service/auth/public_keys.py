"""The public keys of a JWK Set (RFC 7517) and the verification of signatures with them (RFC 7515), by joserfc.

Only signing.py imports joserfc, too. It is slow to load, so this module is imported where keys are read.
"""

from base64 import urlsafe_b64decode
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from cds_service.auth.tokens import ALGORITHMS
from cds_service.strict_json import strict_json

_RSA_BITS = range(2048, 8193)
"""A shorter key can be broken, and a longer one is slow to use."""

_MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}
_SECRET = ("d", "p", "q", "dp", "dq", "qi", "oth")


_REGISTRY = jws.JWSRegistry(algorithms=list(ALGORITHMS))
_VERIFIERS = {name: _REGISTRY.get_alg(name) for name in ALGORITHMS}
"""By algorithm name, so that a token is verified with the algorithm that was checked, whatever its header says."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of a set; `algorithm` is its `alg` where it has one, `kind` its curve, or RSA."""

    kid: str
    algorithm: str | None
    kind: str
    key: RSAKey | ECKey = field(repr=False)

    def fits(self, algorithm: str) -> bool:
        """Return whether the key can be used with an algorithm."""
        return ALGORITHMS[algorithm] == self.kind and self.algorithm in (None, algorithm)

    def has_signed(self, text: bytes, signature: bytes, algorithm: str) -> bool:
        """Return whether a signature of a text is valid for this key and algorithm."""
        verifier = _VERIFIERS[algorithm]
        try:
            verifier.check_key(self.key)
            return verifier.verify(text, signature, self.key)
        except (JoseError, ValueError):
            return False


@dataclass(frozen=True)
class KeySet:
    """The usable keys of a set, and how many were ignored, by reason."""

    keys: tuple[PublicKey, ...]
    ignored: Counter[str]

    def with_id(self, kid: str) -> tuple[PublicKey, ...]:
        """Return the keys with a `kid`: none, one, or all that share it."""
        return self._by_id.get(kid, ())

    @cached_property
    def _by_id(self) -> dict[str, tuple[PublicKey, ...]]:
        keys_by_id: dict[str, tuple[PublicKey, ...]] = {}
        for key in self.keys:
            keys_by_id[key.kid] = (*keys_by_id.get(key.kid, ()), key)
        return keys_by_id


def read_key_set_file(file: Path) -> KeySet:
    """Return the key set of a file, or raise OSError or ValueError."""
    return read_key_set(strict_json(file.read_bytes()))


def read_key_set(content: Any) -> KeySet:
    """Return the keys of a JWK Set, given as parsed JSON; ValueError where it is not a JWK Set."""
    jwks = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(jwks, list):
        message = 'it is not a JWK Set: {"keys": [...]}'
        raise ValueError(message)  # noqa: TRY004 - as for any invalid content
    results = [_public_key(jwk) for jwk in jwks]
    keys = tuple(key for key in results if isinstance(key, PublicKey))
    return KeySet(keys, Counter(reason for reason in results if isinstance(reason, str)))


def _public_key(jwk: Any) -> PublicKey | str:
    """Return a key, or the reason to ignore it."""
    reason = _ignore_reason(jwk)
    if reason:
        return reason
    try:
        members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
        if jwk["kty"] == "EC":
            return PublicKey(jwk["kid"], jwk.get("alg"), jwk["crv"], ECKey.import_key(members))
        if _bits(jwk["n"]) not in _RSA_BITS:
            return "size"
        return PublicKey(jwk["kid"], jwk.get("alg"), "RSA", RSAKey.import_key(members))
    except (JoseError, ValueError, TypeError, KeyError):
        return "damaged"


def _ignore_reason(jwk: Any) -> str | None:
    """Return the reason to ignore a key unread; a private key that is published proves nothing."""
    if not isinstance(jwk, dict):
        return "damaged"
    if jwk.get("kty") == "oct" or "k" in jwk:
        return "symmetric"
    if any(name in jwk for name in _SECRET):
        return "private"
    if jwk.get("kty") not in tuple(_MEMBERS):
        return "type"
    if not isinstance(jwk.get("kid"), str):
        return "no_kid"
    operations = jwk.get("key_ops", ["verify"])
    signs = jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    return None if signs else "use"


def _bits(modulus: str) -> int:
    return int.from_bytes(urlsafe_b64decode(modulus + "==")).bit_length()

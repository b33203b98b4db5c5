"""The only door to joserfc: the public keys of a JWK Set, and whether a token is signed with one.

It takes long to load, so it is imported where keys are read.
"""

from base64 import urlsafe_b64decode
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from cds_service.auth.tokens import ALGORITHMS

_RSA_BITS = range(2048, 8193)
"""A shorter key can be broken, and a longer one takes long to use."""

_MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}
_SECRET = ("d", "p", "q", "dp", "dq", "qi", "oth")


_REGISTRY = jws.JWSRegistry(algorithms=list(ALGORITHMS))
_VERIFIERS = {name: _REGISTRY.get_alg(name) for name in ALGORITHMS}
"""What verifies by each, so that a token is verified with the one that was checked; the header is not asked again."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of a set, and what it may be used with."""

    kid: str
    algorithm: str | None
    kind: str
    key: RSAKey | ECKey = field(repr=False)

    def fits(self, algorithm: str) -> bool:
        """Tell whether this is a key for an algorithm."""
        return ALGORITHMS[algorithm] == self.kind and self.algorithm in (None, algorithm)

    def has_signed(self, text: bytes, signature: bytes, algorithm: str) -> bool:
        """Tell whether a signature of a text is by this key and this algorithm."""
        verifier = _VERIFIERS[algorithm]
        try:
            verifier.check_key(self.key)
            return verifier.verify(text, signature, self.key)
        except (JoseError, ValueError):
            return False


@dataclass(frozen=True)
class KeySet:
    """The usable keys of a set, and how many others it had, by why they are not used."""

    keys: tuple[PublicKey, ...]
    ignored: Counter[str]

    def with_id(self, kid: str) -> tuple[PublicKey, ...]:
        """Return the keys of one id: one, as it should be, or all that share it."""
        return self._by_id.get(kid, ())

    @cached_property
    def _by_id(self) -> dict[str, tuple[PublicKey, ...]]:
        found: dict[str, tuple[PublicKey, ...]] = {}
        for key in self.keys:
            found[key.kid] = (*found.get(key.kid, ()), key)
        return found


def read_key_set(content: Any) -> KeySet:
    """Return the keys of a JWK Set, or raise ValueError for what is none."""
    found = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(found, list):
        message = 'it is no JWK Set: {"keys": [...]}'
        raise ValueError(message)  # noqa: TRY004 - as with all that cannot be read
    read = [_public_key(jwk) for jwk in found]
    keys = tuple(one for one in read if isinstance(one, PublicKey))
    return KeySet(keys, Counter(one for one in read if isinstance(one, str)))


def _public_key(jwk: Any) -> PublicKey | str:
    """Return a key, or why it is not used."""
    why = _why_ignored(jwk)
    if why:
        return why
    try:
        members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
        if jwk["kty"] == "EC":
            return PublicKey(jwk["kid"], jwk.get("alg"), jwk["crv"], ECKey.import_key(members))
        if _bits(jwk["n"]) not in _RSA_BITS:
            return "size"
        return PublicKey(jwk["kid"], jwk.get("alg"), "RSA", RSAKey.import_key(members))
    except (JoseError, ValueError, TypeError, KeyError):
        return "damaged"


def _why_ignored(jwk: Any) -> str | None:
    """Return why a key is not even tried; a private key that anyone can read proves nothing any more."""
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

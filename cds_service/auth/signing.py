"""Tokens as a client signs them, for `plexus-cds doctor`; the service itself signs nothing."""

import json
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from cds_service.auth.tokens import ALGORITHMS
from cds_service.errors import SettingsError

_ALGORITHM_OF_CURVE = {kind: name for name, kind in ALGORITHMS.items() if kind != "RSA"}


class SigningKey:
    """A private key that signs tokens, with its `kid` and algorithm (ES by its curve; RSA: RS384)."""

    def __init__(self, key: ECKey | RSAKey, kid: str) -> None:
        self._key, self.kid = key, kid
        self.algorithm = _ALGORITHM_OF_CURVE[key.curve_name] if isinstance(key, ECKey) else "RS384"

    @property
    def public(self) -> dict[str, Any]:
        """Return the members of the public half as a JWK."""
        return self._key.as_dict(private=False)

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a token with these claims."""
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid}
        return jwt.encode(header, claims, self._key, algorithms=[self.algorithm])

    def another(self) -> "SigningKey":
        """Return another key of the same kind under the same `kid`, whose signatures must be refused."""
        if isinstance(self._key, ECKey):
            return SigningKey(ECKey.generate_key(self._key.curve_name), self.kid)
        return SigningKey(RSAKey.generate_key(2048), self.kid)


def read_signing_key(path: Path, kid: str | None) -> SigningKey:
    """Return the key of a file, a JWK or PEM; SettingsError where it is no private key, or has no `kid`."""
    try:
        text = path.read_text(encoding="utf-8")
        key = _key(text)
        is_private = key.is_private
    except OSError as error:
        message = f"--key: {path} cannot be read: {error.strerror}"
        raise SettingsError(message) from None
    except (JoseError, ValueError, TypeError, KeyError):
        message = f"--key: {path} is not a private key: it must be one EC or RSA key, as a JWK or in PEM"
        raise SettingsError(message) from None
    if not is_private:
        message = f"--key: {path} is a public key; give the private one"
        raise SettingsError(message)
    kid = kid or key.kid
    if not kid:
        message = "--kid: is missing, and the key has none; give the kid under which the service knows the key"
        raise SettingsError(message)
    return SigningKey(key, kid)


def _key(text: str) -> ECKey | RSAKey:
    if text.lstrip().startswith("{"):
        jwk = json.loads(text)
        return ECKey.import_key(jwk) if jwk["kty"] == "EC" else RSAKey.import_key(jwk)
    try:
        return ECKey.import_key(text)
    except (JoseError, ValueError):
        return RSAKey.import_key(text)

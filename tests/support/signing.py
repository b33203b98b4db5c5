"""A client of our own: its keys, a good token, and what becomes of that when one thing of it is changed."""

import hmac
import json
from base64 import urlsafe_b64encode
from functools import cache
from uuid import uuid4

from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from tests.support.service import CLOCK

NOW = CLOCK.now().timestamp()
ISSUER = "https://ehr.example.org"
AUDIENCE = "https://cds.example.org/cds-services/lumbosacral-plexus-mri-order-select"
GONE = object()
"""A member that is left out."""
KINDS = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def key(algorithm: str, number: int = 1):
    """Return the private key of an algorithm; each number is another one."""
    return _made(algorithm, number)


@cache
def _made(algorithm: str, number: int):
    kid = {"kid": f"{algorithm}-{number}"}
    if algorithm in KINDS:
        return ECKey.generate_key(KINDS[algorithm], kid)
    return RSAKey.generate_key(2048, kid)


def public(private, **changes) -> dict:
    """Return the JWK of the public half."""
    return changed(private.as_dict(private=False), changes)


def key_set(*jwks: dict) -> dict:
    """Return a JWK Set."""
    return {"keys": list(jwks)}


def changed(members: dict, changes: dict) -> dict:
    """Return the members with these changes, and without what is GONE."""
    return {name: value for name, value in (members | changes).items() if value is not GONE}


def claims(**changes) -> dict:
    """Return the claims of a good token, with an id of its own."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW - 5, "exp": NOW + 295, "jti": str(uuid4())}
    return changed(good, changes)


def header(algorithm: str = "ES384", **changes) -> dict:
    """Return the header of a good token."""
    return changed({"alg": algorithm, "typ": "JWT", "kid": f"{algorithm}-1"}, changes)


def base64url(content: bytes) -> str:
    """Return bytes as a token has them."""
    return urlsafe_b64encode(content).decode().rstrip("=")


def signed(head: dict | bytes, claimed: dict | bytes, by=None, algorithm: str = "ES384") -> str:
    """Return a token with exactly these parts, signed as the algorithm says, whatever the header says."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (head, claimed)]
    text = ".".join(map(base64url, parts))
    signature = JWSRegistry.algorithms[algorithm].sign(text.encode(), by or key(algorithm))
    return f"{text}.{base64url(signature)}"


def bearer(head: dict | None = None, claimed: dict | None = None, algorithm: str = "ES384") -> str:
    """Return the header Authorization of a good token with these changes of its header and its claims."""
    return f"Bearer {signed(header(algorithm, **(head or {})), claims(**(claimed or {})), algorithm=algorithm)}"


def with_shared_secret() -> str:
    """Return a token that is signed with the public key, which anyone has, as if it were a secret."""
    text = ".".join(base64url(json.dumps(part).encode()) for part in (header(alg="HS256", kid="RS384-1"), claims()))
    code = hmac.digest(key("RS384").as_pem(private=False), text.encode(), "sha256")
    return f"Bearer {text}.{base64url(code)}"

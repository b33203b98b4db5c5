"""Authentication errors: which check failed, for the log; nothing of the token itself."""

from enum import StrEnum
from hashlib import sha256

from cds_service.errors import CallError


class Check(StrEnum):
    """The check that a token failed, in the order of the checks."""

    MISSING = "missing"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    CRIT = "crit"
    EMBEDDED_KEY = "embedded_key"
    TYPE = "type"
    KID = "kid"
    ISSUER = "issuer"
    ALGORITHM = "algorithm"
    JKU = "jku"
    AUDIENCE = "audience"
    TIMES = "times"
    LIFETIME = "lifetime"
    TENANT = "tenant"
    TOKEN_ID = "token_id"  # noqa: S105 - the name of a check
    KEYS_UNREACHABLE = "keys_unreachable"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    REPLAY = "replay"


class Unauthenticated(CallError):
    """The caller is not authenticated (401); the attributes are for the log, and the client gets no detail (X-25)."""

    def __init__(self, check: Check, issuer: str = "", kid_hash: str = "", token_id_hash: str = "") -> None:
        super().__init__("The call is not authenticated.")
        self.check = check
        self.issuer = issuer
        """The issuer, where the clients file has it; else empty."""
        self.kid_hash, self.token_id_hash = kid_hash, token_id_hash


class ReplayCacheUnavailable(CallError):
    """Whether a token was used before cannot be checked (503); `why` is for the operator, not for clients."""

    def __init__(self, why: str) -> None:
        super().__init__("The call cannot be authenticated at the moment. Send it again later, with a new token.")
        self.why = why


def hash_id(value: object) -> str:
    """Return the first 16 hex digits of an id's SHA-256 for the log, or no text where it is not a string."""
    return sha256(value.encode(errors="surrogatepass")).hexdigest()[:16] if isinstance(value, str) else ""

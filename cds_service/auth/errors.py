"""Why a caller is not believed: one word for the log, and nothing of the token itself."""

from enum import StrEnum
from hashlib import sha256

from cds_service.errors import CallError


class Check(StrEnum):
    """What a token did not pass, in the order of the checks."""

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
    """The caller is nobody that we know; all that it holds is for the log, and the client is told nothing."""

    def __init__(self, check: Check, issuer: str = "", kid_hash: str = "", token_id_hash: str = "") -> None:
        super().__init__("The call is not authenticated.")
        self.check = check
        self.issuer = issuer
        """The issuer, where it is one of the clients file."""
        self.kid_hash, self.token_id_hash = kid_hash, token_id_hash


class ReplayCacheUnavailable(CallError):
    """Nobody can tell whether a token was used before; `why` is for the operator, not for clients."""

    def __init__(self, why: str) -> None:
        super().__init__("The call cannot be authenticated at the moment. Send it again later, with a new token.")
        self.why = why


def hashed(value: object) -> str:
    """Return what a log may hold of an id: enough to tell two apart, too little to make the id from it."""
    return sha256(value.encode(errors="surrogatepass")).hexdigest()[:16] if isinstance(value, str) else ""

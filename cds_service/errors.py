"""The exception tree; no message contains patient data.

PlexusError
├── KnowledgeError       cards/ is contradictory or unreadable: the service does not start
├── SettingsError        a setting is wrong: the service does not start
└── CallError            one call cannot be answered: an HTTP status with an OperationOutcome
    ├── NotJson          the body is not JSON
    ├── Compressed       the body is compressed
    ├── NotSentAsJson    the Content-Type of the body is not JSON
    ├── UnknownHost      the Host header has a name that the site does not have
    ├── TooLarge         the body, or a list in it, is larger than the service reads
    ├── NotAHookCall     JSON, but not a call of this hook
    ├── UnknownService   no service has this id
    ├── RecordUnavailable  FHIR data that the decision needs could not be read
    ├── TooManyCalls     the client calls too often
    ├── Overloaded       too many calls at the same time
    ├── StoreUnavailable  the database is unreachable, or rejects a write
    ├── Unauthenticated  the caller has no valid token
    └── ReplayCacheUnavailable  whether a token was used before cannot be checked
"""

from enum import StrEnum
from typing import Any


class PlexusError(Exception):
    """Base class of all errors of this service."""


class KnowledgeError(PlexusError):
    """The knowledge in cards/ is contradictory, incomplete or unreadable."""


class SettingsError(PlexusError):
    """A setting has a value that the service cannot run with."""


class CallError(PlexusError):
    """One call cannot be answered; the message says what the client can do."""

    retry_after: int | None = None
    """Seconds after which a retry is worthwhile (the Retry-After header)."""


class NotJson(CallError):
    """The body of the call is not JSON."""


class Compressed(CallError):
    """The body of the call is compressed, so a small one could expand into a huge one."""

    def __init__(self) -> None:
        super().__init__("This service does not read compressed bodies. Send the body without a Content-Encoding.")


class NotSentAsJson(CallError):
    """The Content-Type is not JSON: a web page may send any other to any server, without asking first."""

    def __init__(self) -> None:
        super().__init__("Unsupported media type. Send JSON with Content-Type: application/json.")


class UnknownHost(CallError):
    """The Host header has a name that the site does not name (DNS rebinding)."""

    def __init__(self) -> None:
        super().__init__("This service is not known by this host name. PLEXUS_CDS_ALLOWED_HOSTS lists further names.")


class TooManyCalls(CallError):
    """The client is over its rate limit."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("The rate limit of this client is reached. Continue without advice, or retry later.")
        self.retry_after = retry_after


class Overloaded(CallError):
    """The concurrency limit of the service is reached."""

    retry_after = 1

    def __init__(self) -> None:
        super().__init__("The service is handling too many calls. Continue without advice, or retry.")


class TooLarge(CallError):
    """The body of the call, or a list in it, is larger than the service reads."""


class NotAHookCall(CallError):
    """The body is JSON, but not a call of this service's hook; `fault` is the member and what is wrong, for the log."""

    def __init__(self, message: str, fault: str = "") -> None:
        super().__init__(message)
        self.fault = fault


class UnknownService(CallError):
    """No service has this id."""


class RecordUnavailable(CallError):
    """FHIR data that the decision needs was not prefetched and could not be fetched.

    `retrieval` is the model.Retrieval of the attempt, for log and metrics.
    """

    def __init__(self, message: str, retrieval: Any) -> None:
        super().__init__(message)
        self.retrieval = retrieval


class StoreUnavailable(CallError):
    """The store cannot be used; `reason` is for the operator, not for clients.

    With `is_permanent` the database rejects the data itself, so that a retry does not help.
    """

    def __init__(self, reason: str, *, is_permanent: bool = False) -> None:
        super().__init__("The store is not available at the moment, so not all of this was saved. Send it again later.")
        self.reason, self.is_permanent = reason, is_permanent


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
    """Whether a token was used before cannot be checked (503); `reason` is for the operator, not for clients."""

    def __init__(self, reason: str) -> None:
        super().__init__("The call cannot be authenticated at the moment. Send it again later, with a new token.")
        self.reason = reason

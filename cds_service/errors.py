"""Everything that can go wrong, as a tree; no message ever carries patient data.

PlexusError
├── KnowledgeError       cards/ contradicts itself or cannot be read: the service does not start
├── SettingsError        a setting is wrong: the service does not start
└── CallError            one call cannot be answered; the web turns it into a status and an OperationOutcome
    ├── NotJson          the body is not JSON
    ├── Compressed       the body is compressed
    ├── TooLarge         the body is larger than the service reads
    ├── NotAHookCall     JSON, but not a call of this hook
    ├── UnknownService   no service has this id
    ├── RecordUnavailable  FHIR data that the decision needs could not be had
    ├── TooManyCalls     the client calls too often
    ├── Overloaded       too many calls are in work at once
    └── StoreUnavailable  the database cannot be reached, or refuses what is written to it
    (auth/errors.py has two more: Unauthenticated, ReplayCacheUnavailable)
"""

from typing import Any


class PlexusError(Exception):
    """Anything this service reports about itself."""


class KnowledgeError(PlexusError):
    """The knowledge in cards/ is contradictory, incomplete or unreadable."""


class SettingsError(PlexusError):
    """A setting has a value that the service cannot run with."""


class CallError(PlexusError):
    """One call cannot be answered; the text says what to do about it."""

    retry_after: int | None = None
    """Seconds after which it is worth asking again."""


class NotJson(CallError):
    """The body of the call is not JSON."""


class Compressed(CallError):
    """The body of the call is compressed; a small one could become a huge one."""

    def __init__(self) -> None:
        super().__init__("Send the body as it is: this service reads none with a Content-Encoding.")


class TooManyCalls(CallError):
    """The client calls more often than it may."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("You call more often than this service allows. Go on without its advice, or call again later.")
        self.retry_after = retry_after


class Overloaded(CallError):
    """More calls came at once than the service works on."""

    retry_after = 1

    def __init__(self) -> None:
        super().__init__("The service has more calls than it can answer. Go on without its advice, or call again.")


class TooLarge(CallError):
    """The body of the call is larger than the service reads."""


class NotAHookCall(CallError):
    """The body is JSON, but not a call of this service's hook."""


class UnknownService(CallError):
    """No service has this id."""


class RecordUnavailable(CallError):
    """FHIR data that the decision needs was neither prefetched nor to be fetched; `retrieval` is how it was tried."""

    def __init__(self, message: str, retrieval: Any) -> None:
        super().__init__(message)
        self.retrieval = retrieval


class StoreUnavailable(CallError):
    """The store cannot be used; `why` is for the operator, not for clients.

    `for_good` tells that it refuses what is written, so that a repetition is of no use.
    """

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__("The store cannot be used at the moment, so not all of this was kept. Send it again later.")
        self.why, self.for_good = why, for_good

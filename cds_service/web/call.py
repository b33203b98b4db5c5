"""One request while it is answered: what was asked, and what became of it so far."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from cds_service.auth import Caller
from cds_service.model import Decision, Retrieval
from cds_service.web.stopwatch import Stopwatch

JSON = "application/json"
_NONE: Mapping[str, Any] = MappingProxyType({})


class Call:
    """What the doors, the view and the notes of one request hand on; what is not known yet is empty.

    A plain class with its defaults on it: each call makes one, and most set little of it.
    """

    service = "unknown"
    hook = "unknown"
    client = ""
    """The issuer of a client of the clients file, or the playground."""
    caller: Caller | None = None
    decision: Decision | None = None
    retrieval: Retrieval | None = None
    outcome = ""
    """The word for a call that was refused at a door; of the others, status and decision tell it."""
    reports: Mapping[str, int] = _NONE
    """How many reports of feedback were kept, by their outcome."""
    has_own_line = False
    """It was logged already."""
    has_place = False
    """It is among those that are worked on at once."""

    def __init__(self, environ: dict[str, Any], method: str, path: str, blueprint: str | None) -> None:
        self.environ, self.method, self.path, self.blueprint = environ, method, path, blueprint
        self.stopwatch = Stopwatch()


class Answer(NamedTuple):
    """What goes out, whoever sends it."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = _NONE

"""A deployment, or one instance of it, as it is seen from outside, and what a check of it finds."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from cds_service.auth.signing import SigningKey
from cds_service.clock import Clock
from cds_service.http_client import Response, send
from cds_service.model import CLIENT_HEADER, DOCTOR

DISCOVERY = "/cds-services"
_TOKEN_SECONDS = 60


class State(StrEnum):
    """How a check ended; only `failed` makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check, in plain words."""

    check: str
    state: State
    found: str
    why_it_matters: str = ""
    what_to_do: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the members as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Probe:
    """What the analyst gives: key and issuer of a client, an origin, a key set, a FHIR server, and limits."""

    clock: Clock
    key: SigningKey | None = None
    issuer: str = ""
    tenant: str = ""
    origin: str = ""
    jwks: str = ""
    fhir_server: str = ""
    seconds: float = 10.0
    ca_file: str = ""
    body_megabytes: float = 8.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """One base URL, called with the probe's token where it has a key."""

    base: str
    probe: Probe

    def claims(self, path: str) -> dict[str, Any]:
        """Return the claims of a good token for one call of a path."""
        now = int(self.probe.clock.now().timestamp())
        members = {"iss": self.probe.issuer, "aud": f"{self.base}{path}", "iat": now, "exp": now + _TOKEN_SECONDS}
        tenant = {"tenant": self.probe.tenant} if self.probe.tenant else {}
        return {**members, "jti": str(uuid4()), **tenant}

    def token(self, path: str) -> str | None:
        """Return a good token for one call of a path, None without a key."""
        return self.probe.key.sign(self.claims(path)) if self.probe.key else None

    def get(self, path: str) -> Response:
        """GET a path with a token of its own."""
        return self.send("GET", path, token=self.token(path))

    def post(self, path: str, body: Any) -> Response:
        """POST a body, JSON or bytes, with a token of its own."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, content=content, token=self.token(path))

    def send(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Return the answer to a request that is marked as a trial; raise NoResponse."""
        given = {CLIENT_HEADER: DOCTOR, **(headers or {})}
        if content is not None:
            given["Content-Type"] = "application/json"
        if token:
            given["Authorization"] = f"Bearer {token}"
        probe = self.probe
        return send(
            method, self.base + path, headers=given, content=content, seconds=probe.seconds, ca_file=probe.ca_file
        )


def is_outcome(response: Response) -> bool:
    """Return whether the body of an answer is an OperationOutcome."""
    body = response.json()
    return isinstance(body, dict) and body.get("resourceType") == "OperationOutcome"

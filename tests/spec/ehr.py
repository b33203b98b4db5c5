"""A small FHIR server, reached over HTTP, that notes what it was asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from cds_service import examples
from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.service import CLOCK, TODAY, Client, serving


@dataclass
class Ehr:
    """Answers every search with the article's patient, or always with one status."""

    status: int = 200
    base: str = ""
    asked: list = field(default_factory=list)

    def __call__(self, environ, start_response):
        """Note a request and answer it (WSGI)."""
        form = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        kind = environ["PATH_INFO"].strip("/").split("/")[1]
        query = parse_qs(form or environ["QUERY_STRING"])
        self.asked.append({"type": kind, "query": query, "token": environ.get("HTTP_AUTHORIZATION")})
        start_response(f"{self.status} Answer", [("Content-Type", "application/fhir+json")])
        return [json.dumps(self._found(kind)).encode()]

    @property
    def types(self) -> list:
        """Return the types of resources that were searched."""
        return sorted(request["type"] for request in self.asked)

    def _found(self, kind: str) -> dict:
        if self.status != 200:
            issue = {"severity": "error", "code": "security", "diagnostics": "no"}
            return {"resourceType": "OperationOutcome", "issue": [issue]}
        entries = examples.example("patients", "article", TODAY)["entry"]
        resources = (entry["resource"] for entry in entries)
        return examples.searchset(resource for resource in resources if resource["resourceType"] == kind)


@contextmanager
def service_beside(ehr: Ehr, knowledge) -> Iterator[Client]:
    """Serve `ehr`, and the service that may read from it; yields a client of the service."""
    with serving(ehr) as server:
        ehr.base = f"{server}/fhir"
        settings = Settings(development=True, fhir_servers=(ehr.base,))
        with serving(create_app(settings, knowledge, clock=CLOCK)) as base:
            yield Client(base)

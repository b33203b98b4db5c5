"""Hook calls whose record is to be read from a FHIR server, and what is answered to them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cds_service import examples
from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.notation import PATIENT, order, patient
from tests.support.service import CLOCK, TODAY, Client, serving

TOKEN = "token-canary-7f3a"
"""No answer and no log line may hold it."""


@contextmanager
def reading(knowledge, *servers: str, **settings) -> Iterator[Client]:
    """Serve the application on a real socket, with these FHIR servers listed; yields a client of it."""
    listed = Settings(development=True, fhir_servers=servers, **settings)
    with serving(create_app(listed, knowledge, clock=CLOCK)) as base:
        client = Client(base)
        try:
            yield client
        finally:
            client.session.close()


def hook_call(
    server: str | None, *, patient_id: str = PATIENT, token: str | None = TOKEN, prefetch: dict | None = None
) -> dict:
    """Return a call for a lumbar MRI with no more than this of its record prefetched."""
    person = {"resource": {"resourceType": "Patient", "id": patient_id}}
    body = examples.call({"entry": [person]}, [order("lumbar MRI")])
    body["prefetch"] = prefetch
    body["fhirServer"] = server
    body["fhirAuthorization"] = {"access_token": token, "token_type": "Bearer"} if token else None
    return body


def entries(text: str) -> list[dict]:
    """Return the Conditions and Procedures of a patient in the notation of vignettes.csv."""
    return [entry["resource"] for entry in patient(text, TODAY)["entry"][1:]]


def why(response) -> str:
    """Return why the record could not be read: the text of a 412, which must be an OperationOutcome."""
    assert response.status_code == 412, response.text
    assert response.headers["Content-Type"] == "application/fhir+json"
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert TOKEN not in response.text
    message, _, keys = outcome["issue"][0]["diagnostics"].partition(" Prefetch keys received: ")
    assert keys.endswith("."), message
    return message


_LAST_SEARCH_ENDS_IN = 1.0
"""Seconds."""


def searches_end() -> bool:
    """Return whether no search goes on behind a call that is answered; the last may take a moment to end."""
    end = time.monotonic() + _LAST_SEARCH_ENDS_IN
    while any(thread.name.startswith("fhir-search") for thread in threading.enumerate()):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True

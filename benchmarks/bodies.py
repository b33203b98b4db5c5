"""The hook calls that are sent: invented charts of any size, and the orders of fixtures/."""

import csv
import json
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from cds_service import examples
from cds_service.clock import SYSTEM_CLOCK

PATIENT = "bench"
WATCHED, UNWATCHED = "mri-lumbar-spine-without-contrast", "x-ray-lumbar-spine"
SMALL, LARGE = (5, 3), (500, 1000)
"""So many Conditions and Procedures."""
_DAYS = 11
"""Between one entry of the chart and the next."""
_KEYS = {"Condition": "conditions", "Procedure": "procedures"}
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


def hook_call(order: str, chart: tuple[int, int], *, matters: bool = True) -> dict[str, Any]:
    """Return a call that selects an order, with the whole chart in its prefetch."""
    today = SYSTEM_CLOCK.today()
    patient = {"entry": [{"resource": {"resourceType": "Patient", "id": PATIENT}}]}
    call = examples.call(patient, [examples.example("orders", order, today)])
    call["prefetch"] = {_KEYS[kind]: search(kind, count, matters=matters) for kind, count in _counts(chart)}
    return call


def call_to_fetch(order: str, server: str) -> dict[str, Any]:
    """Return a call without a prefetch, whose record is to be read from a FHIR server."""
    call = hook_call(order, (0, 0)) | {"fhirServer": server}
    call["fhirAuthorization"] = {
        "access_token": "bench",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "",
        "subject": "bench",
    }
    del call["prefetch"]
    return call


def search(kind: str, count: int, *, matters: bool = True) -> dict[str, Any]:
    """Return what a FHIR search finds: so many entries, the first of which matter, and the others do not."""
    rows = [row for row in _rows() if row["resource"] == kind]
    first = [row for row in rows if row["matters"] == "yes"] if matters else []
    other_rows = cycle(row for row in rows if row["matters"] == "no")
    return examples.searchset(
        _resource(row, number)
        for number, row in enumerate(islice([*first, *islice(other_rows, count)], count), start=1)
    )


def as_bytes(call: dict[str, Any]) -> bytes:
    """Return a call as it is sent."""
    return json.dumps(call, separators=(",", ":")).encode()


def _counts(chart: tuple[int, int]) -> list[tuple[str, int]]:
    return list(zip(_KEYS, chart, strict=True))


def _rows() -> list[dict[str, str]]:
    with (Path(__file__).parent / "chart.csv").open(encoding="utf-8") as table:
        return list(csv.DictReader(table))


def _resource(row: dict[str, str], number: int) -> dict[str, Any]:
    day = (SYSTEM_CLOCK.today() - timedelta(days=_DAYS * number)).isoformat()
    own = _condition(day) if row["resource"] == "Condition" else {"status": "completed", "performedDateTime": day}
    coding = {name: row[name] for name in ("system", "code", "display")}
    return {
        "resourceType": row["resource"],
        "id": f"{row['resource'].lower()}-{number}",
        "meta": {"versionId": "1", "lastUpdated": f"{day}T08:00:00.000+00:00"},
        "code": {"coding": [coding], "text": row["display"]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "encounter": {"reference": f"Encounter/encounter-{number}"},
        **own,
    }


def _condition(day: str) -> dict[str, Any]:
    return {
        "clinicalStatus": _concept("condition-clinical", "active"),
        "verificationStatus": _concept("condition-ver-status", "confirmed"),
        "category": [_concept("condition-category", "problem-list-item")],
        "onsetDateTime": day,
        "recordedDate": day,
    }


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{_TERMINOLOGY}/{system}", "code": code}]}

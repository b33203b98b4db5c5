"""The synthetic patients, orders and calls of fixtures/, with dates relative to a given day."""

import csv
import json
import re
from collections.abc import Iterable
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

from cds_service.model import MAIN_KEYS

_RELATIVE_DATE = re.compile(r"@today(?:-(\d+)([dmy]))?(T.*)?")


def names(kind: str) -> list[str]:
    """Return the names of all `patients`, `orders` or `calls`."""
    folder = files("cds_service.fixtures") / kind
    return sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json"))


def example(kind: str, name: str, today: date) -> Any:
    """Return one of the `patients`, `orders` or `calls` with its dates filled in; KeyError for an unknown name."""
    if name not in names(kind):
        message = f"no such example; there are: {', '.join(names(kind))}"
        raise KeyError(message)
    file = files("cds_service.fixtures") / kind / f"{name}.json"
    return dated(json.loads(file.read_text(encoding="utf-8")), today)


def dated(value: Any, today: date) -> Any:
    """Return a JSON value with its relative dates, such as `@today-27m`, as FHIR dates: d days, m months, y years."""
    if isinstance(value, dict):
        return {name: dated(member, today) for name, member in value.items()}
    if isinstance(value, list):
        return [dated(item, today) for item in value]
    match = _RELATIVE_DATE.fullmatch(value) if isinstance(value, str) else None
    return _before(today, int(match[1] or 0), match[2] or "d") + (match[3] or "") if match else value


def _before(today: date, count: int, unit: str) -> str:
    if unit == "d":
        return (today - timedelta(days=count)).isoformat()
    if unit == "y":
        return f"{today.year - count:04}"
    year, month = divmod(today.year * 12 + today.month - 1 - count, 12)
    return f"{year:04}-{month + 1:02}"


def searchset(resources: Iterable[Any]) -> dict[str, Any]:
    """Return the searchset Bundle of some resources."""
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def call(patient: Any, orders: Iterable[Any], *, hook: str = "order-select") -> dict[str, Any]:
    """Return a hook call for a patient's Bundle with all its data prefetched; the first of `orders` is selected."""
    resources = [entry["resource"] for entry in patient["entry"]]
    patient_id = next(resource["id"] for resource in resources if resource["resourceType"] == "Patient")
    drafts = [_for_patient(order, patient_id) for order in orders]
    context: dict[str, Any] = {
        "userId": "Practitioner/example",
        "patientId": patient_id,
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": draft} for draft in drafts],
        },
    }
    if hook == "order-select":
        context["selections"] = [f"{draft['resourceType']}/{draft['id']}" for draft in drafts[:1]]
    prefetch = {
        name: searchset(resource for resource in resources if resource["resourceType"] == key.resource_type)
        for name, key in MAIN_KEYS.items()
    }
    hook_instance = "4f7a5a3e-6a0b-4a7c-9c61-0d6f5a2b8e01"
    return {"hook": hook, "hookInstance": hook_instance, "context": context, "prefetch": prefetch}


def _for_patient(order: Any, patient_id: str) -> Any:
    subject = {"reference": f"Patient/{patient_id}"}
    return order | {"subject": subject}


def vignette_names() -> list[str]:
    """Return the names of the rows of vignettes.csv, in their order."""
    return [row["vignette"] for row in _rows("vignettes")]


def vignettes(today: date) -> list[dict[str, Any]]:
    """Return the rows of vignettes.csv, each with its hook call."""
    proves = {row["patient"]: row["proves"] for row in _rows("patients")}
    return [
        {
            "name": row["vignette"],
            "title": row["title"],
            "says": row["says"],
            "proves": row["proves"] or proves[row["patient"]],
            "call": _vignette_call(row, today),
        }
        for row in _rows("vignettes")
    ]


def _vignette_call(row: dict[str, str], today: date) -> dict[str, Any]:
    """Return the complete call of a row, or one built from its patient, order, typed reason and second draft."""
    if row["call"]:
        hook_call: dict[str, Any] = example("calls", row["call"], today)
        return hook_call
    orders = [example("orders", name, today) for name in (row["order"], row["also"]) if name]
    if row["reason"]:
        orders[0]["reasonCode"] = [{"text": row["reason"]}]
    return call(example("patients", row["patient"], today), orders)


def _rows(table: str) -> list[dict[str, str]]:
    text = (files("cds_service.fixtures") / f"{table}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))

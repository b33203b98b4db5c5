"""The invented patients, orders and calls of fixtures/, dated from a given day so that they never age."""

import csv
import json
import re
from collections.abc import Iterable
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

from cds_service.model import MAIN_KEYS

_OFFSET = re.compile(r"@today(?:-(\d+)([dmy]))?(T.*)?")


def names(kind: str) -> list[str]:
    """Return the names of all `patients`, `orders` or `calls`."""
    folder = files("cds_service.fixtures") / kind
    return sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json"))


def example(kind: str, name: str, today: date) -> Any:
    """Return one of the `patients`, `orders` or `calls` with its dates filled in; KeyError where there is none."""
    if name not in names(kind):
        message = f"no such example; there are: {', '.join(names(kind))}"
        raise KeyError(message)
    file = files("cds_service.fixtures") / kind / f"{name}.json"
    return dated(json.loads(file.read_text(encoding="utf-8")), today)


def dated(value: Any, today: date) -> Any:
    """Return a JSON value in which `@today-27m` and the like have become dates: d a day, m a month, y a year."""
    if isinstance(value, dict):
        return {name: dated(one, today) for name, one in value.items()}
    if isinstance(value, list):
        return [dated(one, today) for one in value]
    match = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    return _before(today, int(match[1] or 0), match[2] or "d") + (match[3] or "") if match else value


def _before(today: date, count: int, unit: str) -> str:
    if unit == "d":
        return (today - timedelta(days=count)).isoformat()
    if unit == "y":
        return f"{today.year - count:04}"
    year, month = divmod(today.year * 12 + today.month - 1 - count, 12)
    return f"{year:04}-{month + 1:02}"


def searchset(resources: Iterable[Any]) -> dict[str, Any]:
    """Return resources as the Bundle that a FHIR search answers with."""
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def call(patient: Any, orders: Iterable[Any], *, hook: str = "order-select") -> dict[str, Any]:
    """Return a hook call in which the first of `orders` is selected for a patient's Bundle, all prefetched."""
    resources = [entry["resource"] for entry in patient["entry"]]
    own_id = next(one["id"] for one in resources if one["resourceType"] == "Patient")
    drafts = [_for_patient(order, own_id) for order in orders]
    context: dict[str, Any] = {
        "userId": "Practitioner/example",
        "patientId": own_id,
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": one} for one in drafts],
        },
    }
    if hook == "order-select":
        context["selections"] = [f"{one['resourceType']}/{one['id']}" for one in drafts[:1]]
    prefetch = {
        name: searchset(one for one in resources if one["resourceType"] == key.resource_type)
        for name, key in MAIN_KEYS.items()
    }
    hook_instance = "4f7a5a3e-6a0b-4a7c-9c61-0d6f5a2b8e01"
    return {"hook": hook, "hookInstance": hook_instance, "context": context, "prefetch": prefetch}


def _for_patient(order: Any, patient_id: str) -> Any:
    subject = {"reference": f"Patient/{patient_id}"}
    return order | {"subject": subject}


def vignettes(today: date) -> list[dict[str, Any]]:
    """Return the rows of vignettes.csv, each with the hook call that it stands for."""
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
    """Return the whole call that a row names, or one from its patient, order, reason in words, and second draft."""
    if row["call"]:
        whole: dict[str, Any] = example("calls", row["call"], today)
        return whole
    orders = [example("orders", name, today) for name in (row["order"], row["also"]) if name]
    if row["reason"]:
        orders[0]["reasonCode"] = [{"text": row["reason"]}]
    return call(example("patients", row["patient"], today), orders)


def _rows(table: str) -> list[dict[str, str]]:
    text = (files("cds_service.fixtures") / f"{table}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))

"""Writes a made-up hospital's FHIR Bulk Data export of any size, for the back-test: python tools/generate_export.py.

    python tools/generate_export.py FOLDER --orders 40000 --entries 30 --seed 1

Orders come from a list of imaging orders, some with the site's own codes; charts from codes of the value sets among
codes that mean nothing. With `--monitored 10` so many percent of the orders are from that list, and the others of
studies that no card monitors, as in an export of all imaging. With --canaries each text, id and reference holds a mark
that no output may have.
"""

import argparse
import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self, TextIO

from cds_service.knowledge import Knowledge
from cds_service.model import Json
from cds_service.validation_stamp import checked_knowledge

CPT, ICD, SNOMED = "http://www.ama-assn.org/go/cpt", "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"
LOCAL = "urn:oid:1.2.3.4.5.6.7"
_FIRST, _DAYS = date(2024, 1, 1), 728
_FILE_LINES = 200_000
_PLAIN_CONDITIONS = (
    "I10",
    "E78.5",
    "E11.9",
    "J45.909",
    "K21.9",
    "F41.9",
    "N39.0",
    "M25.561",
    "H52.13",
    "Z00.00",
    "J06.9",
)
_PLAIN_PROCEDURES = ("99213", "80053", "85025", "36415", "93000", "71046", "90471", "45378")
_ORDERS = (
    (CPT, "72148", "MRI lumbar spine without contrast", 50),
    (CPT, "72158", "MRI lumbar spine without and with contrast", 14),
    (LOCAL, "IMG1203", "MRI L-SPINE W/O", 18),
    (LOCAL, "IMG1299", "MSK SPINE PROTOCOL 4", 3),
    (CPT, "72197", "MRI pelvis without and with contrast", 3),
    (CPT, "78816", "PET/CT whole body", 3),
    (CPT, "72141", "MRI cervical spine", 5),
    (CPT, "71046", "Chest X-ray", 4),
)
_OTHER_ORDERS = (
    (CPT, "72141", "MRI cervical spine", 1),
    (CPT, "71046", "Chest X-ray", 6),
    (LOCAL, "IMG0001", "CT HEAD W/O", 3),
    (LOCAL, "IMG0002", "US ABDOMEN COMPLETE", 3),
    (LOCAL, "IMG0003", "XR KNEE 3 VIEWS", 3),
)
_REASONS = (
    "leg weakness",
    "low back pain",
    "sciatica",
    "foot drop",
    "r/o cauda equina",
    "",
    "",
    "radiculopathy",
    "fall today",
)
_MOST_CODES = 200
_UNDATED, _LATER, _DAY_ONLY = 0.02, 0.25, 0.15
_ODD_ORDERS, _ODD_ENTRIES = 0.3, 0.1


class CodesByFamily(NamedTuple):
    """The codes that matter, by family; each (system, code)."""

    cancers: list[tuple[str, str]]
    signs: list[tuple[str, str]]
    radiotherapy: list[tuple[str, str]]
    devices: list[tuple[str, str]]


def codes_by_family(knowledge: Knowledge) -> CodesByFamily:
    """Return codes of the value sets in ICD-10-CM, CPT and SNOMED CT."""

    def codes(family: str, *systems: str) -> list[tuple[str, str]]:
        members = knowledge.terminology.families[family]
        return [
            (member.system, member.code) for member in members if member.system in systems and member.kind != "pattern"
        ][:_MOST_CODES]

    return CodesByFamily(
        codes("malignancy", ICD, SNOMED),
        codes("presentation", ICD),
        codes("radiotherapy", CPT, SNOMED),
        codes("device", ICD),
    )


class Generator:
    """Makes patients one by one; the same seed makes the same export."""

    def __init__(self, entries: int, seed: int, *, monitored: float = 1, canaries: bool = False) -> None:
        self._entries, self._random, self._codes = entries, random.Random(seed), codes_by_family(checked_knowledge())
        self._monitored, self._canaries = monitored, canaries
        self._count = 0

    def patient(self, number: int) -> Iterator[Json]:
        """Yield the resources of a patient: orders, Conditions, Procedures."""
        draw, patient = self._random, f"p{number:08}"
        subject = {"reference": f"Patient/{patient}", **({"display": self._mark()} if self._canaries else {})}
        has_cancer, has_radiotherapy = draw.random() < 0.12, draw.random() < 0.05
        times = [self._moment() for _ in range(draw.choice((1, 1, 2, 2, 3, 3)))]
        for place, ordered in enumerate(times):
            yield self._order(subject, f"{patient}-o{place}", ordered)
        size = max(1, round(draw.gauss(self._entries, self._entries / 4)))
        for place in range(size):
            ordered = draw.choice(times)
            if place < has_cancer:
                yield self._entry("Condition", subject, f"{patient}-{place}", draw.choice(self._codes.cancers), ordered)
            elif place == 1 and has_radiotherapy:
                yield self._entry(
                    "Procedure", subject, f"{patient}-{place}", draw.choice(self._codes.radiotherapy), ordered
                )
            elif place == 2 and draw.random() < 0.15:
                code = draw.choice(draw.choice((self._codes.signs, self._codes.devices)))
                yield self._entry("Condition", subject, f"{patient}-{place}", code, ordered)
            elif draw.random() < 0.5:
                plain = (LOCAL, "C123") if draw.random() < 0.02 else (ICD, draw.choice(_PLAIN_CONDITIONS))
                yield self._entry("Condition", subject, f"{patient}-{place}", plain, ordered)
            else:
                code = (CPT, draw.choice(_PLAIN_PROCEDURES))
                yield self._entry("Procedure", subject, f"{patient}-{place}", code, ordered)

    def _moment(self) -> datetime:
        day = _FIRST + timedelta(days=self._random.randrange(_DAYS))
        return datetime(day.year, day.month, day.day, 7, tzinfo=UTC) + timedelta(minutes=self._random.randrange(660))

    def _mark(self) -> str:
        """Return a mark that occurs once, as what identifies a person does."""
        self._count += 1
        return f"CANARY{self._count:07}"

    def _order(self, subject: Json, own_id: str, ordered: datetime) -> Json:
        draw = self._random
        listed = _ORDERS if self._monitored == 1 or draw.random() < self._monitored else _OTHER_ORDERS
        system, code, name, _ = draw.choices(listed, [row[3] for row in listed])[0]
        order: dict[str, Any] = {
            "resourceType": "ServiceRequest",
            "id": own_id,
            "status": "entered-in-error" if draw.random() < 0.01 else "completed",
            "intent": "order",
            "code": {"coding": [{"system": system, "code": code, "display": name}], "text": name},
            "subject": subject,
            "encounter": {"reference": f"Encounter/{own_id}"},
            "authoredOn": ordered.date().isoformat() if draw.random() < 0.1 else ordered.isoformat(),
            "requester": {"reference": f"Practitioner/d{draw.randrange(150)}"},
            "locationReference": [{"reference": f"Location/l{draw.randrange(12)}"}],
        }
        if reason := draw.choice(_REASONS):
            order["reasonCode"] = [{"text": reason}]
        if self._canaries:
            order["id"] = self._mark()
            order["identifier"] = [{"system": self._mark(), "value": self._mark()}]
            order["encounter"] = {"reference": f"Encounter/{self._mark()}", "display": self._mark()}
            order["requester"] = {"reference": f"Practitioner/{self._mark()}", "display": self._mark()}
            order["locationReference"] = [{"reference": f"Location/{self._mark()}", "display": self._mark()}]
            order["note"] = [{"text": self._mark()}]
            order["reasonCode"] = [{"text": f"{reason} {self._mark()}"}]
            if draw.random() < _ODD_ORDERS:
                order["code"] = {"coding": [{"system": self._mark(), "code": self._mark(), "display": self._mark()}]}
                order["code"]["text"] = f"MRI lumbar spine {self._mark()}"
        return order

    def _entry(self, kind: str, subject: Json, own_id: str, code: tuple[str, str], ordered: datetime) -> Json:
        draw = self._random
        days = -draw.randrange(1, 300) if draw.random() < _LATER else draw.randrange(0, 2500)
        recorded = ordered - timedelta(days=days, minutes=draw.randrange(300))
        stated = recorded.date().isoformat() if draw.random() < _DAY_ONLY else recorded.isoformat()
        entry: dict[str, Any] = {
            "resourceType": kind,
            "id": own_id,
            "meta": {
                "lastUpdated": "2026-01-05T04:12:09.123Z",
                "profile": [f"http://hl7.org/fhir/us/core/{kind.lower()}"],
            },
            "identifier": [{"system": "urn:oid:1.2.840.114350.1.13.0.1.7.2.768076", "value": own_id}],
            "subject": subject,
            "encounter": {
                "reference": f"Encounter/e{own_id}",
                "identifier": {"system": "urn:oid:1.2.3", "value": own_id},
            },
            "code": {
                "coding": [{"system": code[0], "code": code[1], "display": "A name of the code, as exports have it"}]
            },
        }
        if kind == "Condition":
            entry["clinicalStatus"] = {"coding": [{"code": draw.choice(("active", "resolved"))}]}
            entry["verificationStatus"] = {"coding": [{"code": "confirmed"}]}
            entry["category"] = [{"coding": [{"code": "problem-list-item", "display": "Problem List Item"}]}]
        else:
            entry["status"] = draw.choice(("completed", "completed", "not-done"))
        if draw.random() >= _UNDATED:
            entry["recordedDate" if kind == "Condition" else "performedDateTime"] = stated
        if self._canaries:
            entry |= {"id": self._mark(), "note": [{"text": self._mark()}], "encounter": {"reference": self._mark()}}
            entry["code"]["text"] = self._mark()
            if draw.random() < _ODD_ENTRIES:
                entry["code"]["coding"][0] |= {"system": self._mark(), "display": f"prostate cancer {self._mark()}"}
        return entry


def generate(
    folder: Path, orders: int, entries: int, seed: int, *, monitored: float = 1, canaries: bool = False
) -> int:
    """Write an export with at least so many orders, and return how many patients it has."""
    generator, written, number = Generator(entries, seed, monitored=monitored, canaries=canaries), 0, 0
    with _Files(folder) as files:
        while written < orders:
            for resource in generator.patient(number):
                files.write(resource)
                written += resource["resourceType"] == "ServiceRequest"
            number += 1
    return number


class _Files:
    """The files of an export, each of one type and so many lines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: dict[str, int] = {}
        self._open: dict[str, TextIO] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._open.values():
            stream.close()

    def write(self, resource: Json) -> None:
        """Append a resource to the file of its type."""
        kind = resource["resourceType"]
        count = self._lines.get(kind, 0)
        if count % _FILE_LINES == 0:
            if kind in self._open:
                self._open[kind].close()
            name = f"{kind}.{count // _FILE_LINES:03}.ndjson"
            self._open[kind] = (self._folder / name).open("w", encoding="utf-8")
        self._open[kind].write(json.dumps(resource, separators=(",", ":")) + "\n")
        self._lines[kind] = count + 1


def main() -> None:
    """Write an export as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--entries", type=int, default=30, help="of a chart, on average")
    parser.add_argument("--monitored", type=float, default=100, help="percent of the orders that may be monitored")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--canaries", action="store_true")
    options = parser.parse_args()
    patients = generate(
        options.folder,
        options.orders,
        options.entries,
        options.seed,
        monitored=options.monitored / 100,
        canaries=options.canaries,
    )
    print(f"{options.folder}: {patients:,} patients")


if __name__ == "__main__":
    main()

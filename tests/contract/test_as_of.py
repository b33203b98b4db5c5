"""A decision as of an earlier day: what came to the record later is left out, and an old day alone warns."""

import io
import json
import sys
from datetime import date

import pytest

from cds_service.cli import main
from cds_service.decision.as_of import as_of

DAY = date(2024, 6, 1)


def bundle(*resources, **members):
    """Return a searchset of resources."""
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries, **members}


def condition(**dates):
    """Return a Condition with these dates."""
    return {"resourceType": "Condition", "subject": {"reference": "Patient/p"}, **dates}


def procedure(**dates):
    """Return a Procedure with these dates."""
    return {"resourceType": "Procedure", "subject": {"reference": "Patient/p"}, **dates}


@pytest.mark.parametrize(
    ("entry", "stays"),
    [
        (condition(recordedDate="2024-05-31"), True),
        (condition(recordedDate="2024-06-01T23:00:00Z"), True),
        (condition(recordedDate="2024-06-02"), False),
        (condition(recordedDate="2024-06-02", onsetDateTime="2010"), False),
        (condition(onsetDateTime="2024-07"), False),
        (condition(onsetDateTime="2024-06"), True),
        (condition(onsetPeriod={"start": "2025-01-01"}), False),
        (condition(), True),
        (condition(recordedDate=7), True),
        (procedure(performedDateTime="2024-06-02"), False),
        (procedure(performedPeriod={"start": "2024-05-01", "end": "2024-08-01"}), True),
        (procedure(), True),
        ({"resourceType": "Encounter", "period": {"start": "2024-06-02"}}, False),
        ({"resourceType": "Encounter", "period": {"start": "2024-05-01", "end": "2024-08-01"}}, True),
        ({"resourceType": "ServiceRequest", "authoredOn": "2024-06-02"}, False),
        ({"resourceType": "ServiceRequest", "authoredOn": "2024-06-01", "occurrenceDateTime": "2024-08-01"}, True),
        ({"resourceType": "DiagnosticReport", "effectiveDateTime": "2024-05-01", "issued": "2024-06-02"}, False),
        ({"resourceType": "DiagnosticReport", "effectiveDateTime": "2024-05-01"}, True),
        ({"resourceType": "Patient", "birthDate": "2030-01-01"}, True),
        ({}, True),
    ],
)
def test_what_came_later_is_left_out(entry, stays):
    """An entry stays if it was recorded, else began, by the day; one without a date stays, too."""
    body, left_out = as_of({"prefetch": {"x": bundle(entry, total=1)}}, DAY)
    assert (len(body["prefetch"]["x"]["entry"]), left_out, body["prefetch"]["x"]["total"]) == (
        (1, 0, 1) if stays else (0, 1, 0)
    )


@pytest.mark.parametrize("body", [None, [], {}, {"prefetch": None}, {"prefetch": {"a": None, "b": [1], "c": {}}}])
def test_odd_bodies_stay_as_they_are(body):
    """A body without entries is as it was."""
    assert as_of(body, DAY) == (body, 0)


def run(monkeypatch, capsys, *arguments):
    """Run `decide` on a call with an old cancer and a later pacemaker, and return what it printed."""
    order = {
        "resourceType": "ServiceRequest",
        "id": "o",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "72148"}]},
    }
    icd = "http://hl7.org/fhir/sid/icd-10-cm"
    cancer = condition(code={"coding": [{"system": icd, "code": "C61"}]}, recordedDate="2023-01-01")
    pacemaker = condition(code={"coding": [{"system": icd, "code": "Z95.0"}]}, recordedDate="2025-01-01")
    body = {
        "hook": "order-select",
        "hookInstance": "1",
        "context": {"patientId": "p", "draftOrders": bundle(order), "selections": ["ServiceRequest/o"]},
        "prefetch": {"conditions": bundle(cancer, pacemaker), "procedures": bundle()},
    }
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(body).encode())))
    assert main(["decide", "-", *arguments]) == 0
    return capsys.readouterr()


def test_decide_as_of_a_day(monkeypatch, capsys):
    """`decide --as-of` leaves out the later pacemaker, and says how many entries it left out."""
    printed = run(monkeypatch, capsys, "--as-of", DAY.isoformat())
    assert "Prostate cancer" in printed.out
    assert "to be checked before an MRI" not in printed.out
    assert "left out: 1" in printed.err


def test_a_past_day_alone_warns(monkeypatch, capsys):
    """`decide --today` in the past reads the record as it is, and warns of what came later."""
    printed = run(monkeypatch, capsys, "--today", DAY.isoformat())
    assert "to be checked before an MRI" in printed.out
    assert "Warning" in printed.err
    assert "--as-of" in printed.err

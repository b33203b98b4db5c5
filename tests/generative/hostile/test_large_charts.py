"""A chart of 1,500 entries that do not matter is answered as the small chart within it."""

import json

import pytest

from tests.generative.hostile.fuzzing import Service
from tests.generative.hostile.short_cuts import answered, path_of
from tests.support.notation import call, concept, rows
from tests.support.service import TODAY

VIGNETTES = [call(row, TODAY) for row in rows("vignettes.csv")]
PREFETCHED = {"conditions": "Condition", "procedures": "Procedure"}
OF_NO_MATTER = {
    "Condition": [
        {"code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}},
        {"code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"}]}},
        {"code": {"text": "father had prostate cancer"}},
        {"code": {"text": "no weakness of the left leg"}},
        {},
        {"code": concept("prostate cancer"), "verificationStatus": {"coding": [{"code": "refuted"}]}},
        {"code": concept("prostate cancer"), "subject": {"reference": "Patient/somebody-else"}},
    ],
    "Procedure": [
        {"status": "completed", "code": {"coding": [{"system": "http://loinc.org", "code": "0-0"}]}},
        {"status": "completed", "code": {"text": "colonoscopy"}},
        {"status": "not-done", "code": {"text": "radiotherapy of the pelvis"}},
        {"status": "not-done", "code": concept("radiotherapy course")},
        {"status": "completed", "code": concept("radiotherapy course"), "subject": {"reference": "Patient/q"}},
    ],
}
AROUND = 750


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Yield the service, called in this process."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('large')}/store.sqlite3")
    yield service
    service.stop()


def in_a_large_chart(call):
    """Return a call with many entries that do not matter, half of them before and half after each that it has."""
    bundles, subject = {}, {"reference": f"Patient/{call['context']['patientId']}"}
    for key, kind in PREFETCHED.items():
        some = OF_NO_MATTER[kind]
        bulk = [
            {"resource": {"resourceType": kind, "id": f"bulk{n}", "subject": subject} | some[n % len(some)]}
            for n in range(AROUND)
        ]
        bundle = call["prefetch"][key]
        bundles[key] = bundle | {"entry": [*bulk[: AROUND // 2], *bundle["entry"], *bulk[AROUND // 2 :]]}
    return call | {"prefetch": call["prefetch"] | bundles}


def uncounted(answer):
    """Return an answer and its log line without the counts of entries."""
    status, content, lines = answer
    counts = [line.pop("counts") for line in lines]
    for line in lines:  # the large chart has Conditions that can be read
        line["reasons"] = ["no_history" if reason == "not_readable" else reason for reason in line["reasons"]]
    return (status, content, lines), [count.get("conditions", 0) + count.get("procedures", 0) for count in counts]


@pytest.mark.parametrize("part", range(4))
def test_a_large_chart_of_no_matter(part, service):
    """1,500 entries that do not matter around those of the clinical table change nothing but the counts of entries."""
    statuses = set()
    for vignette in VIGNETTES[part::16]:
        small, few = uncounted(answered(service, json.dumps(vignette), path_of(vignette)))
        large, many = uncounted(answered(service, json.dumps(in_a_large_chart(vignette)), path_of(vignette)))
        assert large == small
        assert [more > 1000 for more in many] == [bool(some) or more > 0 for some, more in zip(few, many, strict=True)]
        statuses.add((small[0], b'"uuid"' in small[1]))
    assert {(200, True), (200, False)} <= statuses

"""What the FHIR server does wrong is counted by kind, and the time that it takes is a phase of its own."""

import pytest

from tests.support.hook_calls import entries, hook_call, reading
from tests.support.metric_series import rises
from tests.support.odd_server import answers, holds, odd_server, repeats, sends, stalls

FAULTS = {
    "read": holds(*entries("prostate cancer")),
    "refused": answers({}, 401),
    "not_answered": answers({}, 500),
    "not_json": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"),
    "not_a_bundle": answers([]),
    "unreachable": sends(b""),
    "too_large": repeats(b"HTTP/1.1 200 OK\r\n\r\n[", b" " * 65536),
    "too_slow": stalls(),
    "outside": holds(next_url="http://127.0.0.1:1/fhir/Condition?page=2"),
    "too_many_pages": lambda stage: holds(next_url=f"Condition?page={stage.request.page + 1}")(stage),
    "reported": answers(
        {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal"}]}}],
        }
    ),
}


@pytest.fixture(scope="module", name="odd")
def an_odd_server():
    """Run a server that answers as a test says."""
    with odd_server() as server:
        yield server


@pytest.fixture(scope="module", name="service")
def a_service(odd, knowledge):
    """Serve the application with low limits."""
    with reading(knowledge, odd.url, fetch_megabytes=1, fetch_pages=2, fetch_seconds=1.5) as client:
        yield client


@pytest.mark.parametrize(("outcome", "play"), FAULTS.items(), ids=FAULTS)
def test_searches(outcome, play, odd, service):
    """Each search counts by its outcome, and the two of a call are one phase."""
    odd.stages(play, holds())
    rise = rises(service, lambda: service.post(hook_call(odd.url)), "fetch", "phase_seconds_count")
    assert {name: count for name, count in rise.items() if name.startswith("fetch")} == {
        f"fetch{{key=conditions,outcome={outcome}}}": 1,
        "fetch{key=procedures,outcome=read}": 1,
    }
    assert rise["phase_seconds_count{phase=fetch}"] == 1


@pytest.mark.parametrize(
    ("server", "outcome"), [(None, "no_server"), ("https://not-listed.example/fhir", "not_listed")]
)
def test_no_search(server, outcome, service):
    """A server that is not named or not listed is an outcome, too."""
    rise = rises(service, lambda: service.post(hook_call(server)), "fetch")
    assert rise == {f"fetch{{key={key},outcome={outcome}}}": 1 for key in ("conditions", "procedures")}


def test_the_time_of_a_search_is_not_that_of_the_decision(odd, service):
    """A slow FHIR server shows in the phase `fetch` alone."""
    odd.stages(stalls(), stalls())
    rise = rises(service, lambda: service.post(hook_call(odd.url)), "phase_seconds_sum")
    assert rise["phase_seconds_sum{phase=fetch}"] > 1.4 > rise["phase_seconds_sum{phase=decide}"]

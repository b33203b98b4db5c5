"""Feedback as clients see it (CDS Hooks 2.0.1, Feedback); tests/store proves what is kept of it."""

import pytest

from tests.spec.body_checks import outcome_faults
from tests.support.corpus import call
from tests.support.service import ORDER_SELECT, ORDER_SIGN

ACCEPTED = {
    "card": "44dcbf3e-a90e-4503-8bd0-eb24a7bbe9e4",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "31be72f8-8cd2-4bc6-bbde-9cdab1f09b14"}],
    "outcomeTimestamp": "2026-11-22T08:30:00Z",
}
OVERRIDDEN = {
    "card": "44dcbf3e-a90e-4503-8bd0-eb24a7bbe9e4",
    "outcome": "overridden",
    "overrideReason": {
        "reason": {"code": "other", "system": "urn:plexus-cds:override-reason"},
        "userComment": "Mrs Doe declines",
    },
    "outcomeTimestamp": "2026-11-22T08:30:00.000Z",
}


def send(service, body, path=ORDER_SELECT):
    """POST feedback on a service."""
    return service.post(body, f"{path}/feedback")


@pytest.mark.requirement("F-01", broken="404 or 405")
@pytest.mark.requirement("F-02", broken="422 for a good report")
@pytest.mark.requirement("F-10", broken="a body that is no JSON, or a status other than 200")
@pytest.mark.parametrize("path", [ORDER_SELECT, ORDER_SIGN])
@pytest.mark.parametrize("report", [ACCEPTED, OVERRIDDEN], ids=["accepted", "overridden"])
def test_feedback_is_taken(report, path, service):
    """A report on a card is answered with 200 and a JSON object, on each service."""
    response = send(service, {"feedback": [report]}, path)
    assert (response.status_code, response.json()) == (200, {})


@pytest.mark.requirement("F-01", broken="a report on a card as it was given is refused")
def test_a_real_card_is_reported(service):
    """The UUIDs of a card and of its suggestion come back as the report of its acceptance."""
    (card,) = service.cards(call())
    taken = [{"id": card["suggestions"][0]["uuid"]}]
    report = ACCEPTED | {"card": card["uuid"], "acceptedSuggestions": taken}
    assert send(service, {"feedback": [report]}).status_code == 200


@pytest.mark.requirement("F-08", broken="an error at the second report")
def test_reports_may_repeat(service):
    """Several reports, on one card or on several, also come in one request and come again."""
    body = {"feedback": [ACCEPTED, OVERRIDDEN, ACCEPTED | {"card": "another card"}]}
    assert [send(service, body).status_code for _ in range(2)] == [200, 200]


@pytest.mark.requirement("F-02", broken="422 for the report of a HAPI client, which comes without the list")
@pytest.mark.parametrize("body", [ACCEPTED, {"feedback": ACCEPTED}], ids=["by itself", "in place of the list"])
def test_a_single_report_is_taken(body, service):
    """A report that is not in a list is taken too."""
    assert send(service, body).status_code == 200


VARIANTS = [
    pytest.param(change, marks=pytest.mark.requirement(requirement, broken="422 or 500"), id=f"{requirement} {change}")
    for requirement, change in (
        ("F-03", {"card": None}),
        ("F-04", {"outcome": "ignored"}),
        ("F-04", {"outcome": 5}),
        ("F-05", {"acceptedSuggestions": []}),
        ("F-06", {"overrideReason": {"reason": {"code": "other"}}}),
        ("F-06", {"overrideReason": None}),
        ("F-06", {"overrideReasons": [{"extension": {"reasonDisplay": "The patient declines"}}]}),
        ("F-07", {"outcomeTimestamp": "2026-11-22T09:30:00+01:00"}),
        ("F-07", {"outcomeTimestamp": None}),
    )
]


@pytest.mark.parametrize("change", VARIANTS)
def test_an_odd_report_does_no_harm(change, service):
    """Members of a report that are odd or missing are tolerated."""
    assert send(service, {"feedback": [ACCEPTED | change]}).status_code == 200


@pytest.mark.requirement("F-04", broken="500 for an outcome that cannot be counted")
@pytest.mark.parametrize("outcome", [[], {}, ["accepted"]], ids=str)
def test_an_outcome_that_is_no_text_does_no_harm(outcome, service):
    """An outcome of another type is counted as unusable."""
    assert send(service, {"feedback": [ACCEPTED | {"outcome": outcome}]}).status_code == 200


@pytest.mark.requirement("F-02", broken="200, or 500")
@pytest.mark.parametrize("body", [{}, [], {"feedback": {}}, {"feedback": ["accepted"]}, {"feedback": 5}], ids=str)
def test_what_is_no_feedback_is_422(body, service):
    """JSON that is no feedback is answered 422."""
    response = send(service, body)
    assert (response.status_code, outcome_faults(response)) == (422, [])


@pytest.mark.requirement("F-02", broken="500")
def test_feedback_that_is_no_json_is_400(service):
    """A body that is not JSON is answered 400."""
    response = send(service, b"{")
    assert (response.status_code, outcome_faults(response)) == (400, [])


@pytest.mark.requirement("D-12", broken="200 for feedback to nobody")
def test_feedback_to_an_unknown_service_is_404(service):
    """Feedback needs a service that there is."""
    response = send(service, {"feedback": [ACCEPTED]}, "/cds-services/unknown")
    assert (response.status_code, outcome_faults(response)) == (404, [])


@pytest.mark.requirement("F-06", broken="a comment of a clinician, which may name a patient, in the log")
def test_comments_are_never_logged(service, caplog):
    """Of a report, its outcome alone is logged."""
    caplog.set_level("INFO", "plexus_cds")
    send(service, {"feedback": [OVERRIDDEN]})
    assert "overridden" in caplog.text
    assert "Doe" not in caplog.text
    assert OVERRIDDEN["card"] not in caplog.text

"""Calls of the playground are no calls of an EHR, and /metrics counts them apart."""

import pytest

from tests.integration.test_metrics import CANARY, COUNTERS, TIMES, asking
from tests.support.metric_series import rises
from tests.support.service import ORDER_SELECT

TRIALS = {
    "card": (asking(), ORDER_SELECT, "card"),
    "no record": (asking(prefetch={}), ORDER_SELECT, "record"),
    "not JSON": (b"{", ORDER_SELECT, "not_json"),
    "unknown service": (asking(), f"/cds-services/{CANARY}", "unknown_service"),
    "feedback": ({"feedback": []}, f"{ORDER_SELECT}/feedback", "feedback"),
    "no feedback": ({"feedback": 5}, f"{ORDER_SELECT}/feedback", "feedback"),
}


@pytest.mark.parametrize(("body", "path", "outcome"), TRIALS.values(), ids=TRIALS)
def test_trials_of_the_playground(body, path, outcome, service):
    """What the playground sends is counted as a trial by its outcome, and by nothing else: it is no call of an EHR."""
    sent = {"data": body} if isinstance(body, bytes) else {"json": body}
    headers = {"X-Plexus-CDS-Client": "playground", "Content-Type": "application/json"}
    post = service.session.post
    rise = rises(service, lambda: post(service.base + path, headers=headers, timeout=10, **sent), *COUNTERS, *TIMES)
    assert rise == {f"trials{{outcome={outcome}}}": 1}

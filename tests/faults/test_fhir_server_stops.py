"""The FHIR server ends, hangs and comes back while calls wait for it: each call has its answer within the deadline."""

import os
import signal
import threading
import time

import pytest

from cds_service import examples
from cds_service.clock import SYSTEM_CLOCK
from tests.faults.load import until
from tests.support.fhir_server import FhirServer, fhir_server
from tests.support.hook_calls import TOKEN, hook_call, why
from tests.support.odd_server import odd_server
from tests.support.serving import example, granian

DEADLINE, SLACK = 2.0, 3.0
"""Seconds; the slack is for a busy machine, and far less than the time for which a server may hang."""
TOO_SLOW, CUT_OFF = "the FHIR server did not answer in time", "the FHIR server could not be reached"


@pytest.fixture(name="ehr")
def a_fhir_server(tmp_path):
    """Run a FHIR server with the article's patient."""
    with fhir_server(tmp_path, TOKEN) as server:
        server.put(
            "article",
            [entry["resource"] for entry in examples.example("patients", "article", SYSTEM_CLOCK.today())["entry"]],
        )
        yield server


def article(server: FhirServer) -> dict:
    """Return a call whose whole record is to be read."""
    return hook_call(server.url, patient_id="article")


def test_it_hangs_and_goes_on(ehr):
    """A server that hangs costs a call its deadline and gets it a 412; a call that needs nothing of it has its card."""
    with granian("--development", fhir_servers=ehr.url, fetch_seconds=str(DEADLINE)) as server:
        assert len(server.client.cards(article(ehr))) == 1
        os.kill(ehr.process.pid, signal.SIGSTOP)
        began = time.monotonic()
        assert TOO_SLOW in why(server.client.post(article(ehr)))
        assert DEADLINE <= time.monotonic() - began < DEADLINE + SLACK
        assert len(server.client.cards(example())) == 1
        os.kill(ehr.process.pid, signal.SIGCONT)
        assert len(server.client.cards(article(ehr))) == 1


def test_it_is_killed_and_starts_again(ehr):
    """A server that is gone is named by the 412, without waiting; its replacement is read again."""
    with granian("--development", fhir_servers=ehr.url) as server:
        assert len(server.client.cards(article(ehr))) == 1
        ehr.process.kill()
        ehr.process.wait()
        assert CUT_OFF in why(server.client.post(article(ehr)))
        ehr.start()
        ehr.wait_until_it_answers()
        assert len(server.client.cards(article(ehr))) == 1


def test_it_ends_while_a_call_waits():
    """A call that waits when its connections are cut is answered then, and does not wait for the deadline."""
    with odd_server() as odd, granian("--development", fhir_servers=odd.url, fetch_seconds="60") as server:
        ends, responses = threading.Event(), []
        odd.stages(*[lambda _: ends.wait()] * 2)
        call = threading.Thread(target=lambda: responses.append(server.client.post(hook_call(odd.url))))
        call.start()
        until(lambda: len(odd.requests) == 2)
        ends.set()
        call.join()
    assert CUT_OFF in why(responses[0])

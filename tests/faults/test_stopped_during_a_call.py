"""The server is told to stop while it works on a call: that is answered, all is written, and the server ends."""

import os
import signal
import threading
import time

import pytest
import requests

from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, DECISIONS
from tests.faults.load import until
from tests.support.databases import rows
from tests.support.hook_calls import entries, hook_call, why
from tests.support.odd_server import OddServer, holds, odd_server
from tests.support.serving import Server, granian

CANCER = entries("prostate cancer")
SECONDS = 6
"""The deadline for reading a record, which is not the default: a stop has to wait for this one."""
ENDS_IN = 60.0


class InWork:
    """A call that waits for the FHIR server, until a test lets that answer."""

    def __init__(self, server: Server, ehr: OddServer) -> None:
        self.may_answer, self.responses = threading.Event(), []
        ehr.stages(condition=self._late, procedure=holds())
        call = hook_call(ehr.url)
        self._thread = threading.Thread(target=lambda: self.responses.append(server.client.post(call)))
        self._thread.start()
        until(lambda: len(ehr.requests) == 2)

    def answer(self) -> requests.Response:
        """Return what was answered to the call."""
        self._thread.join()
        [response] = self.responses
        return response

    def _late(self, stage) -> None:
        self.may_answer.wait(ENDS_IN)
        holds(*CANCER)(stage)


@pytest.fixture
def ehr():
    """Run a FHIR server that answers as a test says."""
    with odd_server() as server:
        yield server


STOPS = {
    "SIGTERM to the parent": (signal.SIGTERM, os.kill),
    "SIGTERM to all": (signal.SIGTERM, os.killpg),
    "Ctrl-C": (signal.SIGINT, os.killpg),
}


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("number", "send"), STOPS.values(), ids=STOPS)
def test_the_call_in_work_is_answered(number, send, ehr, empty_url, empty_store):
    """The call that was in work gets its card, which is in the store when the server has ended, and so is the count."""
    migrate(empty_store)
    with granian("--development", fhir_servers=ehr.url, store_url=empty_url) as server:
        in_work = InWork(server, ehr)
        send(server.process.pid, number)
        time.sleep(0.5)
        in_work.may_answer.set()
        [card] = in_work.answer().json()["cards"]
        assert server.process.wait(ENDS_IN) == 0, server.errors()
        assert not server.left_over()
    assert [row.uuid for row in rows(empty_store, CARDS)] == [card["uuid"]]
    assert [row.outcome for row in rows(empty_store, DECISIONS)] == ["card"]


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
def test_a_record_that_never_comes(ehr, empty_url, empty_store):
    """A call may use the whole of its deadline while the server stops: it is answered, and counted, not cut off."""
    migrate(empty_store)
    settings = {"fhir_servers": ehr.url, "store_url": empty_url, "fetch_seconds": str(SECONDS)}
    with granian("--development", **settings) as server:
        in_work = InWork(server, ehr)
        os.kill(server.process.pid, signal.SIGTERM)
        assert "did not answer in time" in why(in_work.answer())
        in_work.may_answer.set()
        assert server.process.wait(ENDS_IN) == 0, server.errors()
    assert [row.outcome for row in rows(empty_store, DECISIONS)] == ["refused"]

"""The service under test: an application that is served, a stopped clock, and a client that calls as an EHR does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time

import requests
from werkzeug.serving import make_server

from cds_service.clock import Clock
from tests.support.in_process import ADAPTER, HOST

TODAY = date(2026, 11, 22)
"""Of every application in this process; one in another process has the machine's day: see serving.py."""
ORDER_SELECT = "/cds-services/lumbosacral-plexus-mri-order-select"
ORDER_SIGN = "/cds-services/lumbosacral-plexus-mri-order-sign"
EXPLANATIONS = "/playground/explanations/lumbosacral-plexus-mri-order-select"
STOPS_WITHIN = 0.02
"""Seconds that a server looks for a shutdown after; at werkzeug's own half second the tests mostly wait for it."""


def clock_on(day: date) -> Clock:
    """Return a clock that has stopped, at noon: in UTC, so that the day is the same wherever the tests run."""
    return Clock(lambda: datetime.combine(day, time(12), UTC), UTC)


CLOCK = clock_on(TODAY)


@contextmanager
def serving(app) -> Iterator[str]:
    """Serve a WSGI application on a free port of this machine; yields its base URL."""
    if ADAPTER.is_on:
        yield ADAPTER.base(app)
        return
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=[STOPS_WITHIN], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Client:
    """Calls one running service as an EHR would."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False
        if base.endswith(HOST):
            self.session.mount("http://", ADAPTER)

    def get(self, path: str, **options) -> requests.Response:
        """GET a path of the service."""
        return self.session.get(self.base + path, timeout=10, **options)

    def post(self, body, path: str = ORDER_SELECT) -> requests.Response:
        """POST a body as JSON, or bytes as they are."""
        options = {"data": body} if isinstance(body, bytes) else {"json": body}
        headers = {"Content-Type": "application/json"}
        return self.session.post(self.base + path, headers=headers, timeout=10, **options)

    def cards(self, body, path: str = ORDER_SELECT) -> list:
        """POST a call and return the cards of its answer, which must be a 200."""
        response = self.post(body, path)
        assert response.status_code == 200, response.text
        return response.json()["cards"]


def explained(client: Client, call: dict, path: str = EXPLANATIONS) -> dict:
    """POST a call to the playground and return its explanation, which must be a 200."""
    response = client.post(call, path)
    assert response.status_code == 200, response.text
    return response.json()


_AT_ANY_MOMENT = "store_write_failed"


def log_lines(caplog, event: str = "") -> list[dict]:
    """Return the lines that the services of this process logged, or those of one event.

    Without an event those of a recorder that cannot write are left out: its thread logs at any moment, and it may be
    that of another test.
    """
    records = [record for record in caplog.records if record.name == "plexus_cds"]
    lines = [json.loads(line) for record in records for line in record.getMessage().split("\n")]
    return [line for line in lines if line["event"] == event or (not event and line["event"] != _AT_ANY_MOMENT)]


@contextmanager
def without_lines_of_store(caplog) -> Iterator[None]:
    """Leave out the lines of the recorder, whose thread writes them at any moment: these services have no tables.

    The handler is the same for all tests of a process, so the filter goes again.
    """
    with caplog.filtering(lambda record: f'"{_AT_ANY_MOMENT}"' not in record.getMessage()):
        yield

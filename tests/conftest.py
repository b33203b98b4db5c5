"""A real server over HTTP, on a fixed day, for all tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time

import pytest
import requests
from in_process import ADAPTER, HOST, check_once, knowledge_read_once, switch_on
from werkzeug.serving import make_server

from cds_service.clock import Clock
from cds_service.settings import Settings
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.web.app import create_app

pytest_plugins = ["databases", "authenticating", "doors"]

TODAY = date(2026, 11, 22)
"""Of every application in this process; one in another process has the machine's day: see serving.py."""
ORDER_SELECT = "/cds-services/lumbosacral-plexus-mri-order-select"
ORDER_SIGN = "/cds-services/lumbosacral-plexus-mri-order-sign"


def clock_on(day: date) -> Clock:
    """Return a clock that has stopped, at noon: in UTC, so that the day is the same wherever the tests run."""
    return Clock(lambda: datetime.combine(day, time(12), UTC), UTC)


CLOCK = clock_on(TODAY)


def pytest_addoption(parser) -> None:
    """Know the option for runs that are to be quick."""
    parser.addoption("--in-process", action="store_true", help="call the service without sockets, for mutation runs")


def pytest_configure(config) -> None:
    """Check equal knowledge once, and do as the option says."""
    check_once()
    if config.getoption("--in-process"):
        switch_on()


@contextmanager
def serving(app) -> Iterator[str]:
    """Serve a WSGI application on a free port of this machine; yields its base URL."""
    if ADAPTER.is_on:
        yield ADAPTER.base(app)
        return
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
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


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory) -> Iterator[None]:
    """Keep the embedded store of every test, and of every server that one starts, in a folder of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        migrate(Store())
        yield


@pytest.fixture(scope="session")
def knowledge():
    """Return the package's own knowledge."""
    return knowledge_read_once()


@pytest.fixture(scope="session")
def app(knowledge):
    """Return the application on a fixed day, in development mode, without any FHIR server."""
    return create_app(Settings(development=True), knowledge, clock=CLOCK)


@pytest.fixture(scope="session")
def service(app) -> Iterator[Client]:
    """Yield a client of the application on a real socket."""
    with serving(app) as base:
        yield Client(base)

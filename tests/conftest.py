"""Fixtures of all tests: the knowledge, the application on a fixed day, and a client of it."""

import gc
import os
from collections.abc import Iterator

import pytest

from cds_service.config.settings import PREFIX, Settings
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.web.app import create_app
from tests.support.collected_tests import Collection
from tests.support.in_process import check_once, knowledge_read_once, switch_on
from tests.support.service import CLOCK, Client, serving

pytest_plugins = [
    "tests.support.token_verifier",
    "tests.support.databases",
    "tests.support.authenticated_service",
]


def pytest_addoption(parser) -> None:
    """Know the option for runs that are to be quick."""
    parser.addoption("--in-process", action="store_true", help="call the service without sockets, for mutation runs")
    parser.addoption("--sockets", action="store_true", help="call the service over real connections everywhere")


def pytest_configure(config) -> None:
    """Check equal knowledge once, and do as the option says."""
    config.pluginmanager.register(Collection(), Collection.__name__)
    check_once()
    if config.getoption("--in-process"):
        switch_on()


def pytest_collection_finish() -> None:
    """Leave what is there by now out of garbage collections, which otherwise take a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory) -> Iterator[None]:
    """Keep the store of every test and server in a folder of this run, and the settings of the machine out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        migrate(Store())
        yield


@pytest.fixture(scope="session")
def all_tests(pytestconfig) -> list[dict]:
    """Return all tests, those too that this run leaves out."""
    return pytestconfig.pluginmanager.get_plugin(Collection.__name__).all_tests(pytestconfig)


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

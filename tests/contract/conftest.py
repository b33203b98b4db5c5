"""The contract is asked within this process, which is several times as fast; `--sockets` asks it over connections.

That the same answers go over real connections is for tests/spec and tests/integration.
"""

from collections.abc import Iterator

import pytest

from tests.support.in_process import ADAPTER
from tests.support.service import Client, serving, without_lines_of_store


@pytest.fixture(scope="module", autouse=True)
def without_sockets(pytestconfig) -> Iterator[None]:
    """Let the services of a module be called without sockets."""
    with pytest.MonkeyPatch.context() as patch:
        if not pytestconfig.getoption("--sockets"):
            patch.setattr(ADAPTER, "is_on", True)
        yield


@pytest.fixture(scope="session")
def service(app, pytestconfig) -> Iterator[Client]:
    """Yield a client of the application."""
    if pytestconfig.getoption("--sockets"):
        with serving(app) as base:
            yield Client(base)
    else:
        yield Client(ADAPTER.base(app))


@pytest.fixture(autouse=True)
def log_of_calls(caplog) -> Iterator[None]:
    """Let the log of a test be that of its calls."""
    with without_lines_of_store(caplog):
        yield

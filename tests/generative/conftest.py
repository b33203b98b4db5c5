"""Generated input goes untraced: tracing takes three quarters of its time, and other tests reach the same lines."""

from collections.abc import Iterator

import pytest

from tests.support.service import without_lines_of_store


@pytest.fixture(autouse=True)
def untraced(no_cover) -> None:
    """Let pytest-cov pause while a test of generated input runs."""


@pytest.fixture(autouse=True)
def log_of_calls(caplog) -> Iterator[None]:
    """Let the log of a test be that of its calls."""
    with without_lines_of_store(caplog):
        yield

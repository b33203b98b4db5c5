"""Generated input goes untraced: tracing takes three quarters of its time, and other tests reach the same lines."""

import pytest

from tests.support.service import drop_store_lines


@pytest.fixture(autouse=True)
def untraced(no_cover) -> None:
    """Let pytest-cov pause while a test of generated input runs."""


@pytest.fixture(autouse=True)
def without_store_lines(caplog) -> None:
    """Let the log of a test be that of its calls."""
    drop_store_lines(caplog)

"""A made-up hospital's export, of some thousand orders."""

from pathlib import Path

import pytest

from tools.generate_export import generate


@pytest.fixture(scope="session")
def hospital(tmp_path_factory) -> Path:
    """Return the export of a hospital with 3,000 orders."""
    folder = tmp_path_factory.mktemp("hospital")
    generate(folder, orders=3000, entries=12, seed=7)
    return folder

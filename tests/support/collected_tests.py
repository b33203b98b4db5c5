"""All tests there are, and the requirements that each cites, as the run itself has collected them.

A run of a part of the tests does not know the others: there a process of its own collects them.
`python -m tests.support.collected_tests` prints them as JSON.
"""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent


class Collection:
    """A pytest plugin that records what was collected, before any of it is deselected."""

    tests: list[dict]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests."""
        self.tests = described(items)

    def all_tests(self, config: pytest.Config) -> list[dict]:
        """Return all tests, those too that this run leaves out."""
        if has_all(config):
            return self.tests
        command = [sys.executable, "-m", __name__]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


def described(items: Sequence[pytest.Item]) -> list[dict]:
    """Return the node id, file and function of each test, and the requirements that it cites: (id, broken)."""
    return [
        {
            "node": item.nodeid,
            "file": item.path.relative_to(TESTS).as_posix(),
            "function": item.originalname,
            "requirements": [
                [mark.args[0], mark.kwargs.get("broken", "")] for mark in item.iter_markers("requirement")
            ],
        }
        for item in items
    ]


def collect() -> list[dict]:
    """Return all tests, collected in this process; SystemExit where they cannot be collected."""
    collection, output = Collection(), io.StringIO()
    with contextlib.redirect_stdout(output):
        status = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", str(TESTS)], plugins=[collection])
    if status != pytest.ExitCode.OK:
        sys.exit(f"The tests cannot be collected.\n{output.getvalue()}")
    return collection.tests


def has_all(config: pytest.Config) -> bool:
    """Return whether a run collects all tests; what it then deselects does not matter."""
    paths = {(config.invocation_params.dir / argument).resolve() for argument in config.args}
    return (
        not paths.isdisjoint({TESTS, ROOT}) and not config.getoption("ignore") and not config.getoption("ignore_glob")
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(collect()))

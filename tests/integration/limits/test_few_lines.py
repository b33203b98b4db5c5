"""A flood of calls without a good token: each is refused and counted, few have a line, and no number is lost."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.authenticated_service import LEAST, written
from tests.support.metric_series import series
from tests.support.service import ORDER_SELECT
from tests.support.serving import Server, granian

FLOOD, AT_ONCE = 400, 60


@pytest.fixture(name="server")
def a_server_with_a_client(tmp_path):
    """Run the server with a clients file."""
    with granian("--development", clients_file=str(written(tmp_path, LEAST))) as server:
        yield server


def refused(server: Server, token: str) -> bool:
    """Send a call with this token, and tell whether it is refused."""
    headers = {"Authorization": token}
    return server.client.session.post(server.client.base + ORDER_SELECT, headers=headers, timeout=10).status_code == 401


def refusal_lines(server: Server, check: str) -> list[dict]:
    """Return the lines on refusals by a check."""
    lines = [json.loads(line) for line in server.errors().splitlines() if line.startswith('{"time"')]
    return [line for line in lines if line.get("reason") == check]


def test_a_flood_of_refused_tokens(server):
    """The first ones have a line each, then one a second; the next line says how many had none, to the last one."""
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: refused(server, "Bearer x"), range(FLOOD)))
    seconds = time.monotonic() - began
    assert AT_ONCE <= len(refusal_lines(server, "malformed")) <= AT_ONCE + 1 + seconds
    assert refused(server, "")
    assert {line["suppressed"] for line in refusal_lines(server, "missing")} == {0}, (
        "another check has lines of its own"
    )
    time.sleep(1)
    assert refused(server, "Bearer x")
    lines = refusal_lines(server, "malformed")
    assert len(lines) + sum(line["suppressed"] for line in lines) == FLOOD + 1
    assert series(server.client)["refused{check=malformed}"] == FLOOD + 1


@pytest.mark.parametrize("path", ["/cds-services/a/b", "/cds-services/a/b/feedback"])
def test_a_flood_of_addresses_that_are_none(path, server):
    """Calls of what is no service, which need no token, have few lines, too; the metrics count each of a service."""
    for _ in range(FLOOD):
        assert server.client.session.post(server.client.base + path, timeout=10).status_code == 404
    lines = [line for line in server.errors().splitlines() if '"suppressed"' in line]
    assert AT_ONCE <= len(lines) < FLOOD / 2

"""The key server of a client hangs, ends and comes back: its calls are answered soon, and those of others at once."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.load import until
from tests.faults.signing_ehr import Ehr
from tests.support.authenticated_service import LEAST, written
from tests.support.odd_server import OddServer, odd_server, stalls
from tests.support.serving import granian
from tests.support.signing import ISSUER, key
from tests.support.token_verifier import has, write_clients

OTHER = "https://other.example.org"
PATIENCE, SLACK = 3.2, 3.0
"""Seconds for which a call waits for keys; the slack is for a busy machine, and far less than a server may hang."""
MANY, WAIT = 36, 8
"""Calls at once, of as many threads as there are; and how many of them may wait for a key server."""


@contextmanager
def service(folder: Path, keys: OddServer) -> Iterator[Ehr]:
    """Run the server with both clients."""
    written(folder, LEAST)
    known = [f'issuer = "{ISSUER}"\njwks_url = "{keys.root}/keys"', LEAST.replace(ISSUER, OTHER)]
    with granian("--development", clients_file=str(write_clients(folder, *known))) as server:
        yield Ehr(server)


@pytest.fixture(name="keys")
def a_key_server() -> Iterator[OddServer]:
    """Run a key server that a test plays with."""
    with odd_server() as server:
        yield server


def test_it_hangs_before_its_keys_are_known(tmp_path, keys):
    """A call is refused when its patience ends, the next at once; soon the server is asked again, once."""
    keys.plays = {"": stalls()}
    with service(tmp_path, keys) as ehr:
        began = time.monotonic()
        assert ehr.asked() == 401
        assert PATIENCE - 0.5 < time.monotonic() - began < PATIENCE + SLACK
        assert ehr.refused("keys_unreachable")
        assert (ehr.asked(), len(keys.requests)) == (401, 1)
        has(keys, key("ES384"))
        until(lambda: ehr.asked() == 200)
        assert len(keys.requests) == 1


def test_others_are_not_held_up(tmp_path, keys):
    """Of more calls than there are threads eight wait for the keys of their client; those of another are answered."""
    ends = threading.Event()
    keys.plays = {"": lambda _: ends.wait(PATIENCE)}
    with service(tmp_path, keys) as ehr, ThreadPoolExecutor(MANY) as pool:
        calls = [pool.submit(ehr.asked, number=number) for number in range(MANY)]
        until(lambda: sum(call.done() for call in calls) >= MANY - WAIT)
        assert [ehr.asked(OTHER) for _ in range(10)] == [200] * 10
        assert sum(not call.done() for call in calls) == WAIT
        ends.set()
        assert {call.result() for call in calls} <= {401, 503}
        assert ehr.refused("keys_unreachable")
        assert len(keys.requests) == 1


def test_it_is_gone_with_its_keys_known(tmp_path):
    """The keys that were read go on, while the server is gone; a key that it never showed is refused."""
    with ExitStack() as there:
        keys = there.enter_context(odd_server())
        has(keys, key("ES384"))
        with service(tmp_path, keys) as ehr:
            assert ehr.asked() == 200
            there.close()
            assert [ehr.asked(), ehr.asked(number=2), ehr.asked()] == [200, 401, 200]
            assert ehr.refused("unknown_key")

"""The store hangs in which used tokens are remembered: calls hear so soon, and what needs no token is answered."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from cds_service.store import Store
from cds_service.store.migration import migrate
from tests.faults.load import until
from tests.faults.signing_ehr import Ehr
from tests.support.authenticated_service import LEAST, written
from tests.support.databases import running_postgresql
from tests.support.serving import granian

THREADS, CALLS, HELD = 8, 7, 2
"""Of so many threads for calls, the number of calls, and how many of them may be held at most, which is a quarter."""
PAGE = "/cards/lumbosacral-plexus-mri"
WAITS = 4.0
"""Seconds that a call may take at most; the lock is waited for one second, and SQLite's usual patience is five."""


@contextmanager
def service(folder: Path, store_url: str) -> Iterator[Ehr]:
    """Run the server with one client and a migrated store."""
    with closing(Store(store_url)) as store:
        migrate(store)
    settings = {"clients_file": str(written(folder, LEAST)), "store_url": store_url, "threads": str(THREADS)}
    with granian("--development", **settings) as server:
        yield Ehr(server)


@contextmanager
def halted(data: Path) -> Iterator[None]:
    """Let a PostgreSQL do nothing for a while, with all of its processes."""
    server = int((data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    everyone = [server, *map(int, children)]
    for future in everyone:
        os.kill(future, signal.SIGSTOP)
    try:
        yield
    finally:
        for future in everyone:
            os.kill(future, signal.SIGCONT)


def assert_told(answer) -> None:
    """Hold an answer against what a client should hear of a memory that cannot be asked."""
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert answer.json()["issue"][0]["diagnostics"].startswith("The call cannot be authenticated at the moment.")


def test_postgresql_hangs(tmp_path):
    """Few calls are held, until it goes on; all others are refused, soon or at once, and pages are shown."""
    with running_postgresql() as database, service(tmp_path, database.get_uri()) as ehr:
        with ThreadPoolExecutor(CALLS) as pool:
            assert set(pool.map(lambda _: ehr.asked(), range(5 * CALLS))) == {200}
            with halted(database.pgdata):
                sent = [pool.submit(ehr.call) for _ in range(CALLS)]
                for future in islice(as_completed(sent, timeout=20), CALLS - HELD):
                    assert_told(future.result())
                for _ in range(3 * THREADS):
                    assert_told(ehr.call())
                assert ehr.server.client.get(PAGE).status_code == 200
        assert 200 in [future.result().status_code for future in sent], "it was held"
        until(lambda: ehr.asked() == 200)


def test_sqlite_is_locked(tmp_path):
    """A call waits for the lock, but not for long; those after it are refused at once, and soon all is well again."""
    file = tmp_path / "store.sqlite3"
    with service(tmp_path, f"sqlite:///{file}") as ehr:
        with closing(sqlite3.connect(file)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            assert_told(ehr.call())
            assert time.monotonic() - began < WAITS
            assert "the circuit is open after a slow failure" not in ehr.server.errors()
            assert_told(ehr.call())
            assert "the circuit is open after a slow failure" in ehr.server.errors()
            assert ehr.server.client.get(PAGE).status_code == 200
        until(lambda: ehr.asked() == 200)


def test_a_call_is_answered_once_the_probe_says_so(tmp_path):
    """A balancer sends calls as soon as /readyz is 200: then no circuit refuses them that opened just before."""
    file = tmp_path / "store.sqlite3"
    with service(tmp_path, f"sqlite:///{file}") as ehr:
        with closing(sqlite3.connect(file)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert_told(ehr.call())
            assert ehr.server.client.get("/readyz").status_code == 503
            assert_told(ehr.call())
        until(lambda: ehr.server.client.get("/readyz").status_code == 200)
        assert ehr.asked() == 200

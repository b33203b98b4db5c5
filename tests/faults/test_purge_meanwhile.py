"""A large store is purged while the service answers calls: neither keeps the other from writing."""

import os
import pty
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from cds_service.clock import SYSTEM_CLOCK
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, METADATA
from tests.faults.load import until
from tests.faults.signing_ehr import Ehr
from tests.support.authenticated_service import LEAST, written
from tests.support.old_rows import PER_CARD, add_old_rows
from tests.support.serving import COMMAND, environment, granian

CARDS_ADDED = 5000
ROWS = CARDS_ADDED * sum(PER_CARD.values())
OLD = date(2020, 1, 1)


@pytest.fixture(name="store")
def a_store_with_old_rows(empty_store) -> Store:
    """Return a store with 30,000 old rows, in each kind of database."""
    migrate(empty_store)
    add_old_rows(empty_store, OLD, CARDS_ADDED)
    return empty_store


def old_cards(store: Store) -> int:
    """Return how many of the old cards are left."""
    with store.reading() as connection:
        return connection.scalar(select(func.count()).select_from(CARDS).where(CARDS.c.day == OLD))


def all_rows(store: Store) -> dict[str, int]:
    """Return how many rows each table has."""
    with store.reading() as connection:
        count = select(func.count())
        return {name: connection.scalar(count.select_from(table)) for name, table in METADATA.tables.items()}


def heed_ctrl_c() -> None:
    """Heed SIGINT, which a shell lets its background jobs, and so these tests, ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def purging(store_url: str, **options) -> Iterator[subprocess.Popen]:
    """Run the purge in another process."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    settings = environment(store_url=store_url)
    with subprocess.Popen([COMMAND, "purge"], env=settings, preexec_fn=heed_ctrl_c, **given) as process:  # noqa: PLW1509
        try:
            yield process
        finally:
            process.kill()


def printed_counts(output: str) -> dict[str, int]:
    """Return the rows of each table that the command says it deleted."""
    return {name: int(count) for name, count in re.findall(r"^  (\w+): (\d+)$", output, re.MULTILINE)}


DELETED = {name: CARDS_ADDED * count for name, count in PER_CARD.items()} | {"unrecognized": 0}


def test_calls_are_answered_meanwhile(store, empty_url, tmp_path):
    """Each call, which writes its token, is answered, and between two batches, not only before and after all."""
    settings = {"clients_file": str(written(tmp_path, LEAST)), "store_url": empty_url}
    with granian("--development", **settings) as server:
        ehr, left = Ehr(server), []
        with purging(empty_url) as process:
            while process.poll() is None:
                assert ehr.asked() == 200
                left.append(old_cards(store))
            output, errors = process.communicate()
        assert server.stop() == 0, server.errors()
    assert (process.returncode, printed_counts(output)) == (0, DELETED), errors
    assert len(set(left) - {0, CARDS_ADDED}) > 1
    with store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(CARDS)) == len(left), "the new ones stay"


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
def test_a_reader_of_the_old_state(store, empty_url, tmp_path):
    """A long export keeps the purge from emptying the -wal file, which says so, and calls from nothing."""
    settings = {"clients_file": str(written(tmp_path, LEAST)), "store_url": empty_url}
    with granian("--development", **settings) as server, closing(sqlite3.connect(store.file)) as reader:
        ehr = Ehr(server)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM cards").fetchone()
        with purging(empty_url) as process:
            while process.poll() is None:
                assert ehr.asked() == 200
            output, errors = process.communicate()
    assert (process.returncode, printed_counts(output)) == (0, DELETED)
    assert errors == f"Note: deleted rows stay in {store.file}-wal until no other process reads the store.\n"


def test_interrupted(store, empty_url):
    """After Ctrl-C, what the command says it deleted is what is gone, and the next run deletes the rest."""
    before = all_rows(store)
    with purging(empty_url) as process:
        until(lambda: old_cards(store) < CARDS_ADDED)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    deleted, after = printed_counts(output), all_rows(store)
    assert (process.returncode, errors.strip()) == (130, "")
    assert "run the command again for the rest" in output
    assert {name: before[name] - after[name] for name in deleted} == deleted
    assert 0 < deleted["cards"] < CARDS_ADDED
    assert deleted["feedback"] >= deleted["cards"], "no report is left without its card"
    with purging(empty_url) as process:
        output, _ = process.communicate()
    assert {name: deleted[name] + count for name, count in printed_counts(output).items()} == DELETED


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
def test_progress(empty_url):
    """On a terminal, one line tells how far it is, and at last that all is done."""
    main, terminal = pty.openpty()
    with purging(empty_url, stderr=terminal) as process:
        os.close(terminal)
        written_there = b""
        while chunk := read_terminal(main):
            written_there += chunk
        process.communicate()
    os.close(main)
    lines = re.findall(rf"\r\x1b\[Kdeleted: ([\d,]+) of {ROWS:,} rows", written_there.decode())
    counts = [int(line.replace(",", "")) for line in lines]
    assert counts == sorted(counts)
    assert len(counts) > CARDS_ADDED / 500
    assert counts[-1] == ROWS
    assert written_there.endswith(b"\n")


def read_terminal(main: int) -> bytes:
    """Return what was written to a terminal, or nothing once nobody has it open."""
    try:
        return os.read(main, 4096)
    except OSError:
        return b""


def test_a_dry_run_takes_no_lock(store, empty_url):
    """A dry run counts beside a writer that holds the lock of SQLite, or rows of PostgreSQL."""
    with store.writing() as connection:
        connection.execute(CARDS.update().values(client="held"))
        dry_run = subprocess.run(
            [COMMAND, "purge", "--dry-run", "--days", str((SYSTEM_CLOCK.today() - OLD - timedelta(days=1)).days)],
            env=environment(store_url=empty_url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        connection.rollback()
    assert (dry_run.returncode, printed_counts(dry_run.stdout)) == (0, DELETED), dry_run.stderr

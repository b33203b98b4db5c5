"""Metrics of the real server with two workers: whichever answers, it has the counts of both."""

import json
import os
import resource
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from tests.faults.small_disk import DISKS, Disk, SmallDisk, limited_files, small_disk
from tests.support.metric_series import series
from tests.support.service import ORDER_SELECT, Client
from tests.support.serving import Server, free_port, granian, run

REFUSED = f"calls{{outcome=not_a_call,service={ORDER_SELECT.rpartition('/')[2]}}}"
PATIENCE = 30.0
"""Seconds, for what a busy machine does late."""


def call(server: Server) -> None:
    """Make one call on a connection of its own, which any worker may take."""
    with closing(Client(server.client.base).session) as session:
        assert session.post(server.client.base + ORDER_SELECT, json={}, timeout=10).status_code == 422


def asked(server: Server) -> float:
    """Return the number of calls in /metrics, asked on a connection of its own."""
    client = Client(server.client.base)
    with closing(client.session):
        return series(client)[REFUSED]


def by_worker(folder: Path) -> list[float]:
    """Return the number of calls in the files of each worker."""
    found = []
    for file in sorted(folder.glob("counter_*.db")):
        [calls] = [metric for metric in MultiProcessCollector.merge([str(file)]) if metric.name == "plexus_cds_calls"]
        found.append(sum(sample.value for sample in calls.samples))
    return found


def until(holds, act=lambda: time.sleep(0.05)) -> int:
    """Act until something holds, and return how often."""
    end, count = time.monotonic() + PATIENCE, 0
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        act()
        count += 1
    return count


def call_until(server: Server, holds) -> int:
    """Call until something holds, and return how often."""
    return until(holds, lambda: call(server))


def workers(server: Server) -> list[int]:
    """Return the process ids of the workers."""
    listed = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text(encoding="ascii")
    return [int(text) for text in listed.split()]


@pytest.mark.parametrize("cause", ["small files", "no space", "gone"])
def test_no_space_for_the_counts(cause, tmp_path, monkeypatch):
    """A worker that cannot share its counts, as the disk is full or the folder is gone, says so, and answers."""
    disk = small_disk if cause == "no space" and small_disk in DISKS else limited_files
    with disk(tmp_path / "disk") as full_disk:
        no_space_for_the_counts(full_disk, cause, monkeypatch)


def no_space_for_the_counts(disk: Disk, cause: str, monkeypatch) -> None:
    """Let a worker start where it cannot share its counts."""
    folder = disk.folder / "metrics"
    folder.mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    with granian() as server:
        [old] = workers(server)
        folder.rename(disk.folder / "before")  # deleted, they would leave their space to the next worker
        if cause != "gone":
            folder.mkdir()
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        if cause == "no space" and isinstance(disk, SmallDisk):
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            disk.fill(server)
        os.kill(old, signal.SIGKILL)
        until(lambda: workers(server) not in ([], [old]))
        server.wait_until_it_answers()
        call(server)
        assert asked(server) == 1
        assert server.stop() == 0
        [line] = [json.loads(text) for text in server.errors().splitlines() if "startup" in text]
    assert (line["event"], line["reason"]) == ("startup_warning", "metrics_not_shared")
    assert not [file for file in folder.glob("*.db") if not file.stat().st_size], "other workers could not read it"


def test_two_workers(tmp_path, monkeypatch):
    """Each worker counts the calls of both; a killed worker loses no counts, and its successor continues them."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    with granian("--workers", "2") as server:
        [folder] = tmp_path.glob("plexus-cds-metrics-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        made = call_until(server, lambda: len(by_worker(folder)) == 2 and min(by_worker(folder)) > 0)
        until(lambda: {asked(server) for _ in range(12)} == {made})  # each worker tells what it did soon

        before = workers(server)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        until(lambda: before[0] not in workers(server))  # a call that it had just taken would not be answered
        made += call_until(server, lambda: len(workers(server)) == 2)
        until(lambda: asked(server) == made)
        at_respawn = by_worker(folder)
        assert len(at_respawn) == 2
        made += call_until(
            server, lambda: all(now > then for now, then in zip(by_worker(folder), at_respawn, strict=True))
        )
        until(lambda: {asked(server) for _ in range(12)} == {made})
        assert server.stop() == 0, server.errors()
    assert list(tmp_path.glob("plexus-cds-*")) == []


def test_the_operators_own_folder(tmp_path, monkeypatch):
    """A folder that the operator names is used and left as it is: counts go on after a restart."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for count in (1, 2):
        with granian() as server:
            call(server)
            assert asked(server) == count
            assert server.stop() == 0, server.errors()
    assert sum(by_worker(tmp_path)) == 2


def test_a_folder_that_is_not_there(tmp_path, monkeypatch):
    """A folder that cannot be used stops the start with one line."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "none"))
    done = run("serve", "--port", str(free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "plexus-cds: PROMETHEUS_MULTIPROC_DIR must be a folder that can be written\n"

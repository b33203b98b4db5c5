"""The disk of the store is full: what needs it is refused and says so, and all comes back by itself with the space."""

from collections.abc import Iterator

import pytest

from tests.faults.load import until
from tests.faults.signing_ehr import Ehr
from tests.faults.small_disk import DISKS, Disk
from tests.support.authenticated import LEAST, written
from tests.support.serving import Server, granian

ASKED = 5
"""How often each is asked while the disk is full."""


@pytest.fixture(name="disk", params=DISKS, ids=lambda kind: kind.__name__)
def a_disk(request, tmp_path) -> Iterator[Disk]:
    """Yield each kind of disk that can be full."""
    with request.param(tmp_path / "disk") as disk:
        yield disk


def readiness(server: Server) -> tuple[int, str, str]:
    """Return what a probe receives: the status, the state of the store and the fault."""
    response = server.client.get("/readyz")
    return response.status_code, response.json()["store"], response.json().get("fault", "")


READY, UNREADY = (200, "ready", ""), (503, "not_writable", "replay_memory")


def test_calls_and_the_probe_agree(disk, tmp_path):
    """With clients no call is answered while no token can be remembered: /readyz says so, and when it is over."""
    settings = {"clients_file": str(written(tmp_path, LEAST)), "store_url": f"sqlite:///{disk.folder}/store.sqlite3"}
    with granian("--development", **settings) as server:
        ehr = Ehr(server)
        assert (ehr.asked(), readiness(server)) == (200, READY)

        def is_full() -> bool:
            disk.fill(server)
            return ehr.asked() == 503

        until(is_full)
        for _ in range(ASKED):
            assert (readiness(server), ehr.asked()) == (UNREADY, 503)
            assert server.client.get("/livez").status_code == 200
        disk.empty(server)
        until(lambda: readiness(server) == READY)
        until(lambda: ehr.asked() == 200)
        for _ in range(ASKED):
            assert (readiness(server), ehr.asked()) == (READY, 200)

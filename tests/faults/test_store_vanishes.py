"""The SQLite file is deleted or replaced while the service runs: nothing is acknowledged that would be lost with it."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cds_service.store import Store
from cds_service.store.tables import CARDS, FEEDBACK
from tests.faults.load import feedback, until
from tests.faults.signing_ehr import Ehr
from tests.support.authenticated_service import LEAST, written
from tests.support.databases import rows
from tests.support.service import ORDER_SELECT
from tests.support.serving import Server, example, granian, run

ASKED = 5
"""How often each is asked while the file is gone."""


def delete(file: Path) -> None:
    """Delete the file of the store, and what SQLite has beside it."""
    for path in file.parent.glob("store.sqlite3*"):
        path.unlink()


def rename_folder(file: Path) -> None:
    """Give the folder of the store another name."""
    file.parent.rename(file.parent.with_name("elsewhere"))
    file.parent.mkdir()


@pytest.fixture(name="file")
def a_file_of_its_own_folder(tmp_path) -> Path:
    """Give the place of a store in a folder of its own."""
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "store.sqlite3"


def report(server: Server, acknowledged: list[str]) -> int:
    """Send feedback, keep it where it was acknowledged, and return the status of the answer."""
    body = feedback()
    status = server.client.post(body, f"{ORDER_SELECT}/feedback").status_code
    if status == 200:
        acknowledged.append(body["feedback"][0]["card"])
    return status


@pytest.mark.parametrize("vanish", [delete, rename_folder])
def test_feedback_is_refused_until_there_is_a_store(vanish: Callable[[Path], None], file):
    """Feedback gets a 503 and cards wait; both go into the new file once there is one, without a restart."""
    with granian(store_url=f"sqlite:///{file}") as server:
        assert report(server, []) == 200
        vanish(file)
        kept: list[str] = []
        assert [report(server, kept) for _ in range(ASKED)] == [503] * ASKED
        shown = [card["uuid"] for card in server.client.cards(example())]
        assert server.client.get("/readyz").json()["store"] == "unreachable"
        assert run("migrate", store_url=f"sqlite:///{file}").returncode == 0
        until(lambda: report(server, kept) == 200)
        assert server.client.get("/readyz").json()["store"] == "ready"
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.errors().splitlines()]
    assert {line["event"] for line in lines} <= {"call", "feedback", "store_write_failed"}
    with closing(Store(f"sqlite:///{file}")) as store:
        assert [row.card for row in rows(store, FEEDBACK)] == kept
        assert [row.uuid for row in rows(store, CARDS)] == shown


def test_a_file_that_is_replaced_is_used(file):
    """Feedback after the exchange is in the file that is there now."""
    other = file.with_name("other.sqlite3")
    assert run("migrate", store_url=f"sqlite:///{other}").returncode == 0
    with granian(store_url=f"sqlite:///{file}") as server:
        assert report(server, []) == 200
        delete(file)
        other.rename(file)
        kept: list[str] = []
        assert [report(server, kept) for _ in range(ASKED)] == [200] * ASKED
        assert server.stop() == 0
    with closing(Store(f"sqlite:///{file}")) as store:
        assert [row.card for row in rows(store, FEEDBACK)] == kept


def test_no_token_is_accepted_without_its_memory(file, tmp_path):
    """With clients no call is answered until there is a store again, and /readyz says so."""
    settings = {"clients_file": str(written(tmp_path, LEAST)), "store_url": f"sqlite:///{file}"}
    with granian("--development", **settings) as server:
        ehr = Ehr(server)
        assert ehr.asked() == 200
        delete(file)
        assert [ehr.asked() for _ in range(ASKED)] == [503] * ASKED
        assert server.client.get("/readyz").status_code == 503
        assert run("migrate", store_url=f"sqlite:///{file}").returncode == 0
        until(lambda: ehr.asked() == 200)
        assert server.client.get("/readyz").status_code == 200

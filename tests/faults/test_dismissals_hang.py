"""The store hangs that remembers dismissals: calls get their cards soon, and then at once."""

import time

from cds_service.store import Store
from cds_service.store.migration import migrate
from tests.faults.load import until
from tests.faults.test_replay_memory_hangs import halted
from tests.support.databases import running_postgresql
from tests.support.service import ORDER_SELECT
from tests.support.serving import example, granian

ON = "cards.lumbosacral-plexus-mri.dismissal_hours = 8"
WAITS = 4.0
"""Seconds that a call may take at most; the store is waited for one second."""


def test_postgresql_hangs(tmp_path):
    """A dismissed card is shown while PostgreSQL hangs: one call waits a moment, those after it do not wait."""
    (tmp_path / "site.toml").write_text(ON, encoding="utf-8")
    with running_postgresql() as database:
        store = Store(database.get_uri())
        migrate(store)
        store.close()
        settings = {"store_url": database.get_uri(), "site_file": str(tmp_path / "site.toml")}
        with granian("--development", **settings) as server:
            [card] = server.client.cards(example())
            report = {"card": card["uuid"], "outcome": "overridden"}
            assert server.client.post({"feedback": [report]}, f"{ORDER_SELECT}/feedback").status_code == 200
            until(lambda: server.client.cards(example()) == [])
            with halted(database.pgdata):
                began = time.monotonic()
                assert len(server.client.cards(example())) == 1
                assert time.monotonic() - began < WAITS
                assert '"error":"it did not respond in time"' in server.errors()

                def is_refused() -> bool:
                    assert len(server.client.cards(example())) == 1
                    return '"error":"the circuit is open after a slow failure"' in server.errors()

                until(is_refused)
            until(lambda: server.client.cards(example()) == [])
            assert server.stop() == 0

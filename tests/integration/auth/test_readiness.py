"""With clients, /readyz tells whether used tokens can be written, and its own writes stand in nobody's way."""

import pytest

from cds_service.store.tables import SEEN_TOKENS
from tests.faults.load import until
from tests.support.authenticated_service import ENDPOINTS, authenticated_service
from tests.support.databases import rows, serving_with
from tests.support.service import CLOCK

SERVICE = ENDPOINTS["service"]
READY = (200, "ready", "")

REFUSING = {
    "sqlite": (
        "CREATE TRIGGER refusing BEFORE INSERT ON seen_tokens BEGIN SELECT RAISE(ABORT, 'full'); END",
        "DROP TRIGGER refusing",
    ),
    "postgresql": (
        """CREATE FUNCTION refuse() RETURNS trigger AS
            'BEGIN PERFORM pg_sleep(0.7); RAISE disk_full; END' LANGUAGE plpgsql;
        CREATE TRIGGER refusing BEFORE INSERT ON seen_tokens FOR EACH ROW EXECUTE FUNCTION refuse()""",
        "DROP FUNCTION refuse CASCADE",
    ),
}
"""What lets a database refuse each new token, and what ends that; PostgreSQL takes longer than opens a circuit."""


def readiness(service) -> tuple[int, str, str]:
    """Return what a probe receives: the status, the state of the store and the fault."""
    response = service.client.get("/readyz")
    return response.status_code, response.json()["store"], response.json().get("fault", "")


def execute(store, statement: str) -> None:
    """Run a statement in a transaction of its own."""
    with store.writing() as connection:
        connection.exec_driver_sql(statement)


@pytest.fixture(name="entrance")
def an_entrance(tmp_path, knowledge, store, store_url):
    """Serve the application with one client, and a store of each kind of database that is empty."""
    assert rows(store, SEEN_TOKENS) == []
    with authenticated_service(tmp_path, knowledge, store_url=store_url) as service:
        yield service


def test_tokens_that_cannot_be_written(entrance, store):
    """The probe says so while it lasts, and neither it nor a circuit breaker keeps the first good call out after."""
    begin, end = REFUSING["sqlite" if store.embedded else "postgresql"]
    execute(store, begin)
    refused = {readiness(entrance) for _ in range(3)}
    execute(store, end)
    assert entrance.asked(SERVICE).status_code == 200
    until(lambda: readiness(entrance) == READY)
    assert refused <= {(503, state, "replay_memory") for state in ("not_writable", "unreachable")}


def test_without_clients_it_is_no_matter(store, store_url, knowledge):
    """Where no call needs a token, the probe writes none, and what refuses tokens is no fault."""
    begin, end = REFUSING["sqlite" if store.embedded else "postgresql"]
    execute(store, begin)
    with serving_with(store_url, knowledge) as (client, _):
        until(lambda: client.get("/readyz").json()["store"] == "ready")
        assert client.get("/readyz").status_code == 200
    execute(store, end)
    assert rows(store, SEEN_TOKENS) == []


def test_many_probes_leave_one_row(entrance, store):
    """However often it is asked, a process has one row, which has expired, so that it is purged as any other."""
    until(lambda: readiness(entrance) == READY)
    for _ in range(20):
        readiness(entrance)
    [row] = rows(store, SEEN_TOKENS)
    assert row.expires_at <= CLOCK.now()


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_another_instance_that_hangs(entrance, store, store_url, tmp_path, knowledge):
    """An instance that hangs in the midst of its probe, and holds its row, makes no other one unready."""
    until(lambda: readiness(entrance) == READY)
    (tmp_path / "other").mkdir()
    with store.writing() as connection:
        assert len(connection.execute(SEEN_TOKENS.select().with_for_update()).all()) == 1
        with authenticated_service(tmp_path / "other", knowledge, store_url=store_url) as other:
            until(lambda: readiness(other) == READY)

"""Two servers on one PostgreSQL behind nginx with the shipped lines: they share tokens and feedback, and one may fail.

Each call and each report has a token of its own, as with an EHR.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import pytest
import requests

from cds_service.clock import SYSTEM_CLOCK
from cds_service.store import Store
from cds_service.store.database import REVISION
from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, FEEDBACK
from tests.faults.load import CALLERS, Load, steady_calls, until
from tests.integration.limits.nginx import Nginx, nginx
from tests.support.authenticated_service import BASE, LEAST, written
from tests.support.databases import rows
from tests.support.service import ORDER_SELECT
from tests.support.serving import COMMAND, Server, example, run
from tests.support.signing import claims, header, key, signed

FEEDBACK_PATH = f"{ORDER_SELECT}/feedback"
TAKEN, REPLAYED, DOWN = requests.codes.ok, requests.codes.unauthorized, requests.codes.service_unavailable
BEFORE = f"{int(REVISION) - 1:04}"
"""The migration that the version before this one left."""


def token(path: str = ORDER_SELECT) -> dict[str, str]:
    """Return the headers of a call with a token that was never used."""
    now = int(SYSTEM_CLOCK.now().timestamp())
    claimed = claims(aud=f"{BASE}{path}", iat=now, exp=now + 300, jti=str(uuid4()))
    return {"Authorization": f"Bearer {signed(header(), claimed, key('ES384'))}"}


def post(base: str, headers: dict, body: dict, path: str = ORDER_SELECT, *, verify: str = "") -> requests.Response:
    """Call on a connection of its own."""
    with requests.Session() as session:
        session.trust_env, session.verify = False, verify or True
        return session.post(base + path, json=body, headers=headers, timeout=30)


def report(card: str) -> dict:
    """Return feedback on a card."""
    return {"feedback": [{"card": card, "outcome": "accepted", "outcomeTimestamp": "2026-11-22T08:30:00Z"}]}


@dataclass
class Instances:
    """Two servers, nginx before them, and their store."""

    settings: dict[str, str]
    store: Store
    front: Nginx
    servers: list[Server]

    @property
    def bases(self) -> list[str]:
        """Return the addresses of both, without the balancer."""
        return [server.client.base for server in self.servers]

    def kill(self, index: int) -> None:
        """Kill one with its worker, as a machine that fails."""
        self.servers[index].kill()

    def start_again(self, index: int) -> None:
        """Start one that was killed, where it was."""
        before = self.servers[index]
        before.close()
        self.servers[index] = started(self.settings, before.port)

    def has_calls(self, index: int) -> bool:
        """Tell whether nginx has given calls to one since it started."""
        return '"event":"call"' in self.servers[index].errors()

    def calls(self):
        """Let callers call the balancer."""
        base, verify = self.front.client.base, self.front.client.session.verify
        return steady_calls(base, authorize=token, verify=verify, pause=0.05)

    def readiness(self) -> list[tuple[int, str, str]]:
        """Return status, state of the store and fault of each, as a probe sees it."""
        answers = [server.client.get("/readyz") for server in self.servers]
        return [(one.status_code, one.json()["store"], one.json().get("fault", "")) for one in answers]

    def stop(self) -> None:
        """Stop both as an operator does."""
        assert [server.stop() for server in self.servers] == [0, 0], [server.errors() for server in self.servers]


def started(settings: dict[str, str], port: int | None = None) -> Server:
    """Return a server that answers."""
    server = Server(COMMAND, port=port, **settings)
    server.wait_until_it_answers()
    return server


@pytest.fixture(params=[REVISION], name="level")
def the_migration(request) -> str:
    """Return the migration of the store when the servers start."""
    return request.param


@pytest.fixture
def instances(level, tmp_path, postgresql) -> Iterator[Instances]:
    """Run two servers behind nginx on one PostgreSQL, with a clients file."""
    url = postgresql()
    settings = {"store_url": url, "clients_file": str(written(tmp_path, LEAST)), "public_url": BASE}
    with closing(Store(url)) as store:
        migrate(store, level)
        servers = [started(settings) for _ in range(2)]
        try:
            with nginx(tmp_path, *(server.port for server in servers)) as front:
                running = Instances(settings, store, front, servers)
                yield running
        finally:
            for server in servers:
                server.kill()
                server.close()


def test_a_token_counts_once_for_both(instances):
    """A token that one has taken is refused by the other and through nginx; of two at the same moment one is taken."""
    for first, second in (instances.bases, instances.bases[::-1]):
        used = token()
        assert post(first, used, example()).status_code == TAKEN
        assert post(second, used, example()).status_code == REPLAYED
        front = instances.front.client
        assert post(front.base, used, example(), verify=front.session.verify).status_code == REPLAYED
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            used = token()
            answers = pool.map(post, instances.bases, [used] * 2, [example()] * 2)
            assert sorted(answer.status_code for answer in answers) == [TAKEN, REPLAYED]


def test_feedback_may_come_to_the_other(instances):
    """Feedback on a card of one is taken by the other, and a report that both get is stored once."""
    first, second = instances.bases
    [card] = post(first, token(), example()).json()["cards"]
    for base in (second, first):
        answer = post(base, token(FEEDBACK_PATH), report(card["uuid"]), FEEDBACK_PATH)
        assert answer.status_code == TAKEN
    instances.stop()
    assert [row.card for row in rows(instances.store, FEEDBACK)] == [card["uuid"]]
    assert [row.uuid for row in rows(instances.store, CARDS)] == [card["uuid"]]


def test_one_is_killed_under_load(instances):
    """Calls go on while one is gone; what is lost is what it had in work, and no acknowledged feedback.

    nginx tries an instance that is gone now and then, and what it cannot hand over goes to the other.
    """
    kills = 0
    with instances.calls() as load:
        load.go_on_for(30)
        for index in (0, 1, 0, 1):
            instances.kill(index)
            kills += 1
            load.go_on_for(40)
            instances.start_again(index)
            until(lambda: instances.has_calls(index))  # noqa: B023 - it is called at once
    instances.stop()
    wrong = [answer for answer in load.answers if not answer.is_right]
    tell("killed", load, kills, instances.store)
    assert {answer.status for answer in wrong} <= {DOWN}
    assert len(wrong) <= kills * CALLERS
    assert_nothing_acknowledged_is_lost(load, instances.store)


@pytest.mark.parametrize("level", [BEFORE], indirect=True)
def test_a_migration_while_both_serve(instances):
    """At the version before's tables both say so and show cards; after the command both store all, also what waited."""
    assert instances.readiness() == [(503, "not_migrated", "replay_memory")] * 2
    with instances.calls() as load:
        load.go_on_for(30)
        done = run("migrate", store_url=instances.settings["store_url"])
        assert (done.returncode, done.stderr) == (0, "")
        until(lambda: instances.readiness() == [(200, "ready", "")] * 2)
        until(lambda: any(answer.call == "feedback" and answer.is_right for answer in load.answers))
        load.go_on_for(60)
    instances.stop()
    wrong = [answer for answer in load.answers if not answer.is_right]
    tell("migrated", load, 0, instances.store)
    assert {(answer.call, answer.status) for answer in wrong} == {("feedback", DOWN)}
    assert_nothing_acknowledged_is_lost(load, instances.store)
    assert {row.uuid for row in rows(instances.store, CARDS)} == {card for one in load.answers for card in one.cards}


def assert_nothing_acknowledged_is_lost(load: Load, store: Store) -> None:
    """Compare the feedback that was acknowledged with what the store has."""
    assert load.acknowledged
    assert set(load.acknowledged) <= {row.card for row in rows(store, FEEDBACK)}


def tell(what: str, load: Load, kills: int, store: Store) -> None:
    """Print the figures, for a reader with `pytest -s`."""
    lost = set(load.acknowledged) - {row.card for row in rows(store, FEEDBACK)}
    wrong = Counter((answer.call, answer.status) for answer in load.answers if not answer.is_right)
    print(  # noqa: T201 - figures
        f"\n{what}: {len(load.answers)} requests, {kills} kills, not answered as they should: {dict(wrong)}; "
        f"{len(load.acknowledged)} reports acknowledged, {len(lost)} of them lost"
    )

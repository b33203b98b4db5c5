"""No token is used twice, by whichever threads, processes and machines, in each kind of database."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from cds_service.auth import Check, KeySetCache, ReplayCacheUnavailable, TokenVerifier, Unauthenticated, read_clients
from cds_service.errors import StoreUnavailable
from cds_service.store import Store
from cds_service.store.replay_cache import ReplayCache
from cds_service.store.tables import SEEN_TOKENS
from tests.integration.auth import another_process
from tests.support.databases import rows
from tests.support.service import CLOCK
from tests.support.signing import AUDIENCE, ISSUER, NOW, bearer, claims, header, signed

SOON = CLOCK.now() + timedelta(minutes=5)


@pytest.fixture(name="tokens")
def tokens_of_a_database(store, store_url):
    """Give a memory in each kind of database, empty at first; `store` is what empties it."""
    assert rows(store, SEEN_TOKENS) == []
    own = Store(store_url, durable=False)
    yield ReplayCache(own, CLOCK, begin="")
    own.close()


@pytest.fixture(name="verify_with")
def a_verifier_with_another_memory(clients_file, key_server):
    """Return a function that makes a verifier with another memory than those of the other tests."""
    clients = read_clients(clients_file(f'issuer = "{ISSUER}"\njwks_url = "{key_server.root}/keys"'), development=True)
    ring = KeySetCache()
    return lambda memory: TokenVerifier(clients, ring, memory, CLOCK).verify


def outcome(verify, text: str) -> str:
    """Tell what became of a token: passed, or the check that refused it."""
    try:
        verify(text, AUDIENCE)
    except Unauthenticated as refusal:
        return refusal.check
    return "passed"


@pytest.mark.requirement("X-13", broken="a token that is good for two calls")
def test_a_second_time(tokens, verify_with, store):
    """A token passes once; what is kept of it is a digest and when it ends, a minute after its own end."""
    verify, claimed = verify_with(tokens), claims(jti="canary-of-a-token")
    text = f"Bearer {signed(header(), claimed)}"
    assert [outcome(verify, text) for _ in range(3)] == ["passed", Check.REPLAY, Check.REPLAY]
    [row] = rows(store, SEEN_TOKENS)
    assert "canary" not in row.digest
    assert row.expires_at.timestamp() == claimed["exp"] + 60


def test_another_spelling(tokens, verify_with):
    """The same id in another token, signed anew, is the same."""
    verify = verify_with(tokens)
    assert outcome(verify, bearer(claimed={"jti": "one"})) == "passed"
    assert outcome(verify, bearer(claimed={"jti": "one", "exp": NOW + 100})) == Check.REPLAY


@pytest.mark.requirement("X-24", broken="a memory that strangers can fill")
def test_a_refused_token_is_not_remembered(tokens, verify_with, store):
    """Who cannot sign cannot use up the ids of others."""
    verify = verify_with(tokens)
    assert outcome(verify, bearer(claimed={"jti": "one"})[:-4] + "AAAA") == Check.SIGNATURE
    assert rows(store, SEEN_TOKENS) == []
    assert outcome(verify, bearer(claimed={"jti": "one"})) == "passed"


@pytest.mark.parametrize(("one", "other"), [(("a", "bc"), ("ab", "c")), (('a","b', "c"), ("a", 'b","c'))])
def test_ids_that_look_alike(one, other, tokens):
    """Issuer and id do not run into each other."""
    assert tokens.is_new(*one, SOON)
    assert tokens.is_new(*other, SOON)


def test_ids_that_cannot_be_written(tokens):
    """Any text can be an id."""
    for token_id in ("\ud800", "\0", "\u00e4", "'; DROP TABLE seen_tokens; --"):
        assert [tokens.is_new(ISSUER, token_id, SOON) for _ in range(2)] == [True, False]


def test_threads_at_once(tokens, verify_with):
    """Of many threads that bring one token at the same time, exactly one passes."""
    verify = verify_with(tokens)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            text = bearer()
            found = list(pool.map(lambda text: outcome(verify, text), [text] * 8))
            assert sorted(found) == ["passed"] + ["replay"] * 7


def test_processes_at_once(tokens, store_url):
    """Of several processes that bring the same tokens, exactly one gets each of them through."""
    assert tokens
    ids, context = [str(uuid4()) for _ in range(50)], multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    with ProcessPoolExecutor(3, context, another_process.begin, [store_url, barrier]) as pool:
        found = [pool.submit(another_process.uses, ids) for _ in range(3)]
        new = [future.result() for future in found]
    assert [sum(column) for column in zip(*new, strict=True)] == [1] * 50


def test_old_ones_go(tokens, store):
    """What expired more than an hour ago goes by itself, a part at each hundredth token; nothing else does.

    The parts are a thousand rows long, in the order of the digests; after the last part the first one is next.
    """
    now = CLOCK.now()
    old = [{"digest": f"old {number}", "expires_at": now - timedelta(hours=2)} for number in range(1500)]
    with store.writing() as connection:
        connection.execute(SEEN_TOKENS.insert(), old)
    assert tokens.is_new(ISSUER, "expired", now - timedelta(minutes=50))
    for left in (600, 0, 0):  # the first thousand rows have the hundred that are new
        for _ in range(100):
            assert tokens.is_new(ISSUER, str(uuid4()), SOON)
        assert sum(row.digest.startswith("old") for row in rows(store, SEEN_TOKENS)) == left
    assert len(rows(store, SEEN_TOKENS)) == 301
    with store.writing() as connection:
        connection.execute(SEEN_TOKENS.insert(), [{**old[0], "digest": "0 old"}])
    for _ in range(100):
        assert tokens.is_new(ISSUER, str(uuid4()), SOON)
    assert len(rows(store, SEEN_TOKENS)) == 401
    assert not tokens.is_new(ISSUER, "expired", SOON)


def test_a_store_that_is_gone(tmp_path, verify_with):
    """Where it is unknown whether a token was used, it is refused, and the reason is logged for the operator."""
    memory = ReplayCache(Store(f"sqlite:///{tmp_path}/gone/store.sqlite3", durable=False), CLOCK)
    with pytest.raises(ReplayCacheUnavailable) as refusal:
        verify_with(memory)(bearer(), AUDIENCE)
    assert refusal.value.reason == "unable to open database file"
    assert refusal.value.__cause__ is None


def test_a_store_without_the_table(empty_url):
    """A store that is not migrated is as good as none, in each kind of database."""
    store = Store(empty_url, durable=False)
    with pytest.raises(StoreUnavailable):
        ReplayCache(store, CLOCK).is_new(ISSUER, "one", SOON)
    store.close()


def test_what_waits_for_the_disk(store_url):
    """Only the memory's own connections do not wait for the disk; feedback goes on doing so."""
    query = "PRAGMA synchronous" if store_url.startswith("sqlite") else "SHOW synchronous_commit"
    found = []
    for durable in (False, True, False):
        store = Store(store_url, durable=durable)
        with store.writing() as connection:
            found.append(connection.exec_driver_sql(query).scalar())
        store.close()
    assert found == ([1, 2, 1] if store_url.startswith("sqlite") else ["off", "on", "off"])

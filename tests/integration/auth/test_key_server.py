"""The keys of a client at its key server: new ones are found, made-up ones cost little, and it may be down."""

import json
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest
import trustme

from cds_service.auth import Check, Unauthenticated
from tests.support.odd_server import answers, chunked, drips, http, odd_server, repeats, sends, stalls
from tests.support.signing import AUDIENCE, bearer, claims, header, key, key_set, public, signed
from tests.support.token_verifier import Seconds, has

HOUR = 3600
SET = json.dumps(key_set(public(key("ES384")))).encode()
DOWN = sends(http(b"", 503))


@pytest.fixture(name="server", scope="module")
def a_server_of_these_tests():
    """Run a key server of which each test says what it does."""
    with odd_server() as server:
        yield server


@pytest.fixture(name="clock")
def a_clock():
    """Give the clock of the keys."""
    return Seconds()


@pytest.fixture(name="outcome")
def the_outcome_of_a_token(verifier, server, clock):
    """Return a function that returns the result of a token with a key: passed, or the check that refused it."""
    verify = verifier(root=server.root, clock=clock).verify

    def outcome(number: int = 1) -> str:
        try:
            verify(bearer_of(number), AUDIENCE)
        except Unauthenticated as refusal:
            return refusal.check
        return "passed"

    return outcome


def bearer_of(number: int) -> str:
    """Return a good token that is signed with one of several keys."""
    return f"Bearer {signed(header(kid=f'ES384-{number}'), claims(), key('ES384', number))}"


def test_keys_are_kept(outcome, server, clock):
    """The key server is asked once in ten minutes, by GET, and for JSON."""
    has(server, key("ES384"))
    for seconds, asked in ((0, 1), (599, 1), (600, 2), (1199, 2), (1200, 3)):
        clock.seconds = seconds
        assert (outcome(), len(server.requests)) == ("passed", asked)
    assert {(request.method, request.target) for request in server.requests} == {("GET", "/keys")}
    assert server.requests[0].headers["accept"] == "application/jwk-set+json, application/json"
    assert "authorization" not in server.requests[0].headers


@pytest.mark.requirement("X-16", broken="a new key that has to wait, or a withdrawn one that passes")
def test_a_new_key(outcome, server, clock):
    """A key that the client has just begun to use is found at once, and one that it withdrew is refused."""
    has(server, key("ES384", 1))
    assert (outcome(1), outcome(2)) == ("passed", Check.UNKNOWN_KEY)
    has(server, key("ES384", 1), key("ES384", 2))
    clock.seconds = 60
    assert (outcome(2), outcome(1)) == ("passed", "passed")
    has(server, key("ES384", 2))
    clock.seconds = 660
    assert (outcome(2), outcome(1)) == ("passed", Check.UNKNOWN_KEY)


def test_keys_that_are_made_up(outcome, server, clock):
    """However many ids of keys are made up, the key server is asked once a minute."""
    has(server, key("ES384"))
    for minute in range(3):
        clock.seconds = minute * 60
        assert {outcome(number) for number in range(2, 12)} == {Check.UNKNOWN_KEY}
        assert len(server.requests) == minute + 1
    assert outcome() == "passed"
    assert len(server.requests) == 3


def test_many_at_once(outcome, server, clock):
    """Eight of the calls that come at the same time wait for the one answer; all go on with keys known before."""
    go_on, give = threading.Event(), answers(key_set(public(key("ES384"))))
    server.plays = {"": lambda stage: (go_on.wait(30), give(stage))}
    server.requests = []
    with ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(outcome) for _ in range(12)]
        refused = [call.result() for call in islice(as_completed(calls), 4)]
        assert refused == [Check.KEYS_UNREACHABLE] * 4
        go_on.set()
        assert sorted(call.result() for call in calls) == sorted([*refused, *["passed"] * 8])
        clock.seconds = 600
        assert list(pool.map(lambda _: outcome(), range(16))) == ["passed"] * 16
    assert len(server.requests) == 2


def test_a_key_server_that_is_down(outcome, server, clock, caplog):
    """Keys that were read are used for a day while the key server is down; it is asked once a minute, and logged."""
    has(server, key("ES384"))
    assert outcome() == "passed"
    has(server)
    server.plays = {"": DOWN}
    for seconds, asked in ((600, 1), (659, 1), (660, 2), (23 * HOUR, 3), (24 * HOUR - 1, 4)):
        clock.seconds = seconds
        assert outcome() == "passed"
        settled(server, asked)
    clock.seconds = 24 * HOUR
    assert outcome() == Check.KEYS_UNREACHABLE
    assert '"error":"not_answered","cached":true' in caplog.text
    has(server, key("ES384"))
    clock.seconds += 60
    assert outcome(2) == Check.UNKNOWN_KEY
    assert outcome() == "passed"


def settled(server, asked: int) -> None:
    """Wait for the questions that no call waits for, and compare how often the key server was asked."""
    for thread in threading.enumerate():
        if thread.name == "plexus-cds client keys":
            thread.join(10)
    assert len(server.requests) == asked


WRONG = {
    "500": (sends(http(SET, 500)), "not_answered"),
    "204": (sends(http(b"", 204)), "not_json"),
    "another 2xx": (sends(http(SET, 206)), "not_answered"),
    "a redirect": (sends(http(SET, 302, Location="/elsewhere")), "not_answered"),
    "closes at once": (sends(b""), "unreachable"),
    "closes half-way": (sends(http(SET[:50], Content_Length=len(SET))), "unreachable"),
    "never answers": (stalls(), "too_slow"),
    "a byte at a time": (drips(http(b"", Content_Length=len(SET)), SET), "too_slow"),
    "a byte at a time in the head": (drips(b"", http(SET)), "too_slow"),
    "without end": (repeats(chunked(b"["), b"4\r\n    \r\n"), "too_large"),
    "more than 64 KiB": (sends(http(SET + b" " * 65536)), "too_large"),
    "not JSON": (sends(http(b"<html>")), "not_json"),
    "compressed": (sends(http(SET, Content_Encoding="gzip")), "not_json"),
    "a list": (answers([public(key("ES384"))]), "not_a_key_set"),
    "an object": (answers(public(key("ES384"))), "not_a_key_set"),
    "null": (answers(None), "not_a_key_set"),
}


@pytest.mark.parametrize(("play", "why"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer(play, why, outcome, server, clock, caplog):
    """What is no JWK Set in time refuses the client, says why in the log, and is asked again after ten seconds."""
    has(server)
    server.plays = {"": play}
    assert outcome() == Check.KEYS_UNREACHABLE
    assert f'"error":"{why}","cached":false' in caplog.text
    assert "127.0.0.1" not in caplog.text
    clock.seconds = 9
    assert outcome() == Check.KEYS_UNREACHABLE
    assert len(server.requests) == 1
    has(server, key("ES384"))
    clock.seconds = 10
    assert outcome() == "passed"


def test_nobody_there(verifier):
    """A key server that cannot be connected to refuses the client."""
    with odd_server() as server:
        root = server.root
    with pytest.raises(Unauthenticated) as refusal:
        verifier(root=root).verify(bearer(), AUDIENCE)
    assert refusal.value.check == Check.KEYS_UNREACHABLE


def test_https(verifier):
    """Over https the certificate of the key server is checked, against the authorities that the site trusts."""
    hospital, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    hospital.issue_cert("127.0.0.1").configure_cert(context)
    with odd_server(tls=context) as server, hospital.cert_pem.tempfile() as file:
        has(server, key("ES384"))
        with pytest.raises(Unauthenticated) as refusal:
            verifier(root=server.root).verify(bearer(), AUDIENCE)
        assert (refusal.value.check, server.requests) == (Check.KEYS_UNREACHABLE, [])
        verifier(root=server.root, ca_file=file).verify(bearer(), AUDIENCE)
        assert len(server.requests) == 1

"""Each attack changes one thing of a good token, and is refused by the check that it is meant for."""

import re
import traceback

import pytest

from cds_service.auth import Check, Unauthenticated
from tests.integration.auth.attacks import ATTACKS, LINES, good
from tests.support.odd_server import odd_server
from tests.support.signing import AUDIENCE, ISSUER, bearer


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_the_token_that_is_attacked(algorithm, verifier):
    """Without any change the token passes, so that each refusal below is for its change."""
    caller = verifier(*LINES).verify(good(algorithm=algorithm), AUDIENCE)
    assert (caller.issuer, caller.tenant) == (ISSUER, "north")


@pytest.mark.parametrize(("attack", "check"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack(attack, check, verifier):
    """The attack is refused by its check, and what is raised holds nothing of the token."""
    text = attack() if callable(attack) else attack
    with pytest.raises(Unauthenticated) as refusal:
        verifier(*LINES).verify(text, AUDIENCE)
    error = refusal.value
    assert error.check == check
    assert error.issuer in ("", ISSUER)
    assert all(re.fullmatch(r"[0-9a-f]{16}|", digest) for digest in (error.kid_hash, error.token_id_hash))
    assert set(vars(error)) == {"check", "issuer", "kid_hash", "token_id_hash"}
    assert str(error) == "The call is not authenticated."
    assert error.__cause__ is None
    assert "".join(traceback.format_exception_only(error)).count("\n") == 1


def test_what_the_log_may_have(verifier):
    """A refusal distinguishes issuer, key and token by one-way hashes."""
    first, second = bearer(claimed={"jti": "a"}), bearer(claimed={"jti": "b"})
    refusals = []
    for text in (first, second, first):
        with pytest.raises(Unauthenticated) as refusal:
            verifier(*LINES).verify(text, AUDIENCE)
        refusals.append(refusal.value)
    assert [error.issuer for error in refusals] == [ISSUER] * 3
    assert len({error.kid_hash for error in refusals}) == 1
    hashes = [error.token_id_hash for error in refusals]
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.requirement("X-09", broken="a key server that is asked because a token names it")
@pytest.mark.requirement("X-15", broken="keys from an address that nobody listed")
def test_a_key_server_elsewhere_is_not_asked(verifier, key_server):
    """A token that names another key server than the configured one is refused, and that one hears nothing of it."""
    verify = verifier().verify
    with odd_server() as elsewhere:
        for url in (f"{elsewhere.root}/keys", f"{key_server.root}/keys?", f"{key_server.root}/keys/", None):
            with pytest.raises(Unauthenticated) as refusal:
                verify(bearer({"jku": url}), AUDIENCE)
            assert refusal.value.check == Check.JKU
        assert (elsewhere.connections, elsewhere.requests) == (0, [])
    verify(bearer({"jku": f"{key_server.root}/keys"}), AUDIENCE)

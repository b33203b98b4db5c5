"""Which keys of a JWK Set are used, and which are passed over and counted in the log."""

import json
import os

import pytest
from joserfc.jwk import RSAKey

from cds_service.auth import Check, KeySetCache, TokenVerifier, Unauthenticated, read_clients
from tests.support.odd_server import answers, odd_server
from tests.support.service import CLOCK
from tests.support.signing import AUDIENCE, GONE, ISSUER, NOW, bearer, claims, header, key, key_set, public, signed
from tests.support.token_verifier import Seconds

SECRET = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "ES384-1"}
GOOD = public(key("ES384"))
USED = {
    "as it is": GOOD,
    "with its use": {**GOOD, "use": "sig", "alg": "ES384", "key_ops": ["verify"]},
    "with members of others": {**GOOD, "x5c": "no list", "x5u": 1, "ext": True},
}
IGNORED = {
    "symmetric": (SECRET, "symmetric"),
    "with a secret beside": ({**GOOD, "k": "AAAA"}, "symmetric"),
    "private": (key("ES384").as_dict(private=True), "private"),
    "private RSA": ({**key("RS384").as_dict(private=True), "kid": "ES384-1"}, "private"),
    "half private": ({**GOOD, "d": None}, "private"),
    "for encryption": ({**GOOD, "use": "enc"}, "use"),
    "for another use": ({**GOOD, "use": ["sig"]}, "use"),
    "to sign": ({**GOOD, "key_ops": ["sign"]}, "use"),
    "operations that are a text": ({**GOOD, "key_ops": "verify"}, "use"),
    "without kid": (public(key("ES384"), kid=GONE), "no_kid"),
    "of another type": ({**GOOD, "kty": "OKP"}, "type"),
    "of a type that is a list": ({**GOOD, "kty": ["EC"]}, "type"),
    "not on its curve": ({**GOOD, "x": GOOD["y"], "y": GOOD["x"]}, "damaged"),
    "on no curve": ({**GOOD, "crv": "P-1"}, "damaged"),
    "half a key": (public(key("ES384"), y=GONE), "damaged"),
    "a number for a coordinate": ({**GOOD, "x": 1}, "damaged"),
    "no object": ("key", "damaged"),
    "too short": (None, "size"),
    "too long": ({"kty": "RSA", "n": "_" * 1500, "e": "AQAB", "kid": "ES384-1"}, "size"),
    "an exponent that is none": ({**public(key("RS384")), "e": "AQ", "kid": "ES384-1"}, "damaged"),
}


@pytest.fixture(name="verify")
def a_verifier_with_a_file(clients_file, memory, tmp_path):
    """Return a function that verifies a good token with the keys of a file; each call may write the file anew."""
    file = tmp_path / "keys.json"
    numbers = iter(range(1, 99))

    def write(content: bytes) -> None:
        file.write_bytes(content)
        os.utime(file, (NOW, NOW + next(numbers)))

    write(json.dumps(key_set(GOOD)).encode())
    table = f'issuer = "{ISSUER}"\njwks_file = "keys.json"\nalgorithms = ["ES384", "RS384", "PS384"]'
    clients = read_clients(clients_file(table))
    verifier = TokenVerifier(clients, KeySetCache(clock=Seconds()), memory, CLOCK)

    def verify(content: object = None, token: str | None = None):
        if content is not None:
            write(content if isinstance(content, bytes) else json.dumps(content).encode())
        return verifier.verify(token or bearer(), AUDIENCE)

    return verify


@pytest.mark.parametrize("jwk", USED.values(), ids=USED)
def test_used(jwk, verify):
    """A public key for signatures is used."""
    verify(key_set(jwk))


@pytest.mark.parametrize(("jwk", "why"), IGNORED.values(), ids=IGNORED)
def test_ignored(jwk, why, verify, caplog):
    """A key that proves nothing is as good as none; the log counts it and does not show it."""
    caplog.set_level("INFO", "plexus_cds")
    if jwk is None:
        with pytest.warns(UserWarning, match="2048"):
            jwk = public(RSAKey.generate_key(1024, {"kid": "ES384-1"}))
    with pytest.raises(Unauthenticated) as refusal:
        verify(key_set(jwk))
    assert refusal.value.check == Check.UNKNOWN_KEY
    assert f'"used":0,"ignored":{{"{why}":1}}' in caplog.text
    verify(key_set(jwk, GOOD))
    assert f'"used":1,"ignored":{{"{why}":1}}' in caplog.text
    assert '"kty"' not in caplog.text


def of(algorithm: str, **head) -> str:
    """Return a token of an algorithm, signed with the key of its family, under the kid `shared`."""
    private = key("RS384" if algorithm[1] == "S" and algorithm[0] != "E" else algorithm)
    return f"Bearer {signed(header(algorithm, kid='shared', **head), claims(), private, algorithm)}"


def test_the_algorithm_of_a_key(verify):
    """A key that names its algorithm is used with that one alone."""
    jwk = {**public(key("RS384")), "kid": "shared"}
    verify(key_set(jwk), of("PS384"))
    for named, algorithm in (("RS384", "PS384"), ("PS384", "RS384"), (384, "RS384")):
        with pytest.raises(Unauthenticated) as refusal:
            verify(key_set({**jwk, "alg": named}), of(algorithm))
        assert refusal.value.check == Check.UNKNOWN_KEY
    verify(key_set({**jwk, "alg": "RS384"}), of("RS384"))


def test_an_id_that_keys_share(verify):
    """Of several keys with one id, any that fits the algorithm may have signed: of two kinds, or of one."""
    shared = [{**public(private), "kid": "shared"} for private in (key("RS384"), key("ES384", 2), key("ES384"))]
    for algorithm in ("RS384", "ES384"):
        verify(key_set(*shared), of(algorithm))
    with pytest.raises(Unauthenticated) as refusal:
        verify(key_set(*shared[:2]), of("ES384"))
    assert refusal.value.check == Check.SIGNATURE


def test_a_file_that_changes(verify, caplog):
    """A file is read again when it changes; one that went wrong changes nothing, and is logged once."""
    verify()
    with pytest.raises(Unauthenticated):
        verify(key_set(public(key("ES384", 2))))
    verify(key_set(GOOD))
    caplog.clear()
    for content in (b"{", b"\xff", b"[]"):
        verify(content)
        verify()
    assert caplog.text.count('"event":"client_keys_unavailable"') == 3
    with pytest.raises(Unauthenticated) as refusal:
        verify(key_set())
    assert refusal.value.check == Check.UNKNOWN_KEY


def test_a_file_that_is_gone(verify, tmp_path, caplog):
    """Without its file a client goes on with the keys that were read, and without any it is refused."""
    verify()
    (tmp_path / "keys.json").unlink()
    verify()
    assert '"error":"No such file or directory","cached":true' in caplog.text


def test_a_file_that_is_gone_before_it_is_read(verify, tmp_path):
    """A file that has gone since the start refuses its client, until it is back."""
    (tmp_path / "keys.json").unlink()
    with pytest.raises(Unauthenticated) as refusal:
        verify()
    assert refusal.value.check == Check.KEYS_UNREACHABLE
    verify(key_set(GOOD))


@pytest.mark.parametrize("beside", ["", 'jwks_url = "{url}"'], ids=["a file alone", "with a URL"])
def test_pinned_keys_win_over_jku(clients_file, memory, tmp_path, beside):
    """With pinned keys a token's `jku` is ignored, as Epic and the Sandbox always send one, and no URL is read."""
    (tmp_path / "keys.json").write_text(json.dumps(key_set(GOOD)), encoding="utf-8")
    with odd_server() as elsewhere:
        elsewhere.plays = {"": answers(key_set(GOOD, public(key("ES384", 2))))}
        url = f"{elsewhere.root}/keys"
        table = f'issuer = "{ISSUER}"\njwks_file = "keys.json"\n{beside.format(url=url)}'
        clients = read_clients(clients_file(table), development=True)
        verifier = TokenVerifier(clients, KeySetCache(), memory, CLOCK)
        for jku in (url, f"{url}2", "http://nobody.invalid/keys", None, 7):
            verifier.verify(bearer({"jku": jku}), AUDIENCE)
        forged = signed(header(kid="ES384-2", jku=url), claims(), key("ES384", 2))
        with pytest.raises(Unauthenticated) as refusal:
            verifier.verify(f"Bearer {forged}", AUDIENCE)
        assert refusal.value.check == Check.UNKNOWN_KEY
        assert (elsewhere.connections, elsewhere.requests) == (0, [])

"""What passes: the tokens that CDS Hooks allows, and what is known of their callers then."""

import json

import pytest

from cds_service.auth import Check, Principal, Unauthenticated
from tests.support.odd_server import answers
from tests.support.signing import AUDIENCE, ISSUER, NOW, bearer, claims, header, key, key_set, public, signed
from tests.support.token_verifier import has, verifier_of

ALLOWED = {
    "as it is": {},
    "one audience of a list": {"aud": ["https://other.example.org", AUDIENCE]},
    "times with fractions": {"iat": NOW - 0.5, "exp": NOW + 299.5},
    "the longest life": {"iat": NOW, "exp": NOW + 900},
    "just expired": {"iat": NOW - 300, "exp": NOW - 59},
    "a clock that is ahead": {"iat": NOW + 60, "nbf": NOW + 60},
    "nbf": {"nbf": NOW - 5},
    "a tenant": {"tenant": "north"},
    "the longest id": {"jti": "\u00e4" * 256},
    "claims of others": {"sub": None, "fhirUser": ["x"], "nested": {"iss": "other"}},
}


@pytest.mark.parametrize("claimed", ALLOWED.values(), ids=ALLOWED)
def test_claims(claimed, verifier):
    """A token with these claims passes once."""
    verifier().verify(bearer(claimed=claimed), AUDIENCE)


HEADERS = {
    "type in other letters": {"typ": "jwt"},
    "members of others": {"cty": "json", "x5t": "AAAA", "more": {"alg": "none"}},
    "a long member": {"more": "x" * 1000},
}


@pytest.mark.parametrize("head", HEADERS.values(), ids=HEADERS)
def test_headers(head, verifier):
    """A token with this header passes."""
    verifier().verify(bearer(head), AUDIENCE)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme(scheme, verifier):
    """The scheme may be written in any letters, as HTTP has it."""
    verifier().verify(bearer().replace("Bearer", scheme), AUDIENCE)


@pytest.mark.requirement("X-19", broken="ES384 or RS384 that has to be listed")
@pytest.mark.requirement("X-20", broken="an algorithm that nobody listed and that passes")
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_algorithms(algorithm, verifier, key_server):
    """ES384 and RS384 are accepted from everyone, each other one from the clients that list it, and only then."""
    has(key_server, key(algorithm))
    verifier(f'algorithms = ["{algorithm}"]').verify(bearer(algorithm=algorithm), AUDIENCE)
    other = "ES384" if algorithm == "RS384" else "RS384"
    verify = verifier(*([f'algorithms = ["{other}"]'] if algorithm in ("ES384", "RS384") else [])).verify
    with pytest.raises(Unauthenticated) as refusal:
        verify(bearer(algorithm=algorithm), AUDIENCE)
    assert refusal.value.check == Check.ALGORITHM


def test_the_caller(verifier, key_server):
    """The caller is what the token proves and what the clients file says of it."""
    has(key_server, key("ES384"))
    lines = ('fhir_servers = ["https://ehr.example.org/fhir"]', "calls_per_minute = 600", "lifetime_seconds = 3600")
    found = verifier(*lines).verify(bearer(claimed={"tenant": "north", "exp": NOW + 3590}), AUDIENCE)
    assert found == Principal(ISSUER, "north", ("https://ehr.example.org/fhir",), 600)
    assert verifier().verify(bearer(), AUDIENCE) == Principal(ISSUER, "", (), None)


def test_the_same_id_of_another_client(verifier, key_server):
    """Ids are each client's own: what one has used is new from another."""
    has(key_server, key("ES384"))
    verify = verifier().verify
    verify(bearer(claimed={"jti": "shared"}), AUDIENCE)
    with pytest.raises(Unauthenticated) as refusal:
        verify(bearer(claimed={"jti": "shared"}), AUDIENCE)
    assert refusal.value.check == Check.REPLAY
    other = verifier(f'[[clients]]\nissuer = "urn:other"\njwks_url = "{key_server.root}/keys"')
    assert other.verify(bearer(claimed={"jti": "shared", "iss": "urn:other"}), AUDIENCE).issuer == "urn:other"


@pytest.mark.parametrize("keys", ["jwks_url", "jwks_file"])
def test_a_token_as_epic_documents_it(keys, key_server, clients_file, memory, tmp_path):
    """RS384, always with its `jku`, an id of its key in base64, `nbf` five minutes ago, a life of 15, and `sub`."""
    kid, private = "d3bmo5HzW61TUgikHZH+A8Tx4UOXz2iOs4KvVU4eLY0=", key("RS384")
    jwks = key_set({**public(private), "kid": kid})
    key_server.plays = {"": answers(jwks)}
    (tmp_path / "epic.jwks.json").write_text(json.dumps(jwks), encoding="utf-8")
    url = f"{key_server.root}/api/epic/2019/Security/Open/PublicKeys/530013/530013"
    table = f'issuer = "{ISSUER}"\nalgorithms = ["RS384"]\n'
    file = clients_file(table + (f'jwks_url = "{url}"' if keys == "jwks_url" else 'jwks_file = "epic.jwks.json"'))
    head = header("RS384", kid=kid, jku=url)
    payload = claims(iat=int(NOW), exp=int(NOW) + 900, nbf=int(NOW) - 300, sub="5c3d2d5e-client", jti=f"epic-{keys}")
    verifier_of(file, memory).verify(f"Bearer {signed(head, payload, private, 'RS384')}", AUDIENCE)

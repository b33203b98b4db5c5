"""Whatever comes as a token, it passes or is Unauthenticated; and no token passes that the client did not sign."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service.auth import Check, Principal, Unauthenticated
from tests.support.profiles import examples
from tests.support.signing import AUDIENCE, ISSUER, bearer, changed, claims, header, signed
from tests.support.token_verifier import verifier_of, write_clients

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_. ="
MANY = examples(300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
HEADERS = st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jku", "jwk", "crit", "x5t", "cty"]), JSON, max_size=2)
CLAIMS = st.dictionaries(st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "jti", "tenant"]), JSON, max_size=2)


@st.composite
def edits(draw):
    """Return a function that changes a text here and there: a letter replaced, left out or put in."""
    some = draw(
        st.lists(st.tuples(st.floats(0, 1), st.sampled_from("rdi"), st.sampled_from(LETTERS)), min_size=1, max_size=4)
    )

    def edit(text: str) -> str:
        for where, kind, letter in some:
            at = min(int(where * len(text)), len(text) - 1)
            text = text[:at] + ("" if kind == "d" else letter) + text[at + (kind != "i") :]
        return text

    return edit


def outcome(verify, text: str) -> Check | str:
    """Tell what became of a token; anything that is raised but Unauthenticated fails the test."""
    try:
        assert isinstance(verify(text, AUDIENCE), Principal)
    except Unauthenticated as refusal:
        return refusal.check
    return "passed"


@pytest.fixture(name="verify", scope="module")
def a_verifier(key_server, memory, tmp_path_factory):
    """Give one verifier for all these tokens."""
    table = f'issuer = "{ISSUER}"\njwks_url = "{key_server.root}/keys"'
    return verifier_of(write_clients(tmp_path_factory.mktemp("clients"), table), memory).verify


@MANY
@given(edit=edits(), algorithm=st.sampled_from(["ES384", "RS384"]))
def test_a_token_that_was_changed(edit, algorithm, verify):
    """A good token that nobody has used yet does not pass once any letter of it is another one; as it was, it does."""
    text = bearer(algorithm=algorithm)
    token = text.removeprefix("Bearer ")
    assume(edit(token) != token)
    assert outcome(verify, f"Bearer {edit(token)}") != "passed"
    assert outcome(verify, text) == "passed"


@MANY
@given(head=HEADERS, claimed=CLAIMS)
def test_a_token_that_says_anything(head, claimed, verify):
    """Whatever a client signs is either good or Unauthenticated."""
    text = f"Bearer {signed(changed(header(), head), changed(claims(), claimed))}"
    outcome(verify, text)


@MANY
@given(head=st.binary(max_size=60), claimed=st.binary(max_size=60))
def test_a_token_of_any_bytes(head, claimed, verify):
    """Bytes that are no JSON object do not pass, though they are signed."""
    assert outcome(verify, f"Bearer {signed(head or b'{', claimed or b'{')}") != "passed"


@MANY
@given(text=st.text() | st.text().map("Bearer {}".format) | st.none())
def test_any_header(text, verify):
    """No text passes."""
    assert outcome(verify, text) != "passed"

"""The attacks: each changes one thing of a good token, and names the check that is meant for it."""

import json
from base64 import urlsafe_b64decode

from cds_service.auth import Check
from tests.support.signing import (
    AUDIENCE,
    GONE,
    ISSUER,
    NOW,
    base64url,
    bearer,
    claims,
    header,
    key,
    public,
    signed,
    with_shared_secret,
)

LINES = ('tenants = ["north", "south"]', 'algorithms = ["ES384", "RS384", "PS384"]')
"""A client with every restriction, so that each of the attacks meets one."""


def good(head: dict | None = None, claimed: dict | None = None, algorithm: str = "ES384") -> str:
    """Return a token that passes, with these changes."""
    return bearer(head, {"tenant": "north", **(claimed or {})}, algorithm)


def parts(text: str) -> list[str]:
    """Return header, claims and signature of a header Authorization."""
    return text.removeprefix("Bearer ").split(".")


def joined(*of: str) -> str:
    """Return a header Authorization of three parts."""
    return f"Bearer {'.'.join(of)}"


def twice(part: bytes, name: bytes, value: bytes) -> bytes:
    """Return a JSON object that begins with one more member."""
    return b'{"%s": %s, ' % (name, value) + part[1:]


def raw(head: bytes | None = None, claimed: bytes | None = None) -> str:
    """Return a signed token with a header or claims of these bytes."""
    return f"Bearer {signed(head or header(), claimed or claims(tenant='north'))}"


def tampered(index: int, **changes) -> str:
    """Return a good token with another header or other claims than were signed."""
    of = parts(good())
    of[index] = base64url(json.dumps(json.loads(urlsafe_b64decode(of[index] + "==")) | changes).encode())
    return joined(*of)


def other_claims() -> str:
    """Return the claims of one token under the signature of another."""
    first, second = parts(good()), parts(good())
    return joined(first[0], second[1], first[2])


def open_ended() -> str:
    """Return a good token whose last letter has bits that stand for nothing."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = good(algorithm="RS384")
    return text[:-1] + letters[letters.index(text[-1]) + 1]


HEADERS = {
    "no header": (None, Check.MISSING),
    "an empty header": ("", Check.MISSING),
    "a scheme alone": ("Bearer ", Check.MALFORMED),
    "another scheme": ("Basic dXNlcjpwYXNz", Check.MALFORMED),
    "no scheme": (lambda: good().removeprefix("Bearer "), Check.MALFORMED),
    "two schemes": (lambda: f"Basic dXNlcjpwYXNz, {good()}", Check.MALFORMED),
    "two tokens": (lambda: f"{good()}, {good()}", Check.MALFORMED),
    "two spaces": (lambda: good().replace(" ", "  "), Check.MALFORMED),
    "a tab": (lambda: good().replace(" ", "\t"), Check.MALFORMED),
    "space before": (lambda: f" {good()}", Check.MALFORMED),
    "space after": (lambda: f"{good()} ", Check.MALFORMED),
    "a line after": (lambda: f"{good()}\n", Check.MALFORMED),
    "another header line": (lambda: f"{good()}\r\nX-Other: 1", Check.MALFORMED),
    "a null": (lambda: f"{good()}\0", Check.MALFORMED),
    "letters that look like others": (lambda: good().replace("Bearer", "\u0412earer"), Check.MALFORMED),
    "two parts": (lambda: joined(*parts(good())[:2]), Check.MALFORMED),
    "four parts": (lambda: f"{good()}.AAAA", Check.MALFORMED),
    "five parts, as encrypted": (lambda: f"{good()}.AAAA.AAAA", Check.MALFORMED),
    "padding": (lambda: f"{good(algorithm='RS384')}==", Check.MALFORMED),
    "the other alphabet": (lambda: f"{good()[:-2]}+/", Check.MALFORMED),
    "JSON in the place of a token": ('Bearer {"payload": "e30"}', Check.MALFORMED),
    "oversized": (lambda: good(claimed={"more": "x" * 8192}), Check.TOO_LARGE),
}
PARTS = {
    "a header that is no JSON": (lambda: raw(head=b"{'alg': 'ES384'}"), Check.MALFORMED),
    "a header that is a list": (lambda: raw(head=b"[]"), Check.MALFORMED),
    "claims that are a text": (lambda: raw(claimed=b'"claims"'), Check.MALFORMED),
    "claims that are not UTF-8": (lambda: raw(claimed=b'{"iss": "\xff"}'), Check.MALFORMED),
    "claims in UTF-16": (lambda: raw(claimed='{"iss": ""}'.encode("utf-16")), Check.MALFORMED),
    "claims with a BOM": (lambda: raw(claimed=b"\xef\xbb\xbf{}"), Check.MALFORMED),
    "claims nested deeply": (lambda: raw(claimed=b"[" * 5000), Check.MALFORMED),
    "a number that is none": (lambda: raw(claimed=b'{"exp": NaN}'), Check.MALFORMED),
    "a number without end": (lambda: raw(claimed=b'{"exp": 1e999}'), Check.MALFORMED),
    "a number of 5000 digits": (lambda: raw(claimed=b'{"exp": %s}' % (b"9" * 5000)), Check.MALFORMED),
    "two algorithms": (lambda: raw(head=twice(b'{"alg": "ES384"}', b"alg", b'"none"')), Check.MALFORMED),
    "two issuers": (lambda: raw(claimed=twice(b'{"iss": "a"}', b"iss", b'"b"')), Check.MALFORMED),
    "two of a name below": (lambda: raw(claimed=b'{"more": [{"a": 1, "a": 1}]}'), Check.MALFORMED),
}
HEAD = {
    "crit": (lambda: good({"crit": ["exp"]}), Check.CRIT),
    "an empty crit": (lambda: good({"crit": []}), Check.CRIT),
    "b64": (lambda: good({"b64": False}), Check.CRIT),
    "jwk": (lambda: good({"jwk": public(key("ES384", 9))}), Check.EMBEDDED_KEY),
    "x5u": (lambda: good({"x5u": "https://ehr.example.org/chain.pem"}), Check.EMBEDDED_KEY),
    "x5c": (lambda: good({"x5c": ["MII="]}), Check.EMBEDDED_KEY),
    "no type": (lambda: good({"typ": GONE}), Check.TYPE),
    "another type": (lambda: good({"typ": "at+jwt"}), Check.TYPE),
    "a type that is a list": (lambda: good({"typ": ["JWT"]}), Check.TYPE),
    "no kid": (lambda: good({"kid": GONE}), Check.KID),
    "an empty kid": (lambda: good({"kid": ""}), Check.KID),
    "a kid that is a number": (lambda: good({"kid": 1}), Check.KID),
    "a long kid": (lambda: good({"kid": "k" * 257}), Check.KID),
    "no algorithm": (lambda: good({"alg": GONE}), Check.ALGORITHM),
    "none": (lambda: joined(*parts(good({"alg": "none"}))[:2], ""), Check.ALGORITHM),
    "None": (lambda: joined(*parts(good({"alg": "None"}))[:2], ""), Check.ALGORITHM),
    "none with a signature": (lambda: good({"alg": "none"}), Check.ALGORITHM),
    "the public key as a secret": (with_shared_secret, Check.ALGORITHM),
    "an algorithm that is not listed": (lambda: good(algorithm="RS256"), Check.ALGORITHM),
    "an algorithm in other letters": (lambda: good({"alg": "es384"}), Check.ALGORITHM),
    "an algorithm that is a list": (lambda: good({"alg": ["ES384"]}), Check.ALGORITHM),
    "a kid that nobody has": (lambda: good({"kid": "../../dev/null"}), Check.UNKNOWN_KEY),
    "a kid that cannot be written": (lambda: good({"kid": "\ud800"}), Check.UNKNOWN_KEY),
    "the key of another algorithm": (lambda: good({"kid": "RS384-1"}), Check.UNKNOWN_KEY),
}
AUDIENCES = {
    "of another endpoint": AUDIENCE.replace("select", "sign"),
    "of feedback": f"{AUDIENCE}/feedback",
    "with a slash": f"{AUDIENCE}/",
    "in capitals": AUDIENCE.replace("cds.example", "CDS.example"),
    "with a port": AUDIENCE.replace(".org", ".org:443"),
    "with a query": f"{AUDIENCE}?",
    "http": AUDIENCE.replace("https", "http"),
    "the host alone": "https://cds.example.org",
    "of others": ["https://cds.example.org", f"{AUDIENCE}/feedback"],
    "with a number": [AUDIENCE, 1],
    "in a list of a list": [[AUDIENCE]],
    "an empty list": [],
    "an object": {"url": AUDIENCE},
    "null": None,
    "gone": GONE,
}
CLAIMS = {
    "an unknown issuer": ({"iss": "https://other.example.org"}, Check.ISSUER),
    "an issuer with a slash": ({"iss": f"{ISSUER}/"}, Check.ISSUER),
    "a list of issuers": ({"iss": [ISSUER]}, Check.ISSUER),
    "no issuer": ({"iss": GONE}, Check.ISSUER),
    "expired": ({"iat": NOW - 400, "exp": NOW - 60}, Check.TIMES),
    "of tomorrow": ({"iat": NOW + 61}, Check.TIMES),
    "not yet valid": ({"nbf": NOW + 61}, Check.TIMES),
    "valid for too long": ({"iat": NOW, "exp": NOW + 901}, Check.LIFETIME),
    "valid since long": ({"iat": NOW - 1000}, Check.LIFETIME),
    "valid for ever": ({"exp": 1.7e308, "iat": -1.7e308}, Check.LIFETIME),
    "expired when issued": ({"iat": NOW + 30, "exp": NOW + 30}, Check.LIFETIME),
    "another tenant": ({"tenant": "west"}, Check.TENANT),
    "tenants": ({"tenant": ["north"]}, Check.TENANT),
    "no tenant": ({"tenant": GONE}, Check.TENANT),
    "no id": ({"jti": GONE}, Check.TOKEN_ID),
    "an empty id": ({"jti": ""}, Check.TOKEN_ID),
    "a long id": ({"jti": "x" * 257}, Check.TOKEN_ID),
    "an id that is a number": ({"jti": 7}, Check.TOKEN_ID),
}
SIGNATURES = {
    "tampered header": (lambda: tampered(0, more=1), Check.SIGNATURE),
    "tampered claims": (lambda: tampered(1, tenant="south"), Check.SIGNATURE),
    "tampered signature": (lambda: good()[:-4] + "AAAA", Check.SIGNATURE),
    "claims of another token": (other_claims, Check.SIGNATURE),
    "no signature": (lambda: joined(*parts(good())[:2], ""), Check.SIGNATURE),
    "half a signature": (lambda: good()[:-64], Check.SIGNATURE),
    "zeros": (lambda: joined(*parts(good())[:2], base64url(bytes(96))), Check.SIGNATURE),
    "another key": (lambda: f"Bearer {signed(header(), claims(tenant='north'), key('ES384', 9))}", Check.SIGNATURE),
    "another padding": (
        lambda: f"Bearer {signed(header('PS384', kid='RS384-1'), claims(tenant='north'), algorithm='RS384')}",
        Check.SIGNATURE,
    ),
    "bits that stand for nothing": (open_ended, Check.MALFORMED),
}
TIMES = {
    f"{name} {what}": ({name: value}, Check.TIMES)
    for name in ("exp", "iat", "nbf")
    for what, value in {
        "true": True,
        "a text": str(NOW + 5),
        "null": None,
        "a list": [NOW],
        "an object": {},
    }.items()
}
MISSING_TIMES = {f"no {name}": ({name: GONE}, Check.TIMES) for name in ("exp", "iat")}
DOCUMENTED_CHECKS = (
    CLAIMS | TIMES | MISSING_TIMES | {f"aud {name}": ({"aud": aud}, Check.AUDIENCE) for name, aud in AUDIENCES.items()}
)
ATTACKS = (
    HEADERS
    | PARTS
    | HEAD
    | SIGNATURES
    | {
        name: (lambda claimed=claimed: good(claimed=claimed), check)
        for name, (claimed, check) in DOCUMENTED_CHECKS.items()
    }
)

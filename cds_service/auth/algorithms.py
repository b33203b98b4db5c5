"""The algorithms that tokens may be signed with."""

ALGORITHMS = {
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
}
"""All the algorithms that a client may ever use, and the kind of key of each: none of them has a shared secret."""

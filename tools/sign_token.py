"""`python tools/sign_token.py ISSUER URL`: a header Authorization to test with, as a client of that issuer sends it.

The key is made on first use: test-client.json has the private key, test-client.jwks.json what the clients file names.
"""

import argparse
import json
from pathlib import Path
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import ECKey

from cds_service.clock import SYSTEM_CLOCK

MINUTES = 5


def key_in(folder: Path) -> ECKey:
    """Return the private key of a folder, which is made where there is none, with its public half beside it."""
    private = folder / "test-client.json"
    if not private.exists():
        made = ECKey.generate_key("P-384", {"kid": str(uuid4())})
        private.touch(mode=0o600)
        private.write_text(json.dumps(made.as_dict(private=True)), encoding="utf-8")
        public = json.dumps({"keys": [made.as_dict(private=False)]}, indent=2)
        (folder / "test-client.jwks.json").write_text(public, encoding="utf-8")
    return ECKey.import_key(json.loads(private.read_text(encoding="utf-8")))


def token(issuer: str, url: str, key: ECKey) -> str:
    """Return a token for one call of one URL; another call needs another."""
    now = int(SYSTEM_CLOCK.now().timestamp())
    claims = {"iss": issuer, "aud": url, "iat": now, "exp": now + MINUTES * 60, "jti": str(uuid4())}
    return jwt.encode({"alg": "ES384", "typ": "JWT", "kid": key.kid}, claims, key, algorithms=["ES384"])


def main() -> None:
    """Print the header."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("issuer", help="the issuer, as the clients file has it")
    parser.add_argument("url", help="the URL that is called, exactly")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the key is (default: here)")
    options = parser.parse_args()
    print(f"Authorization: Bearer {token(options.issuer, options.url, key_in(options.folder))}")


if __name__ == "__main__":
    main()

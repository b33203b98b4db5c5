"""An example client in Python: sign a token, send a hook call, report what became of the card.

Usage: python examples/client.py BASE_URL ISSUER KEY_FILE CALL_FILE

KEY_FILE is a private key as a JWK with its `kid`, for example test-client.json of tools/sign_token.py; CALL_FILE a hook
call, for example from `plexus-cds example article`. Needs requests and joserfc.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from joserfc import jwt
from joserfc.jwk import ECKey

SERVICE = "/cds-services/lumbosacral-plexus-mri-order-select"
TIMEOUT = 5  # seconds; after that an EHR goes on without advice


def token(issuer: str, url: str, key: ECKey) -> str:
    """Return a token for one call of exactly this URL: a call that is repeated needs another one."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": url, "iat": now, "exp": now + 300, "jti": str(uuid4())}
    return jwt.encode({"alg": "ES384", "typ": "JWT", "kid": key.kid}, claims, key, algorithms=["ES384"])


def post(url: str, body: dict[str, Any], issuer: str, key: ECKey) -> dict[str, Any]:
    """Return the answer to a call; without one, or on an error, an empty object: the order must go on."""
    headers = {"Authorization": f"Bearer {token(issuer, url, key)}"}
    try:
        response = requests.post(url, json=body, headers=headers, timeout=TIMEOUT)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
    except requests.RequestException as error:
        print(f"no advice: {type(error).__name__}", file=sys.stderr)
        return {}
    return answer


def main() -> None:
    """Send the call, print each card, and report it as accepted with its first suggestion, if it has one."""
    base, issuer, key_file, call_file = sys.argv[1:]
    key = ECKey.import_key(json.loads(Path(key_file).read_text(encoding="utf-8")))
    call = json.loads(Path(call_file).read_text(encoding="utf-8"))
    for card in post(base + SERVICE, call, issuer, key).get("cards", []):
        print(card["summary"])
        suggestions = card.get("suggestions", [])
        for suggestion in suggestions:
            print(f"- {suggestion['label']}")
        if not suggestions:
            continue
        report = {
            "card": card["uuid"],
            "outcome": "accepted",
            "acceptedSuggestions": [{"id": suggestions[0]["uuid"]}],
            "outcomeTimestamp": datetime.now(UTC).isoformat(),
        }
        post(f"{base}{SERVICE}/feedback", {"feedback": [report]}, issuer, key)


if __name__ == "__main__":
    main()

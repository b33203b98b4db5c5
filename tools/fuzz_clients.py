"""The clients of a fuzz campaign: their keys and tokens, and the addresses of this machine that they call from."""

import json
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from cds_service.clock import SYSTEM_CLOCK
from tests.support.service import ORDER_SELECT
from tests.support.signing import claims, header, key, key_set, public, signed
from tests.support.token_verifier import write_clients

PUBLIC_URL = "http://127.0.0.1:8080"
"""Of all instances, so that tokens are good for each, and the links of their cards are the same."""
_PATIENCE = 60
"""Seconds."""
_ALGORITHM = "ES256"
_CLIENTS = {name: f"https://{name}.example.org" for name in ("bodies", "good", "hasty", "nobody")}
"""Issuers: of the bodies, of good calls, one that may call once a minute, and one that is in no clients file."""


def clients_file(folder: Path) -> Path:
    """Write the clients file and its keys to a folder; returns its path."""
    (folder / "keys.json").write_text(json.dumps(key_set(public(key(_ALGORITHM)))))
    lines = f'jwks_file = "keys.json"\nalgorithms = ["{_ALGORITHM}"]'
    tables = [f'issuer = "{_CLIENTS[name]}"\n{lines}' for name in ("bodies", "good", "hasty")]
    return write_clients(folder, *tables[:2], f"{tables[2]}\ncalls_per_minute = 1")


def session_from(address: str, verify: Any) -> requests.Session:
    """Return a client that calls from an address of this machine."""
    session = requests.Session()
    session.trust_env, session.verify = False, verify
    for scheme in ("http://", "https://"):
        session.mount(scheme, _From(address))
    return session


class _From(HTTPAdapter):
    """Connects from one address of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Create the pool of connections."""
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)


def bearer(client: str, path: str, **changes: Any) -> str:
    """Return the header Authorization of a client's new token for a path."""
    now = SYSTEM_CLOCK.now().timestamp()
    good = {"iss": _CLIENTS[client], "aud": PUBLIC_URL + path, "iat": now - 5, "exp": now + 295}
    return f"Bearer {signed(header(_ALGORITHM), claims(**(good | changes)), algorithm=_ALGORITHM)}"


def authorization(token: str, base: str) -> str | None:
    """Return the header Authorization that a name of fuzz_bytes.TOKENS stands for; a used token was used at `base`."""
    now = SYSTEM_CLOCK.now().timestamp()
    if token == "used":
        used = bearer("bodies", ORDER_SELECT)
        url = base + ORDER_SELECT
        requests.post(url, b"{}", headers={"Authorization": used}, timeout=_PATIENCE)
        return used
    return {
        "none": lambda: None,
        "junk": lambda: "Bearer x.y.z",
        "long": lambda: f"Bearer {'x' * 8_193}",
        "expired": lambda: bearer("bodies", ORDER_SELECT, iat=now - 900, exp=now - 300),
        "of another path": lambda: bearer("bodies", "/cds-services"),
        "of nobody": lambda: bearer("nobody", ORDER_SELECT),
        "hasty": lambda: bearer("hasty", ORDER_SELECT),
        "good": lambda: bearer("bodies", ORDER_SELECT),
    }[token]()

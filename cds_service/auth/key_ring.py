"""The public keys of all clients, each from its own file or key server."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cds_service.auth.clients import Client
from cds_service.auth.key_file import KeyFile
from cds_service.auth.key_server import KeyServer

if TYPE_CHECKING:
    from cds_service.auth.public_keys import PublicKey


class KeyRing:
    """Finds keys for a whole process; `clock` counts seconds."""

    def __init__(self, ca_file: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._ca_file, self._clock = ca_file, clock
        self._lock = threading.Lock()
        self._sources: dict[Client, KeyFile | KeyServer] = {}

    def keys(self, client: Client, kid: str) -> "tuple[PublicKey, ...] | None":
        """Return a client's keys of one id, none where it has no such key, or None where its keys cannot be had."""
        source = self._sources.get(client) or self._new_source(client)
        held = source.keys(kid)
        return None if held is None else held.named(kid)

    def _new_source(self, client: Client) -> KeyFile | KeyServer:
        with self._lock:  # of calls that come at once one asks for the keys
            return self._sources.setdefault(client, self._source(client))

    def _source(self, client: Client) -> KeyFile | KeyServer:
        """Return where the keys are; beside a file, the address only says what tokens may name."""
        if client.jwks_file:
            return KeyFile(client.issuer, client.jwks_file)
        return KeyServer(client.issuer, client.jwks_url or "", self._ca_file, self._clock)

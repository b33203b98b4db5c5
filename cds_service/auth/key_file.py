"""The public keys of one client in a file, which is read again whenever it changes."""

import json
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service.strict_json import strict_json

if TYPE_CHECKING:
    from cds_service.auth.public_keys import KeySet


def read_key_file(file: Path) -> "KeySet":
    """Return the keys of a file, or raise OSError or ValueError."""
    from cds_service.auth.public_keys import read_key_set  # noqa: PLC0415 - slow, and many a service has no clients

    return read_key_set(strict_json(file.read_bytes()))


class KeyFile:
    """The keys of a file; one that went wrong changes nothing, so to refuse a client it is taken from the clients."""

    def __init__(self, issuer: str, file: Path) -> None:
        self._issuer, self._file = issuer, file
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._held: KeySet | None = None

    def keys(self, _kid: str) -> "KeySet | None":
        """Return the keys, or None where the file was never readable."""
        if self._stamp() != self._seen:
            with self._lock:  # of calls that come at once all wait for the one that reads
                self._read_if_changed()
        return self._held

    def _read_if_changed(self) -> None:
        stamp = self._stamp()
        if stamp != self._seen:
            self._read()
            self._seen = stamp

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = os.stat(self._file)  # noqa: PTH116 - each call asks, and Path.stat takes half as long again
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> None:
        try:
            self._held = read_key_file(self._file)
        except (OSError, ValueError) as error:
            log_keys(
                self._issuer,
                "not read; those before stay in force",
                why=getattr(error, "strerror", None) or type(error).__name__,
            )
        else:
            log_keys(self._issuer, "read", used=len(self._held.keys), ignored=dict(self._held.ignored))


def log_keys(issuer: str, what: str, **more: object) -> None:
    """Log what became of the keys of a client."""
    line = {"client_keys": what, "issuer": issuer, **more}
    logging.getLogger("plexus_cds").warning(json.dumps(line))

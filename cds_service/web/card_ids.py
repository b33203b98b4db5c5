"""UUIDs of cards and suggestions."""

import os
from uuid import UUID

_AT_ONCE = 256
_BYTES = 16


class CardIds:
    """Makes random UUIDs, many at once: to ask the system for each would hand the interpreter to another call."""

    def __init__(self) -> None:
        self._ready: list[bytes] = []

    def __call__(self) -> str:
        """Return one that was never returned before."""
        while True:
            try:
                return str(UUID(bytes=self._ready.pop(), version=4))
            except IndexError:
                block = os.urandom(_AT_ONCE * _BYTES)
                self._ready.extend(block[at : at + _BYTES] for at in range(0, len(block), _BYTES))

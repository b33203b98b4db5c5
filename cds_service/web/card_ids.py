"""UUIDs of cards and suggestions."""

import os

_AT_ONCE = 256
_DIGITS = 32
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


class CardIds:
    """Makes random UUIDs (RFC 9562, version 4), many at once.

    To ask the system for each would hand the interpreter to another call; and UUID would take longer than all else of
    it, three times a card.
    """

    def __init__(self) -> None:
        self._ready: list[str] = []

    def __call__(self) -> str:
        """Return one that was never returned before."""
        while True:
            try:
                random = self._ready.pop()
            except IndexError:
                block = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
                self._ready.extend(block[at : at + _DIGITS] for at in range(0, len(block), _DIGITS))
            else:
                variant = _VARIANT[random[16]]
                return f"{random[:8]}-{random[8:12]}-4{random[13:16]}-{variant}{random[17:20]}-{random[20:]}"

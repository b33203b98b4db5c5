"""Check digits of clinical codes, so that a mistyped code cannot enter a value set."""

from __future__ import annotations

_TIMES = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_TURN = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def snomed(code: str) -> bool:
    """Return whether a SNOMED CT identifier passes Verhoeff's check."""
    check = 0
    for index, digit in enumerate(reversed(code)):
        check = int(_TIMES[check][int(_TURN[index % 8][int(digit)])])
    return check == 0


def loinc(code: str) -> bool:
    """Return whether a LOINC number passes its modulus-10 check."""
    number, _, check = code.partition("-")
    total = sum(sum(divmod(int(digit) * (2 - index % 2), 10)) for index, digit in enumerate(reversed(number)))
    return check == str(-total % 10)


CHECKS = {"http://snomed.info/sct": snomed, "http://loinc.org": loinc}


def passes(system: str, code: str) -> bool:
    """Return whether a code passes the check digit of its system, where the system has one."""
    check = CHECKS.get(system)
    return check is None or check(code)

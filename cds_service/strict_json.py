"""JSON, read strictly: what other parsers would refuse, or turn into another value, is no JSON here."""

import json
from math import isfinite
from typing import Any, NoReturn

_DIGITS = 1000
"""More than any number needs, and few enough to be read quickly."""


class UnsafeJson(ValueError):
    """JSON that is read as one thing here and as another, or not at all, elsewhere; the text holds nothing of it."""


def strict_json(content: bytes | str, *, once: bool = False, depth: int | None = None) -> Any:
    """Return the value of a JSON text, or raise ValueError for a text that is none.

    `once` refuses a name twice, and `depth` what is nested deeper than so many levels.
    """
    numbers: dict[str, Any] = {"parse_constant": _no_number, "parse_int": _whole_number, "parse_float": _finite}
    try:
        value = json.loads(content, object_pairs_hook=_once if once else None, **numbers)
    except RecursionError:
        message = "it is nested too deeply"
        raise UnsafeJson(message) from None
    if depth and _is_deeper(value, depth):
        message = f"it is nested more than {depth} levels deep"
        raise UnsafeJson(message)
    return value


def _is_deeper(value: Any, depth: int) -> bool:
    """Tell whether lists and objects are nested deeper; level by level, as a recursion would itself go too deep."""
    level: list[Any] = [[value]]
    for _ in range(depth + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with two members of one name: of two readers, each may believe another one."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    message = "an object has two members of one name"
    raise UnsafeJson(message)


def _no_number(name: str) -> NoReturn:
    """NaN and Infinity are no JSON."""
    message = f"{name} is no number"
    raise UnsafeJson(message)


def _finite(digits: str) -> float:
    """Refuse numbers beyond a float, which would go out again as Infinity."""
    number = float(_few(digits))
    if not isfinite(number):
        message = "a number is too large"
        raise UnsafeJson(message)
    return number


def _whole_number(digits: str) -> int:
    """Refuse integers beyond 64 bit, which other parsers would turn into another number."""
    number = int(_few(digits))
    if not -(1 << 63) <= number < 1 << 64:
        message = "a number is too large"
        raise UnsafeJson(message)
    return number


def _few(digits: str) -> str:
    """Refuse more digits than can be read at no cost, whatever Python's own guard is set to."""
    if len(digits) <= _DIGITS:
        return digits
    message = f"a number has more than {_DIGITS} digits"
    raise UnsafeJson(message)

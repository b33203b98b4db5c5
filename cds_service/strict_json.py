"""JSON, read strictly: what other parsers would refuse, or turn into another value, is no JSON here."""

import json
from math import isfinite
from typing import Any, NoReturn


def strict_json(content: bytes | str, *, once: bool = False) -> Any:
    """Return the value of a JSON text, or raise ValueError for a text that is none; `once` refuses a name twice."""
    numbers: dict[str, Any] = {"parse_constant": _no_number, "parse_int": _whole_number, "parse_float": _finite}
    try:
        return json.loads(content, object_pairs_hook=_once if once else None, **numbers)
    except RecursionError:
        message = "it is nested too deeply"
        raise ValueError(message) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with two members of one name: of two readers, each may believe another one."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    message = "an object has two members of one name"
    raise ValueError(message)


def _no_number(name: str) -> NoReturn:
    """NaN and Infinity are no JSON."""
    message = f"{name} is no number"
    raise ValueError(message)


def _finite(digits: str) -> float:
    """Refuse numbers beyond a float, which would go out again as Infinity."""
    number = float(digits)
    if not isfinite(number):
        message = "a number is too large"
        raise ValueError(message)
    return number


def _whole_number(digits: str) -> int:
    """Refuse integers beyond 64 bit, which other parsers would turn into another number."""
    number = int(digits)
    if not -(1 << 63) <= number < 1 << 64:
        message = "a number is too large"
        raise ValueError(message)
    return number

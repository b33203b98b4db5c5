"""JSON, read strictly: what other parsers would refuse, or turn into another value, is no JSON here.

This is the only door to orjson.
"""

import json
from contextlib import suppress
from math import isfinite
from typing import Any, NoReturn

import orjson

_DIGITS = 1000
"""More than any number needs, and few enough to be read quickly."""


class UnsafeJson(ValueError):
    """JSON that is read as one thing here and as another, or not at all, elsewhere; the text holds nothing of it."""


def strict_json(content: bytes | str, *, once: bool = False, depth: int | None = None) -> Any:
    """Return the value of a JSON text, or raise ValueError for a text that is none.

    `once` refuses a name twice, and `depth` what is nested deeper than so many levels.
    """
    if isinstance(content, bytes) and not once and is_plain(content, depth):
        with suppress(ValueError):
            return orjson.loads(content)
    return (_as_written(content) if once and depth is None else None) or slow_json(content, once=once, depth=depth)


def _as_written(content: bytes | str) -> Any:
    """Return the value of a text that orjson would write itself, letter by letter; so no name is in it twice."""
    try:
        value = orjson.loads(content)
        written = orjson.dumps(value)
    except (ValueError, TypeError):  # TypeError: deeper than orjson goes
        return None
    return value if written == (content.encode() if isinstance(content, str) else content) else None


_LONG = b"0" * 19
"""The fewest digits of a number that orjson might read as another one."""

_STEP = 4

_ZEROS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
"""Turns each digit into 0, and all else into a space."""

_BRACKETS = bytes.maketrans(b"[]", b"{}")
_NO_MARKS = bytes(byte for byte in range(256) if byte not in b'[]{}"')


def is_plain(content: bytes, depth: int | None) -> bool:
    """Tell quickly whether orjson reads a text as `slow_json` does, if it reads it; "no" only costs time.

    It does where no number is long and nothing is nested deeper than so many levels.
    """
    return not _has_long_number(content) and (depth is None or not _is_text_deeper(content, depth))


def _has_long_number(content: bytes) -> bool:
    """Tell whether so many digits follow each other; most texts have not even a few at each fourth place."""
    sampled = content[::_STEP].translate(_ZEROS)
    return _LONG[: len(_LONG) // _STEP] in sampled and _LONG in content.translate(_ZEROS)


def _is_text_deeper(content: bytes, depth: int) -> bool:
    """Tell of a JSON text whether it is nested deeper: the innermost level of its brackets vanishes in each pass.

    A text is no deeper than the levels that vanished and the pairs that are left.
    """
    if b"\\" in content:
        content = content.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = content.translate(_BRACKETS, _NO_MARKS).replace(b'""', b"")
    if b'"' in marks:  # some strings have brackets in them
        marks = b"".join(marks.split(b'"')[::2])
    if 2 * marks.count(b"{") != len(marks):
        return False  # it is no JSON, however deep, and is refused by whoever reads it
    for levels_left in range(depth, 0, -1):
        before = len(marks)
        if before <= 2 * levels_left:
            return False
        marks = marks.replace(b"{}", b"")
        if len(marks) == before:  # those that are left do not match
            break
    return bool(marks)


def to_json(value: Any) -> bytes:
    """Return a value as JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, or deeper than orjson goes
        return json.dumps(value).encode()


def slow_json(content: bytes | str, *, once: bool = False, depth: int | None = None) -> Any:
    """Return what `strict_json` does, by the parser that can be told what to refuse."""
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

"""Strict JSON (RFC 8259): what other parsers would refuse, or read as another value, is refused here.

`reference_json` is the reference. `strict_json` returns the same and takes a fast path, through orjson, for texts that
both parsers read alike. No other module imports orjson.
"""

import json
from contextlib import suppress
from itertools import accumulate
from math import isfinite
from typing import Any, NoReturn

import orjson

_MAX_DIGITS = 1000
"""More than any number needs, and few enough to be parsed quickly."""


class UnsafeJson(ValueError):
    """JSON that other parsers would read differently or not at all; the text holds nothing of it."""


def strict_json(content: bytes | str, *, unique_names: bool = False, depth: int | None = None) -> Any:
    """Return the value of a JSON text; ValueError where it is not JSON, UnsafeJson where it is not strict.

    `unique_names` refuses an object with the same name twice, and `depth` a text nested more than so many levels deep.
    """
    if isinstance(content, bytes) and not unique_names and is_alike(content, depth):
        with suppress(ValueError):
            return orjson.loads(content)
    return reference_json(content, unique_names=unique_names, depth=depth)


def reference_json(content: bytes | str, *, unique_names: bool = False, depth: int | None = None) -> Any:
    """Return what `strict_json` returns, by the standard library's parser, whose hooks refuse what is not strict."""
    hooks: dict[str, Any] = {"parse_constant": _refuse_constant, "parse_int": _integer, "parse_float": _finite_float}
    try:
        value = json.loads(content, object_pairs_hook=_unique_members if unique_names else None, **hooks)
    except RecursionError:
        message = "it is nested too deeply"
        raise UnsafeJson(message) from None
    if depth and _is_deeper(value, depth):
        message = f"it is nested more than {depth} levels deep"
        raise UnsafeJson(message)
    return value


def to_json(value: Any) -> bytes:
    """Return a value as JSON, in UTF-8 without spaces where orjson can write it."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, or deeper than orjson goes
        return json.dumps(value).encode()


_LONG_NUMBER = b"0" * 19
"""With fewer digits orjson reads every number as the reference does."""
_SAMPLE_STEP = 4
_ZEROS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
"""Maps each digit to 0, and any other byte to a space."""
_BRACKETS = bytes.maketrans(b"[]", b"{}")
_STEPS = bytes.maketrans(b"{}", b"\x01\xff")
"""Of depth, as signed bytes."""
_PASSES = 4
"""In which the brackets of a chart become few."""
_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'[]{}"')


def is_alike(content: bytes, depth: int | None) -> bool:
    """Return whether orjson, if it accepts a text, reads it as the reference does; a wrong "no" only costs time.

    It does where no number is long, and nothing is nested more than `depth` levels deep.
    """
    return not _has_long_number(content) and (depth is None or not _is_text_deeper(content, depth))


def _has_long_number(content: bytes) -> bool:
    """Return whether there are 19 digits in a row; first by every fourth byte, which is enough for most texts."""
    sample = content[::_SAMPLE_STEP].translate(_ZEROS)
    return _LONG_NUMBER[: len(_LONG_NUMBER) // _SAMPLE_STEP] in sample and _LONG_NUMBER in content.translate(_ZEROS)


def _is_text_deeper(content: bytes, depth: int) -> bool:
    """Return whether a JSON text is nested more than `depth` levels deep, without parsing it.

    Each pass removes the innermost level of brackets; what a few passes leave is counted bracket by bracket, so that
    deep texts take no longer.
    """
    if b"\\" in content:
        content = content.replace(rb"\\", b"").replace(rb"\"", b"")
    brackets = content.translate(_BRACKETS, _NOT_STRUCTURE).replace(b'""', b"")
    if b'"' in brackets:  # some strings contain brackets
        brackets = b"".join(brackets.split(b'"')[::2])
    if 2 * brackets.count(b"{") != len(brackets):
        return False  # it is not JSON, and either parser refuses it
    for levels_left in range(depth, max(0, depth - _PASSES), -1):
        if len(brackets) <= 2 * levels_left:
            return False
        brackets = brackets.replace(b"{}", b"")
    steps = memoryview(brackets.translate(_STEPS)).cast("b")
    return max(accumulate(steps), default=0) > max(0, depth - _PASSES)


def _is_deeper(value: Any, depth: int) -> bool:
    """Return whether a value is nested more than `depth` levels deep; level by level, as recursion has a limit."""
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


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with the same name twice: two parsers may each take another value."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    message = "an object has two members of one name"
    raise UnsafeJson(message)


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which are not JSON."""
    message = f"{name} is not a JSON number"
    raise UnsafeJson(message)


def _finite_float(text: str) -> float:
    """Refuse numbers beyond a 64-bit float, which would be written as Infinity."""
    number = float(_check_length(text))
    if not isfinite(number):
        message = "a number is too large"
        raise UnsafeJson(message)
    return number


def _integer(text: str) -> int:
    """Refuse integers beyond 64 bits, which other parsers would round."""
    number = int(_check_length(text))
    if not -(1 << 63) <= number < 1 << 64:
        message = "a number is too large"
        raise UnsafeJson(message)
    return number


def _check_length(text: str) -> str:
    """Refuse numbers that are slow to parse, whatever Python's own limit is set to."""
    if len(text) <= _MAX_DIGITS:
        return text
    message = f"a number has more than {_MAX_DIGITS} digits"
    raise UnsafeJson(message)

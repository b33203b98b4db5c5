"""The operator's TOML files: read and validated; each fault names the file, the key, the line and the value."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cds_service.errors import SettingsError
from cds_service.validation_errors import describe_error

_Model = TypeVar("_Model", bound=BaseModel)

_ARRAY_HEADER = re.compile(r"\s*\[\[(.+)\]\]\s*(?:#.*)?")
_TABLE_HEADER = re.compile(r"\s*\[(.+)\]\s*(?:#.*)?")
_ENTRY = re.compile(r"""\s*((?:[\w.\s-]|"[^"]*"|'[^']*')+?)\s*=.*""")


def read_toml(
    path: Path,
    model: type[_Model],
    tables: Mapping[str, type[BaseModel]],
    context: Any,
    moved: Mapping[str, str] = MappingProxyType({}),
) -> _Model:
    """Return a file as a `model`, or raise SettingsError with one line for each thing that is wrong with it.

    `tables` has the model of each table within the file, to say which keys it may have; `context` is for the
    validators; `moved` has the new place of each outermost key that has one.
    """
    text = _text(path)
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise _unreadable(path, "it is nested too deeply") from None
    except ValueError as error:  # it ends with the line and the column
        raise _unreadable(path, str(error)) from None
    try:
        return model.model_validate(values, context=context)
    except ValidationError as error:
        faults = [_describe(fault, text, tables, model, moved) for fault in error.errors()]
    raise SettingsError("\n".join(f"{path}: {fault}" for fault in faults))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not UTF-8: save it with that encoding") from None
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None


def _unreadable(path: Path, reason: str) -> SettingsError:
    return SettingsError(f"{path} cannot be read: {reason}")


def _describe(
    error: Any, text: str, tables: Mapping[str, type[BaseModel]], model: type[BaseModel], moved: Mapping[str, str]
) -> str:
    """Return `orders.1.study: must be ... (line 7)`; lists are counted from 1."""
    path = [part for part in error["loc"] if part != "[key]"]
    keys = [part + 1 if isinstance(part, int) else part for part in path]
    if error["type"] == "extra_forbidden" and len(keys) == 1 and str(keys[0]) in moved:
        words = _new_place(moved[str(keys[0])], error["input"])
    elif error["type"] == "extra_forbidden" and keys[-1] in model.model_fields:
        words = "belongs at the top of the file, above the first [table]"
    elif error["type"] == "extra_forbidden":
        table = next((tables[str(key)] for key in reversed(keys[:-1]) if str(key) in tables), model)
        words = f"is not known; {_suggestion(str(keys[-1]), table)}"
    else:
        words = describe_error(error)
    line = line_of(text, path)
    return f"{'.'.join(map(str, keys))}: {words}{f' (line {line})' if line else ''}"


def _new_place(new_path: str, value: Any) -> str:
    """Return how a key that moved is written now: its table if it is one, or else the table and the key in it."""
    if isinstance(value, dict):
        children = "".join(f", [{new_path}.{name}]" for name, child in value.items() if isinstance(child, dict))
        return f"belongs to a card now; write {children.removeprefix(', ') or f'[{new_path}]'}"
    table, _, key = new_path.rpartition(".")
    return f"belongs to a card now; write [{table}] and below it {key} = ..."


def _suggestion(name: str, table: type[BaseModel]) -> str:
    close = get_close_matches(name, table.model_fields, 1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(table.model_fields)}"


def line_of(text: str, path: list[Any]) -> int | None:
    """Return the line, from 1, of a key in a TOML text or of the first within it, or else of the table around it.

    A path has the index of each entry of a list, from 0. None where not even the outermost key is there.
    """
    best, line = 0, None
    for number, key_path in _key_paths(text):
        shorter = min(len(key_path), len(path))
        depth = next((i for i, (key, wanted) in enumerate(zip(key_path, path, strict=False)) if key != wanted), shorter)
        if best < depth == shorter:
            best, line = depth, number
    return line


def _key_paths(text: str) -> Iterator[tuple[int, list[Any]]]:
    """Yield the number of each line that has a key or the head of a table, and the path of that."""
    table: list[Any] = []
    lengths: Counter[str] = Counter()
    for number, content in enumerate(text.splitlines(), 1):
        if match := _ARRAY_HEADER.fullmatch(content):
            table = _keys(match[1])
            name = ".".join(table)
            table, lengths[name] = [*table, lengths[name]], lengths[name] + 1
            yield number, table[:-1]
            yield number, table
        elif match := _TABLE_HEADER.fullmatch(content):
            table = _keys(match[1])
            yield number, table
        elif match := _ENTRY.fullmatch(content):
            yield number, [*table, *_keys(match[1])]


def _keys(dotted: str) -> list[str]:
    """Return the parts of a dotted key, as TOML reads it; none where it cannot be read."""
    keys = []
    try:
        value: Any = tomllib.loads(f"{dotted} = 0")
    except ValueError:
        return []
    while isinstance(value, dict):
        [(key, value)] = value.items()
        keys.append(key)
    return keys

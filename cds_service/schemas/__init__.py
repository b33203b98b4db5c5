"""The only door to jsonschema: what our JSON must look like, and what is wrong with it in plain words."""

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

_WORDS = {
    "type": "must be {value}",
    "minLength": "must not be empty",
    "maxLength": "must have at most {value} characters",
    "pattern": "has characters that it may not have",
    "enum": "must be one of {value}",
    "const": "must be {value}",
    "minItems": "must not be empty",
}


def schema(name: str) -> Any:
    """Return a schema as it is written."""
    return json.loads(files(__package__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8"))


@cache
def _validator(name: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow, and needed only where something may be wrong

    return Draft202012Validator(schema(name))


def first_fault(name: str, instance: object) -> str | None:
    """Return the first thing wrong with an instance of schema `name`, by member; never any of its values."""
    faults = _validator(name).iter_errors(instance)
    first = min(faults, key=lambda fault: list(map(str, fault.absolute_path)), default=None)
    return None if first is None else _in_words(first)


def _in_words(fault: "ValidationError") -> str:
    asked: Any = fault.validator_value
    if fault.validator == "required" and isinstance(fault.instance, dict):
        missing = next(name for name in asked if name not in fault.instance)
        return f"{_path([*fault.absolute_path, missing])} is missing"
    words = _WORDS.get(str(fault.validator), "is not what the schema asks for")
    return f"{_path(fault.absolute_path)} {words.format(value=_value(asked))}"


def _path(members: Iterable[str | int]) -> str:
    return ".".join(map(str, members)) or "the body"


def _value(value: Any) -> str:
    return " or ".join(str(one) or "empty" for one in value) if isinstance(value, list) else str(value)

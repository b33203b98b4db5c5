"""The JSON schemas of calls and card files, and the first fault of an instance in words; the only use of jsonschema."""

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

_MESSAGES = {
    "type": "must be {value}",
    "minLength": "must not be empty",
    "maxLength": "must have at most {value} characters",
    "pattern": "has characters that are not allowed",
    "enum": "must be one of {value}",
    "const": "must be {value}",
    "minItems": "must not be empty",
}


def schema(name: str) -> Any:
    """Return the content of `NAME.schema.json`."""
    return json.loads(files(__package__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8"))


@cache
def _validator(name: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow, and needed only where something may be wrong

    return Draft202012Validator(schema(name))


def first_fault(name: str, instance: object) -> str | None:
    """Return the first fault of an instance by schema `name`, in the order of its members, or None.

    The text names the member and the rule, and never a value of the instance.
    """
    faults = _validator(name).iter_errors(instance)
    first = min(faults, key=lambda fault: list(map(str, fault.absolute_path)), default=None)
    return None if first is None else _describe(first)


def _describe(fault: "ValidationError") -> str:
    rule_value: Any = fault.validator_value
    if fault.validator == "required" and isinstance(fault.instance, dict):
        missing = next(name for name in rule_value if name not in fault.instance)
        return f"{_path([*fault.absolute_path, missing])} is missing"
    message = _MESSAGES.get(str(fault.validator), "does not match the schema")
    return f"{_path(fault.absolute_path)} {message.format(value=_format_value(rule_value))}"


def _path(members: Iterable[str | int]) -> str:
    return ".".join(map(str, members)) or "the body"


def _format_value(value: Any) -> str:
    return " or ".join(str(item) or "empty" for item in value) if isinstance(value, list) else str(value)

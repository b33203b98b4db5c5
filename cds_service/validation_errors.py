"""What pydantic found wrong with a value of the operator's, in plain words."""

import json
from typing import Any

_REQUIREMENTS = {
    "missing": "is missing",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": 'must be a list: {name} = ["..."], or [[{name}]] before each entry',
    "string_type": "must be a text in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must have {max_length} characters or less",
    "path_type": "must be the name of a file, in quotes",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "value_error": "{error}",
    "bool": "must be true or false",
    "int": "must be a whole number",
    "float": "must be a number",
    "date": "must be a date such as 2027-03-31, without quotes",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} entries or less",
}
"""By the type of pydantic's error, or how that begins."""

_LONGEST = 60
"""Characters of a wrong value that are repeated."""


def describe_error(error: Any) -> str:
    """Return one entry of `ValidationError.errors()` as `must be true or false, not "perhaps"`.

    The value is repeated where it is a single one and the words do not have it; a field whose value must not be
    repeated is a SecretStr, or its validator raises ValueError.
    """
    kind: str = error["type"]
    requirement = _REQUIREMENTS.get(kind) or _REQUIREMENTS.get(kind.partition("_")[0], error["msg"])
    name = next((part for part in reversed(error["loc"]) if isinstance(part, str)), "")
    words = requirement.format(**{"name": name, **error.get("ctx", {})})
    value = error.get("input")
    if kind in ("value_error", "missing", "string_too_short") or isinstance(value, (dict, list, tuple)):
        return words
    return f"{words}, not {_shown(value)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

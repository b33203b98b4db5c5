"""The clients file: TOML, refused with one line for each thing that is wrong with it."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError, field_validator

from cds_service.auth.clients import Client, Clients, Strict, some
from cds_service.errors import SettingsError
from cds_service.watched_file import read_toml


class _ClientsFile(Strict):
    clients: Annotated[tuple[Client, ...], AfterValidator(some)]

    @field_validator("clients")
    @classmethod
    def _once(cls, clients: tuple[Client, ...]) -> tuple[Client, ...]:
        issuers = [client.issuer for client in clients]
        if twice := sorted({issuer for issuer in issuers if issuers.count(issuer) > 1}):
            message = f"more than one has the issuer {', '.join(twice)}"
            raise ValueError(message)
        return clients


_WORDS = {
    "missing": "is missing",
    "model_type": "must be a table",
    "tuple_type": 'must be a list, as in algorithms = ["ES384"] or [[clients]]',
    "string_type": "must be a text in quotes",
    "string_too_short": "must not be empty",
    "path_type": "must be the name of a file, in quotes",
    "int_type": "must be a whole number",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "value_error": "{error}",
}
"""What is wrong, by the type of pydantic's error."""


def read_clients(path: Path, *, development: bool = False) -> Clients:
    """Return the clients of a file, or raise SettingsError with one line for each thing that is wrong with it."""
    context = {"folder": path.parent, "development": development}
    try:
        said = _ClientsFile.model_validate(read_toml(path), context=context)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{path.name}: {_in_words(one)}" for one in error.errors())) from None
    return Clients({client.issuer: client for client in said.clients})


def _in_words(error: Any) -> str:
    """Return `clients.1.issuer: must be ...`; lists are counted from 1."""
    names = [part + 1 if isinstance(part, int) else part for part in error["loc"]]
    what = _unknown(names) if error["type"] == "extra_forbidden" else _WORDS[error["type"]]
    return f"{'.'.join(map(str, names))}: {what.format(**error.get('ctx', {}))}"


def _unknown(names: list[Any]) -> str:
    known = (Client if len(names) > 1 else _ClientsFile).model_fields
    close = get_close_matches(names[-1], known, 1)
    return f"is not known; did you mean {close[0]}?" if close else f"is not known; there are: {', '.join(known)}"

"""The clients file: TOML, refused with one line for each thing that is wrong with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cds_service.auth.key_sets import read_key_file
from cds_service.auth.tokens import ALGORITHMS
from cds_service.egress_policy import within
from cds_service.toml_file import read_toml

_PUBLIC_SECRETS = ("sandbox.cds-hooks.org",)
"""The CDS Hooks Sandbox: its private key is in its repository, so that anyone can sign as it."""

_Text = Annotated[str, Field(min_length=1)]


def some(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list without entries; it would say less than no list."""
    if not entries:
        message = "must have at least one entry"
        raise ValueError(message)
    return entries


def _uri(text: str, info: ValidationInfo) -> str:
    scheme, _, rest = text.partition(":")
    if not scheme or not rest or not text.isprintable() or " " in text:
        message = "must be the URI that the client gives as iss, such as https://ehr.example.org"
        raise ValueError(message)
    return _secret(text, info)


def _address(text: str, info: ValidationInfo) -> str:
    """Refuse an address that is not plain, or not https outside of development."""
    schemes = ("https://", "http://") if _is_development(info) else ("https://",)
    if not text.startswith(schemes):
        message = f"must begin with {' or '.join(schemes)}"
        raise ValueError(message)
    if not within(text, text) or "#" in text:
        message = "must be a plain address, without a user, a fragment or escaped characters"
        raise ValueError(message)
    return _secret(text, info)


def _secret(text: str, info: ValidationInfo) -> str:
    """Refuse a client whose secret anyone knows."""
    host = (urlsplit(text).hostname or "").rstrip(".")
    if host in _PUBLIC_SECRETS and not _is_development(info):
        message = "is the CDS Hooks Sandbox, whose private key is public: it may call in development mode only"
        raise ValueError(message)
    return text


def _base_url(text: str, info: ValidationInfo) -> str:
    if "?" in text:
        message = "must be a base URL, without a query"
        raise ValueError(message)
    return _address(text, info)


def _algorithm(name: str) -> str:
    if name not in ALGORITHMS:
        message = f"{name} is not accepted; there are: {', '.join(ALGORITHMS)}"
        raise ValueError(message)
    return name


def _with_keys(file: Path, info: ValidationInfo) -> Path:
    """Return the place of a file of keys, named from where the clients file is, if it has keys."""
    file = (info.context or {}).get("folder", Path()) / file
    try:
        has_keys = read_key_file(file).keys
    except OSError as error:
        message = f"{file.name} cannot be read: {error.strerror}"
        raise ValueError(message) from None
    except ValueError as error:
        message = f"{file.name} cannot be read: {error}"
        raise ValueError(message) from None
    if not has_keys:
        message = f"{file.name} has no public key with a kid: RSA of 2048 bits or more, or EC"
        raise ValueError(message)
    return file


def _is_development(info: ValidationInfo) -> bool:
    return bool((info.context or {}).get("development"))


class Strict(BaseModel):
    """A table of the file, without names that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Client(Strict):
    """One client: an EHR, or one installation of it."""

    issuer: Annotated[str, AfterValidator(_uri)]
    jwks_url: Annotated[str, AfterValidator(_address)] | None = None
    jwks_file: Annotated[Path, AfterValidator(_with_keys)] | None = None
    algorithms: Annotated[tuple[Annotated[str, AfterValidator(_algorithm)], ...], AfterValidator(some)] = (
        "ES384",
        "RS384",
    )
    tenants: Annotated[tuple[_Text, ...], AfterValidator(some)] | None = None
    lifetime_seconds: int = Field(900, ge=60, le=3600, strict=True)
    fhir_servers: tuple[Annotated[str, AfterValidator(_base_url)], ...] = ()
    calls_per_minute: int | None = Field(None, ge=1, strict=True)

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if self.jwks_url is None and self.jwks_file is None:
            message = "needs jwks_url, the address of its public keys, or jwks_file, a file that has them"
            raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients by their issuers, which are compared letter by letter."""

    by_issuer: Mapping[str, Client]

    def __iter__(self) -> Iterator[Client]:
        """Return the clients in the order of the file."""
        return iter(self.by_issuer.values())

    def get(self, issuer: object) -> Client | None:
        """Return the client that has an issuer, if one has."""
        return self.by_issuer.get(issuer) if isinstance(issuer, str) else None


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


def read_clients(path: Path, *, development: bool = False) -> Clients:
    """Return the clients of a file, or raise SettingsError with one line for each thing that is wrong with it."""
    context = {"folder": path.parent, "development": development}
    file = read_toml(path, _ClientsFile, {"clients": Client}, context)
    return Clients({client.issuer: client for client in file.clients})

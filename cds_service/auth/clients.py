"""The clients file, in TOML: the clients that may call, and where their public keys are (X-15)."""

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

from cds_service.auth.tokens import ALGORITHMS
from cds_service.egress_policy import within, without_user
from cds_service.model import Dialect
from cds_service.toml_file import read_toml

_PUBLIC_KEY_HOSTS = ("sandbox.cds-hooks.org",)
"""The CDS Hooks Sandbox: its private key is published, so that anyone can sign as it."""

_Text = Annotated[str, Field(min_length=1)]


def _at_least_one(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse an empty list, which is not the same as no list."""
    if not entries:
        message = "must have at least one entry"
        raise ValueError(message)
    return entries


def _issuer(text: str, info: ValidationInfo) -> str:
    scheme, _, value = text.partition(":")
    if not scheme or not value or not text.isprintable() or " " in text:
        message = "must be the URI that the client gives as iss, such as https://ehr.example.org"
        raise ValueError(message)
    return _refuse_sandbox(text, info)


def _url(text: str, info: ValidationInfo) -> str:
    """Refuse a URL that is not plain, or not https outside of development mode."""
    schemes = ("https://", "http://") if _is_development(info) else ("https://",)
    if not text.startswith(schemes):
        message = f'must begin with {" or ".join(schemes)}, not "{without_user(text)}"'
        raise ValueError(message)
    if not within(text, text) or "#" in text:
        plain = "must be a plain address, without a user, a fragment or escaped characters"
        message = f'{plain}, not "{without_user(text)}"'
        raise ValueError(message)
    return _refuse_sandbox(text, info)


def _refuse_sandbox(text: str, info: ValidationInfo) -> str:
    """Refuse a client whose private key is public, outside of development mode."""
    host = (urlsplit(text).hostname or "").rstrip(".")
    if host in _PUBLIC_KEY_HOSTS and not _is_development(info):
        message = "is the CDS Hooks Sandbox, whose private key is public: it may call in development mode only"
        raise ValueError(message)
    return text


def _base_url(text: str, info: ValidationInfo) -> str:
    if "?" in text:
        message = "must be a base URL, without a query"
        raise ValueError(message)
    return _url(text, info)


def _algorithm(name: str) -> str:
    if name not in ALGORITHMS:
        message = f"{name} is not accepted; there are: {', '.join(ALGORITHMS)}"
        raise ValueError(message)
    return name


def _resolve_key_file(file: Path, info: ValidationInfo) -> Path:
    """Return the path of a key set file, relative to the clients file; refuse one without usable keys."""
    if file.parts[:1] in (("https:",), ("http:",)):
        message = "must be a file beside this one; write a URL as jwks_url"
        raise ValueError(message)
    context = info.context or {}
    file = context.get("folder", Path()) / file
    if context.get("was_valid"):
        return file

    from cds_service.auth.public_keys import read_key_set_file  # noqa: PLC0415 - slow to load, and often not needed

    try:
        has_keys = read_key_set_file(file).keys
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


class _Strict(BaseModel):
    """A table of the file; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Client(_Strict):
    """One client: an EHR, or one installation of it (docs/authentication.md describes each setting)."""

    issuer: Annotated[str, AfterValidator(_issuer)]
    jwks_url: Annotated[str, AfterValidator(_url)] | None = None
    jwks_file: Annotated[Path, AfterValidator(_resolve_key_file)] | None = None
    algorithms: Annotated[tuple[Annotated[str, AfterValidator(_algorithm)], ...], AfterValidator(_at_least_one)] = (
        "ES384",
        "RS384",
    )
    tenants: Annotated[tuple[_Text, ...], AfterValidator(_at_least_one)] | None = None
    lifetime_seconds: int = Field(900, ge=60, le=3600, strict=True)
    fhir_servers: tuple[Annotated[str, AfterValidator(_base_url)], ...] = ()
    calls_per_minute: int | None = Field(None, ge=1, strict=True)
    dialect: Dialect | None = None

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if self.jwks_url is None and self.jwks_file is None:
            message = "needs jwks_url, the address of its public keys, or jwks_file, a file that has them"
            raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients by issuer; issuers are compared character by character."""

    by_issuer: Mapping[str, Client]

    def __iter__(self) -> Iterator[Client]:
        """Yield the clients in the order of the file."""
        return iter(self.by_issuer.values())

    def get(self, issuer: object) -> Client | None:
        """Return the client with an issuer, or None."""
        return self.by_issuer.get(issuer) if isinstance(issuer, str) else None


class _ClientsFile(_Strict):
    clients: tuple[Client, ...] = Field(None, validate_default=True)
    """An empty list, with which nobody may call, must be written out: an empty file may be one that was cut off."""

    @field_validator("clients", mode="before")
    @classmethod
    def _is_there(cls, clients: Any) -> Any:
        if clients is None:
            message = "is missing: begin each client with [[clients]], or write clients = [] to let nobody call"
            raise ValueError(message)
        return clients

    @field_validator("clients")
    @classmethod
    def _unique_issuers(cls, clients: tuple[Client, ...]) -> tuple[Client, ...]:
        issuers = [client.issuer for client in clients]
        if repeated := sorted({issuer for issuer in issuers if issuers.count(issuer) > 1}):
            message = f"more than one has the issuer {', '.join(repeated)}"
            raise ValueError(message)
        return clients


def read_clients(path: Path, *, development: bool = False, original: Path | None = None) -> Clients:
    """Return the clients of a file; SettingsError with one line per fault where it is not valid.

    `development` also allows http:// URLs and the CDS Hooks Sandbox. What was valid once, or a copy of it, is read
    with its `original` path, beside which the files of keys are: one that is invalid by now costs only its client's
    calls.
    """
    context = {"folder": (original or path).parent, "development": development, "was_valid": original is not None}
    file = read_toml(path, _ClientsFile, {"clients": Client}, context)
    return Clients({client.issuer: client for client in file.clients})

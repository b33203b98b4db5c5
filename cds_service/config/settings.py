"""The settings: environment variables PLEXUS_CDS_..., read here and nowhere else."""

import os
import re
from difflib import get_close_matches
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cds_service.egress_policy import ca_file_fault, is_base_url, is_origin, within, without_user
from cds_service.errors import SettingsError
from cds_service.store import Store
from cds_service.validation_errors import describe_error

PREFIX = "PLEXUS_CDS_"
_MAX_RETENTION_DAYS = 36500
"""A century; cli.py has it too, as help must not wait for the settings."""
_KEY_LENGTH = 16
_SECRETS = ("store_url", "patient_key")
"""Settings that may stand in a file, which PLEXUS_CDS_..._FILE names."""

_List = Annotated[tuple[str, ...], NoDecode]
"""Written with commas or spaces between, not as JSON."""


class Settings(BaseSettings):
    """What an operator can set, from the environment; docs/integration.md has the table of these descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False
    )

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on")
    workers: int = Field(1, ge=1, le=64, description="Worker processes")
    threads: int = Field(
        32,
        ge=1,
        le=256,
        description="Calls that each worker handles at the same time; "
        "[further calls](operations.md#limits-and-overload) get a 503",
    )
    calls_per_minute: int = Field(
        6000,
        ge=0,
        le=1_000_000,
        description="Rate limit of one client, per worker; `0` turns it off. "
        "`calls_per_minute` in the clients file takes precedence",
    )
    public_url: str = Field(
        "",
        description="URL by which clients reach the service: for the links on the card and the audience of tokens. "
        "Default: `http://HOST:PORT`",
    )
    site_file: str = Field("", description="The [site file](#the-site-file)")
    clients_file: str = Field(
        "",
        description="The [clients](authentication.md#the-clients-file) that may call; "
        "without it, only this machine may. Must not be set to an empty value",
    )
    anyone_may_call: bool = Field(
        default=False,
        description="Without a clients file: accept calls without a token on an address that other machines can reach",
    )
    fhir_servers: _List = Field(
        (),
        description="Base URLs of the FHIR servers that may be read, separated by commas; https only, except in "
        "development mode. Not with a clients file, which lists the servers of each client",
    )
    allowed_hosts: _List = Field(
        (),
        description="Further host names by which callers reach the service, without a clients file; its own, the "
        "public URL's and IP addresses are always accepted, any other gets a 421",
    )
    allowed_origins: _List = Field(
        (), description="Origins that may call from a browser (CORS), such as `https://sandbox.cds-hooks.org`"
    )
    ca_file: str = Field(
        "",
        description="PEM file of the certificate authorities of FHIR servers and key servers, for a hospital with its "
        "own; it replaces the public ones",
    )
    fetch_seconds: float = Field(5.0, gt=0, le=60, description="Deadline for all FHIR reads of one call, in seconds")
    fetch_megabytes: int = Field(16, ge=1, le=1024, description="Most that is read for one FHIR search, in MiB")
    fetch_pages: int = Field(50, ge=1, le=1000, description="Most pages that are read of one FHIR search")
    header_kilobytes: int = Field(32, ge=8, le=1024, description="Largest request headers together, in KiB")
    body_megabytes: int = Field(8, ge=1, le=256, description="Largest request body, in MiB")
    body_depth: int = Field(64, ge=32, le=256, description="Deepest nesting of lists and objects in a request body")
    store_url: SecretStr = Field(
        SecretStr(""),
        description="The [store](store.md): `postgresql://USER:PASSWORD@HOST/DATABASE` or `sqlite:////PATH`. "
        "Default: a SQLite file in the user's state folder",
    )
    store_url_file: str = Field(
        "", description="File with the store's URL, in place of `STORE_URL`: a [mounted secret](install.md#secrets)"
    )
    store_days: int = Field(
        730,
        ge=0,
        le=_MAX_RETENTION_DAYS,
        description="Retention period for `plexus-cds purge`, in days; `0` keeps everything",
    )
    store_comments: bool = Field(
        default=False, description="Store the comments of clinicians in feedback, which may contain patient data"
    )
    patient_key: SecretStr = Field(
        SecretStr(""),
        description="Secret of 16 characters or more: cards are then stored with a keyed hash of the patient id",
    )
    patient_key_file: str = Field(
        "", description="File with that secret, in place of `PATIENT_KEY`: a [mounted secret](install.md#secrets)"
    )
    playground: bool = Field(
        default=False,
        description="Serve the [playground](playground.md) at `/`; development mode always does. "
        "Not with a clients file",
    )
    dashboard: bool = Field(
        default=False,
        description="Serve the [dashboard](dashboard.md), which has no login of its own; development mode always does",
    )
    metrics: bool = Field(default=True, description="Serve [`/metrics`](operations.md#metrics)")
    fast_path: bool = Field(
        default=True,
        description="Answer hook calls without Flask; `false` sends them through Flask, for "
        "[extensions that instrument it](operations.md#flask-extensions)",
    )
    traces: bool = Field(
        default=False,
        description="Send [OpenTelemetry traces](operations.md#traces) of calls; "
        "needs `pip install 'plexus-cds[traces]'`",
    )
    development: bool = Field(
        default=False,
        description="Development mode: playground, dashboard, CORS for the Sandbox and for pages on this machine; "
        "FHIR servers, key servers and the public URL may be http",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Take each secret from its file, where one is named; a file that cannot be used never means "no secret"."""
        secrets = {name: _read_secret(name, values) for name in _SECRETS if f"{name}_file" in values}
        return values | secrets

    @field_validator("fhir_servers", "allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Split a list that is written with commas or spaces between."""
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("clients_file", "site_file")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        """Refuse an empty name, as a variable that was not filled in would open the service to anyone."""
        if not value.strip():
            message = "is set, but empty: name the file, or leave the setting out to have none"
            raise ValueError(message)
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
                message = f'each must be a name such as cds.example.org, without a port, not "{without_user(name)}"'
                raise ValueError(message)
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what no browser sends as its Origin (RFC 6454): that origin would never be allowed, without a word."""
        for origin in value:
            if not is_origin(origin):
                message = (
                    f'each must be like https://ehr.example.org or http://localhost:3000, not "{without_user(origin)}"'
                )
                raise ValueError(message)
        return value

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        if value and not is_base_url(value):
            message = f'must be an https:// or http:// URL such as https://cds.example.org, not "{without_user(value)}"'
            raise ValueError(message)
        return value.rstrip("/")

    @field_validator("ca_file")
    @classmethod
    def _with_certificates(cls, value: str) -> str:
        if value and (fault := ca_file_fault(value)):
            message = f'"{value}" {fault}'
            raise ValueError(message)
        return value

    @field_validator("store_url")
    @classmethod
    def _valid_store_url(cls, value: SecretStr) -> SecretStr:
        try:
            Store(value.get_secret_value())
        except SettingsError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("traces")
    @classmethod
    def _installed(cls, value: bool) -> bool:  # noqa: FBT001 - as pydantic calls it
        try:
            missing = value and find_spec("opentelemetry.exporter.otlp.proto.http") is None
        except ModuleNotFoundError:
            missing = True
        if missing:
            message = "needs an extra: pip install 'plexus-cds[traces]'"
            raise ValueError(message)
        return value

    @field_validator("patient_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < _KEY_LENGTH:
            message = f"must have {_KEY_LENGTH} characters or more, so that nobody can guess it"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _safe_servers(self) -> "Settings":
        schemes = ("https://", "http://") if self.development else ("https://",)
        for server in self.fhir_servers:
            if not server.startswith(schemes):
                message = (
                    f'{PREFIX}FHIR_SERVERS: each must begin with {" or ".join(schemes)}, not "{without_user(server)}"'
                )
                raise ValueError(message)
            if not within(server, server):
                plain = "a plain base URL, without a user, a query or escaped characters"
                message = f'{PREFIX}FHIR_SERVERS: each must be {plain}, not "{without_user(server)}"'
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _authenticated_callers(self) -> "Settings":
        """Refuse to be reached by anyone from elsewhere, unless that is asked for."""
        faults = self._conflicts_with_clients() if self.clients_file else []
        if not (self.clients_file or self.anyone_may_call or self.is_local):
            instead = f"{PREFIX}CLIENTS_FILE, or let anyone call who reaches it with {PREFIX}ANYONE_MAY_CALL=true"
            faults = [f"HOST: {self.host} can be reached from other machines: name the clients in {instead}"]
        if faults:
            raise ValueError("\n".join(f"{PREFIX}{fault}" for fault in faults))
        return self

    def _conflicts_with_clients(self) -> list[str]:
        """Return what would let in others than the clients, or keep them out."""
        faults = {
            "ANYONE_MAY_CALL: contradicts the clients file; leave one of them out": self.anyone_may_call,
            "FHIR_SERVERS: with a clients file, the servers of each client stand there": bool(self.fhir_servers),
            "PLAYGROUND: with a clients file it is for development mode only, as its page has no token": (
                self.playground and not self.development
            ),
            "PUBLIC_URL: with a clients file it must be the https address that clients call, as their tokens name it": (
                not self.development and not self.public_url.startswith("https://")
            ),
        }
        return [fault for fault, is_there in faults.items() if is_there]

    @property
    def is_local(self) -> bool:
        """Return whether only this machine can reach the service."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def base_url(self) -> str:
        """Return the URL by which clients know this service."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


def read_settings() -> Settings:
    """Return the settings of the environment, or raise SettingsError with one line for each that is wrong."""
    names = [name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX)]
    faults = [_unknown(name) for name in names if name.lower() not in Settings.model_fields]
    settings = None
    try:
        settings = Settings()
    except ValidationError as error:
        faults += map(_describe, error.errors())
    if settings is None or faults:
        raise SettingsError("\n".join(faults))
    return settings


def _read_secret(name: str, values: dict[str, Any]) -> str:
    """Return the text of a secret's file without the spaces and line breaks around it, or raise ValueError."""
    variable, file = environment_name(f"{name}_file"), values[f"{name}_file"]
    if values.get(name):
        message = f"{variable}: {environment_name(name)} is set, too; leave one of them out"
        raise ValueError(message)
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f'{variable}: "{file}" cannot be read: {error.strerror}'
        raise ValueError(message) from None
    except UnicodeDecodeError:
        message = f'{variable}: "{file}" is not text in UTF-8'
        raise ValueError(message) from None
    if not secret:
        message = f'{variable}: "{file}" is empty; write the secret into it, or leave the setting out'
        raise ValueError(message)
    return secret


def environment_name(field: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def _unknown(name: str) -> str:
    close = get_close_matches(name.lower(), Settings.model_fields, 1)
    hint = f"; did you mean {environment_name(close[0])}?" if close else ""
    return f"{PREFIX}{name} is not a setting{hint}"


def _describe(error: Any) -> str:
    """Return `PLEXUS_CDS_PORT: must be ...`; a fault of several settings together names them itself."""
    if not error["loc"]:
        return str(error["ctx"]["error"])
    return f"{environment_name(str(error['loc'][0]))}: {describe_error(error)}"

"""The settings: environment variables PLEXUS_CDS_..., read here and nowhere else."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from cds_service.egress_policy import ca_file_fault, within
from cds_service.errors import SettingsError
from cds_service.store import Store

PREFIX = "PLEXUS_CDS_"
MOST_DAYS = 36500
"""How long the store may be told to keep what it has: a century."""
_KEY_LENGTH = 16


class Settings(BaseModel):
    """What an operator can set; docs/integration.md has the table."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    workers: int = Field(1, ge=1, le=64)
    threads: int = Field(32, ge=1, le=256)
    calls_per_minute: int = Field(6000, ge=0, le=1_000_000)
    development: bool = False
    public_url: str = ""
    site_file: str = ""
    clients_file: str = ""
    anyone_may_call: bool = False
    fhir_servers: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    ca_file: str = ""
    fetch_seconds: float = Field(5.0, gt=0, le=60)
    fetch_megabytes: int = Field(16, ge=1, le=1024)
    fetch_pages: int = Field(50, ge=1, le=1000)
    header_kilobytes: int = Field(32, ge=8, le=1024)
    body_megabytes: int = Field(8, ge=1, le=256)
    body_depth: int = Field(64, ge=32, le=256)
    store_url: SecretStr = SecretStr("")
    store_days: int = Field(730, ge=0, le=MOST_DAYS)
    store_comments: bool = False
    patient_key: SecretStr = SecretStr("")
    playground: bool = False
    dashboard: bool = False
    metrics: bool = True
    fast_path: bool = True

    @field_validator("fhir_servers", "allowed_origins", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Part a list that is written with commas or spaces between."""
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("clients_file", "site_file")
    @classmethod
    def _named(cls, value: str) -> str:
        """Refuse an empty name, as a variable that was not filled in would open the service to anyone."""
        if not value.strip():
            message = "is set, but empty: name the file, or leave the setting out to have none"
            raise ValueError(message)
        return value

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            message = "must begin with https:// or http://"
            raise ValueError(message)
        return value.rstrip("/")

    @field_validator("ca_file")
    @classmethod
    def _with_certificates(cls, value: str) -> str:
        if value and (fault := ca_file_fault(value)):
            raise ValueError(fault)
        return value

    @field_validator("store_url")
    @classmethod
    def _an_address(cls, value: SecretStr) -> SecretStr:
        try:
            Store(value.get_secret_value())
        except SettingsError as error:
            raise ValueError(str(error)) from None
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
                message = f"fhir_servers: each must begin with {' or '.join(schemes)}"
                raise ValueError(message)
            if not within(server, server):
                message = "fhir_servers: each must be a plain base URL, without a user, a query or escaped characters"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _known_callers(self) -> "Settings":
        """Refuse to be reached by anyone from elsewhere, unless that is asked for."""
        faults = self._beside_clients() if self.clients_file else []
        if not (self.clients_file or self.anyone_may_call or self.is_local):
            instead = f"{PREFIX}CLIENTS_FILE, or let anyone call who reaches it with {PREFIX}ANYONE_MAY_CALL=true"
            faults = [f"HOST: {self.host} can be reached from other machines: name the clients in {instead}"]
        if faults:
            raise ValueError("\n".join(f"{PREFIX}{fault}" for fault in faults))
        return self

    def _beside_clients(self) -> list[str]:
        """Return what would let in others than the clients, or keep them out."""
        wrong = {
            "ANYONE_MAY_CALL: contradicts the clients file; leave one of them out": self.anyone_may_call,
            "FHIR_SERVERS: with a clients file, the servers of each client stand there": bool(self.fhir_servers),
            "PLAYGROUND: with a clients file it is for development mode only, as its page has no token": (
                self.playground and not self.development
            ),
            "PUBLIC_URL: with a clients file it must be the https address that clients call, as their tokens name it": (
                not self.development and not self.public_url.startswith("https://")
            ),
        }
        return [fault for fault, is_there in wrong.items() if is_there]

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine can reach the service."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def base_url(self) -> str:
        """Return the URL by which clients know this service."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings, or raise SettingsError with one line for each that is wrong."""
    environment = os.environ if environment is None else environment
    given = {name.removeprefix(PREFIX).lower(): text for name, text in environment.items() if name.startswith(PREFIX)}
    unknown = [_unknown(name) for name in given if name not in Settings.model_fields]
    if unknown:
        raise SettingsError("\n".join(unknown))
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError("\n".join(map(_in_words, error.errors(include_input=False)))) from None


def _unknown(name: str) -> str:
    close = get_close_matches(name, Settings.model_fields, 1)
    hint = f"; did you mean {PREFIX}{close[0].upper()}?" if close else ""
    return f"{PREFIX}{name.upper()} is not a setting{hint}"


def _in_words(error: Any) -> str:
    name = "_".join(map(str, error["loc"])).upper()
    words = str(error["msg"]).removeprefix("Value error, ")
    return f"{PREFIX}{name}: {words}" if name else words

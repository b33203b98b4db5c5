"""The configuration in effect for one client: the settings, its table of the clients file, and the site file."""

from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from pathlib import Path

from cds_service.auth import Client, Clients, read_clients
from cds_service.config.settings import Settings, environment_name, read_settings
from cds_service.config.site_file import SiteFile, effective_site, read_site_file
from cds_service.egress_policy import is_base_url, without_user
from cds_service.errors import SettingsError
from cds_service.knowledge import Knowledge
from cds_service.model import Site


class UnknownClient(SettingsError):
    """The clients file has no client of this name, or several and none was named."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration in effect for one client on a day."""

    settings: Settings
    site_file: SiteFile
    client: Client | None
    """None without a clients file."""
    has_other_clients: bool
    """Else the clients file must say that there is none, where this one is taken out."""
    site: Site
    """As it answers this client: in its dialect, and under the base URL of the sheet."""
    knowledge: Knowledge
    today: date

    @property
    def fhir_servers(self) -> tuple[str, ...]:
        """Return the FHIR servers that may be read for calls of this client."""
        return self.client.fhir_servers if self.client else self.settings.fhir_servers


def read_configuration(issuer: str, base_url: str, knowledge: Knowledge, today: date) -> Configuration:
    """Return the configuration of the client with an issuer; SettingsError where it has a fault.

    Without an issuer it is that of the only client, or of all callers where there is no clients file. `base_url` stands
    in for PLEXUS_CDS_PUBLIC_URL where that is not set.
    """
    settings = read_settings()
    clients = (
        read_clients(Path(settings.clients_file), development=settings.development)
        if settings.clients_file
        else Clients({})
    )
    client = _client(clients, issuer, settings)
    file = read_site_file(Path(settings.site_file), knowledge) if settings.site_file else SiteFile()
    site = effective_site(settings, file, knowledge.card_id, today)
    site = replace(site, public_url=_base_url(base_url, settings), dialect=(client and client.dialect) or site.dialect)
    return Configuration(settings, file, client, len(clients.by_issuer) > 1, site, knowledge, today)


def _client(clients: Clients, issuer: str, settings: Settings) -> Client | None:
    """Return the client with an issuer, or the only one; UnknownClient says which there are."""
    issuers = [client.issuer for client in clients]
    if not issuers and settings.clients_file:
        message = f"nobody may call: {settings.clients_file} has no clients."
        raise UnknownClient(message)
    if not issuer and len(issuers) <= 1:
        return next(iter(clients), None)
    client = clients.get(issuer)
    if client:
        return client
    if not issuers:
        message = f"there are no clients: {environment_name('clients_file')} is not set. Leave the option out."
        raise UnknownClient(message)
    close = get_close_matches(issuer, issuers, 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    fault = f"there is no client {issuer!r}.{hint}" if issuer else "name one, as there are several clients."
    message = f"{fault} There are: {', '.join(issuers)}."
    raise UnknownClient(message)


def _base_url(base_url: str, settings: Settings) -> str:
    """Return the URL by which the client reaches the service; SettingsError for one whose tokens would be refused."""
    url = base_url.rstrip("/")
    if not url:
        return settings.base_url
    if not is_base_url(url):
        message = (
            f'--url: must be an https:// or http:// URL such as https://cds.example.org, not "{without_user(base_url)}"'
        )
        raise SettingsError(message)
    if (settings.public_url or settings.clients_file) and url != settings.base_url:
        name = environment_name("public_url")
        message = (
            f"--url: {url} is not the URL of the service, {settings.base_url}, on which tokens and links depend; "
            f"leave --url out, or set {name}"
        )
        raise SettingsError(message)
    return url

"""What `plexus-cds check-config` prints: every fault of the settings and their files, or the values in effect."""

import json
import os
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from cds_service.auth import Client, Clients, read_clients
from cds_service.config.settings import Settings, environment_name, read_settings
from cds_service.config.site_file import SiteFile, effective_site, read_site_file, unrecognized_proposals
from cds_service.errors import SettingsError
from cds_service.knowledge import Knowledge
from cds_service.model import MAIN_KEYS, Site
from cds_service.store import Store
from cds_service.web.dialects import unmapped_proposals
from cds_service.web.discovery import prefetch_templates

_T = TypeVar("_T")

_MASKED = "********"


def effective_configuration(site_file: str | None, knowledge: Knowledge, today: date) -> str:
    """Return each value in effect on a day and where it comes from, or raise SettingsError with a line for each fault.

    `site_file` goes before the one that the settings name. Secrets are masked.
    """
    site_path, clients_path = site_file or _from_environment("site_file"), _from_environment("clients_file")
    settings, setting_faults = _attempt(read_settings)
    site, site_faults = _attempt(lambda: read_site_file(Path(site_path), knowledge) if site_path else SiteFile())
    clients, client_faults = _attempt(lambda: _clients(clients_path, settings))
    if settings is None or site is None or clients is None:
        raise SettingsError("\n".join([*setting_faults, *site_faults, *client_faults]))
    checked = ", ".join(["settings", *filter(None, (site_path, clients_path))])
    lines = [f"No faults: {checked}.", f"In effect on {today}:", *_settings(settings, site_path)]
    lines += _site(site, site_path, knowledge, today)
    in_effect = effective_site(settings, site, knowledge.card_id, today)
    lines += [*_prefetch(in_effect, knowledge), *_unrecognized_proposals(in_effect, knowledge), *_bare_systems(site)]
    dialects = {client.dialect or site.dialect for client in clients} or {site.dialect}
    if "epic" in dialects:
        lines += _unmapped(in_effect, knowledge)
    if clients_path and not clients.by_issuer:
        lines.append(f"Note: nobody may call: {clients_path} has no clients.")
    for client in clients:
        lines += _client(client, clients_path)
    return "\n".join(lines)


def _from_environment(setting: str) -> str:
    return os.environ.get(environment_name(setting), "")


def _attempt(read: Callable[[], _T]) -> tuple[_T | None, list[str]]:
    try:
        return read(), []
    except SettingsError as error:
        return None, [str(error)]


def _clients(path: str, settings: Settings | None) -> Clients:
    """Return the clients of a file; while the settings have faults, what development mode allows is no fault."""
    development = settings is None or settings.development
    return read_clients(Path(path), development=development) if path else Clients({})


def _settings(settings: Settings, site_path: str) -> Iterator[str]:
    yield "Settings:"
    for name, value in settings.model_dump().items():
        text, source = _shown(value), "environment" if name in settings.model_fields_set else "default"
        if name == "store_url":
            text = repr(Store(value.get_secret_value()))
        if name == "public_url":
            text = settings.base_url
        if name == "site_file" and site_path != value:
            text, source = site_path, "command line"
        yield f"  {environment_name(name)}: {text} ({source})"


def _site(site: SiteFile, path: str, knowledge: Knowledge, today: date) -> Iterator[str]:
    yield f"Site file: {path or 'none'}"
    yield from _values(site.model_dump(mode="json", exclude={"cards"}), site.model_fields_set, path)
    card = site.card(knowledge.card_id)
    yield f"Card {knowledge.card_id}:"
    yield from _values(card.model_dump(mode="json", exclude={"lookback"}), card.model_fields_set, path)
    yield from _values(
        {f"lookback.{name}": value for name, value in {**knowledge.lookback_windows, **card.lookback}.items()},
        {f"lookback.{name}" for name in card.lookback},
        path,
    )
    if card.shadow and card.shadow.until < today:
        yield f"Note: shadow mode ended on {card.shadow.until}; cards are shown."


def _prefetch(site: Site, knowledge: Knowledge) -> Iterator[str]:
    """Yield the prefetch lines, to paste into an EHR that does not read discovery."""
    yield "Prefetch, for an EHR that does not read discovery (key: query):"
    templates = prefetch_templates(knowledge, site)
    for key, query in templates.items():
        for name in site.prefetch_parts.get(key, (site.prefetch_aliases.get(key, key),)):
            yield f"  {name}: {query}"
    for key, names in site.prefetch_parts.items():
        yield f"Note: {', '.join(names)} are parts of {key}: restrict the query of each to its part of the chart."
    for key in sorted({*site.prefetch_aliases, *site.prefetch_parts} - templates.keys()):
        reason = "[conditions] takes its place" if key in MAIN_KEYS else "prefetch does not turn it on"
        yield f"Note: prefetch_aliases.{key} has no effect: {reason}."


def _unmapped(site: Site, knowledge: Knowledge) -> Iterator[str]:
    """Yield a note for each study that clients of the Epic dialect are not offered."""
    for study in unmapped_proposals(knowledge, site):
        table = f"[cards.{knowledge.card_id}.propose.{study}]"
        yield f"Note: {study} has no code for the dialect epic, so it is never suggested there; write {table}."


def _unrecognized_proposals(site: Site, knowledge: Knowledge) -> Iterator[str]:
    for study, code in unrecognized_proposals(site, knowledge):
        yield (
            f"Note: the code {code} of propose.{study} is not under [[orders]]: an accepted order "
            "that has this code alone may not be recognized, and would get a card again; map it there, too."
        )


def _bare_systems(site: SiteFile) -> Iterator[str]:
    """Yield a note for each code system of the site's codes that is no URI, as it is in an order."""
    proposals = (proposal for card in site.cards.values() for proposal in card.propose.values())
    systems = dict.fromkeys(system for code in (*site.orders, *proposals) for system, _ in [code.pair(site.systems)])
    for system in systems:
        if ":" not in system:
            yield (
                f"Note: the system {system} is no URI, such as urn:oid:1.2.3.4: write it as the EHR's orders have it "
                "(`unrecognized` in the log), or its codes match none of them."
            )


def _client(client: Client, path: str) -> Iterator[str]:
    """Yield the values in effect for a client; none of them is secret."""
    yield f"Client {client.issuer}:"
    values = client.model_dump(mode="json", exclude={"issuer"}) | {"tenants": client.tenants or "any"}
    yield from _values(values, client.model_fields_set, path)


def _values(values: dict[str, Any], given: AbstractSet[str], source: str) -> Iterator[str]:
    for name, value in values.items():
        yield f"  {name}: {_shown(value)} ({source if name in given else 'default'})"


def _shown(value: Any) -> str:
    """Return a value as one would write it into a setting or a site file, and a secret masked."""
    if isinstance(value, SecretStr):
        return _MASKED if value.get_secret_value() else "none"
    if value in (None, "", [], (), {}):
        return "none"
    if isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

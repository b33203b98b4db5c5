"""What the sheet tells, as data for its template: an allow-list of the configuration, in which nothing is secret."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cds_service import __version__
from cds_service.auth.public_keys import read_key_set_file
from cds_service.auth.verifier import LEEWAY
from cds_service.config.settings import Settings, environment_name
from cds_service.config.site_file import unrecognized_proposals
from cds_service.integration_sheet.configuration import Configuration
from cds_service.integration_sheet.example_calls import example_cases
from cds_service.knowledge import Knowledge
from cds_service.model import CLIENT_HEADER, DOCTOR, MAIN_KEYS, PREFETCH_KEYS
from cds_service.review.review_page import SYSTEMS
from cds_service.web.discovery import VERSION, prefetch_templates
from cds_service.web.services import hooks_of

_SHADOW_DAYS = 28
_DIGEST_LENGTH = 12


def sections(configuration: Configuration) -> dict[str, Any]:
    """Return the values of the template for one client."""
    site, client, knowledge = configuration.site, configuration.client, configuration.knowledge
    prefetch = list(_prefetch(configuration))
    values: dict[str, Any] = {
        "name": client.issuer if client else "",
        "dialect": site.dialect,
        "today": configuration.today,
        "settings": _shown_settings(configuration.settings),
        "base": site.public_url,
        "given_url": "" if site.public_url == configuration.settings.base_url else site.public_url,
        "contact": site.contact,
        "card": _card(configuration),
        "services": [_service(service, hook, site.public_url) for service, hook in hooks_of(knowledge).items()],
        "prefetch": prefetch,
        "types": list(dict.fromkeys(row["type"] for row in prefetch)),
        "fhir_servers": configuration.fhir_servers,
        "fetched_types": [row["type"] for row in prefetch if row["is_fetched"]],
        "token": _token(configuration),
        "systems": site.systems,
        "studies": [_study(study, configuration) for study in knowledge.watched],
        "other_orders": _other_orders(configuration),
        "proposals": [_proposal(study, configuration) for study in knowledge.card["proposals"]],
        "unrecognized": [code for _, code in unrecognized_proposals(site, knowledge)],
        "reasons": list(_reasons(configuration)),
        "cases": example_cases(configuration),
        "trial_header": f"{CLIENT_HEADER}: {DOCTOR}",
        "shadow_until": configuration.today + timedelta(days=_SHADOW_DAYS),
        "versions": _versions(configuration),
    }
    return values | {"gaps": list(_gaps(values))}


def _shown_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that the sheet may show."""
    names = ("fetch_seconds", "body_megabytes", "calls_per_minute", "store_days", "store_comments", "development")
    return {
        **{name: getattr(settings, name) for name in names},
        "has_patient_key": bool(settings.patient_key.get_secret_value()),
        "is_local": settings.is_local,
        "is_public_url_set": bool(settings.public_url),
        "has_site_file": bool(settings.site_file),
    }


def _card(configuration: Configuration) -> dict[str, Any]:
    settings = configuration.site_file.card(configuration.knowledge.card_id)
    return {
        "id": configuration.knowledge.card_id,
        "title": configuration.knowledge.plan["title"],
        "policy": settings.policy,
        "is_off": settings.off,
        "dismissal_hours": settings.dismissal_hours,
        "is_shadow": configuration.site.is_shadow,
        "shadow_until": settings.shadow.until if settings.shadow else None,
    }


def _service(service: str, hook: str, base: str) -> dict[str, str]:
    url = f"{base}/cds-services/{service}"
    return {"hook": hook, "url": url, "feedback": f"{url}/feedback"}


def _prefetch(configuration: Configuration) -> Iterator[dict[str, Any]]:
    """Yield each prefetch key under the name that the client uses, with its query and what it holds."""
    site = configuration.site
    for key, query in prefetch_templates(configuration.knowledge, site).items():
        category, parts = site.condition_keys.get(key, ""), site.prefetch_parts.get(key, ())
        for name in parts or (site.prefetch_aliases.get(key, key),):
            yield {
                "key": key,
                "name": name,
                "query": query,
                "category": category,
                "type": "Condition" if category else PREFETCH_KEYS[key].resource_type,
                "is_needed": key in MAIN_KEYS,
                "is_part": bool(parts),
                "is_fetched": (name if parts else key) in MAIN_KEYS,
            }


def _token(configuration: Configuration) -> dict[str, Any] | None:
    """Return what the client's tokens must have, None where no token is needed."""
    client = configuration.client
    if client is None:
        return None
    keys = read_key_set_file(client.jwks_file).keys if client.jwks_file else ()
    return {
        "algorithms": client.algorithms,
        "tenants": client.tenants,
        "lifetime": client.lifetime_seconds,
        "leeway": LEEWAY,
        "key_ids": [key.kid for key in keys],
        "jwks_url": client.jwks_url,
        "is_pinned": client.jwks_file is not None,
        "has_others": configuration.has_other_clients,
        "calls_per_minute": client.calls_per_minute or configuration.settings.calls_per_minute,
    }


def _study(study: str, configuration: Configuration) -> dict[str, Any]:
    """Return a monitored study: the site's codes for it, and the standard codes that need no mapping."""
    knowledge = configuration.knowledge
    own = [(order.system, order.code) for order in configuration.site_file.orders if order.study == study]
    return {
        "study": study,
        "name": knowledge.card["orders"][study]["name"],
        "own": own,
        "standard": _standard_codes(study, knowledge),
        "only_for": knowledge.watched[study].only_for,
    }


def _standard_codes(study: str, knowledge: Knowledge) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = defaultdict(list)
    for member in knowledge.terminology.families["order"]:
        if member.term.means == study and member.kind == "code":
            codes[SYSTEMS.get(member.system, member.system)].append(member.code)
    return {system: sorted(listed) for system, listed in sorted(codes.items())}


def _other_orders(configuration: Configuration) -> list[dict[str, str]]:
    """Return the site's order codes for studies that the card does not monitor."""
    return [
        {"system": order.system, "code": order.code, "study": order.study}
        for order in configuration.site_file.orders
        if order.study not in configuration.knowledge.watched
    ]


def _proposal(study: str, configuration: Configuration) -> dict[str, Any]:
    """Return a study that a suggestion may order, with its codes in the order in which this client gets them."""
    site, code = configuration.site, configuration.knowledge.card["proposals"][study]["code"]
    own = list(site.proposed_codings.get(study, ()))
    return {
        "study": study,
        "name": code["text"],
        "own": own,
        "codes": own if site.dialect == "epic" else [*own, *code["coding"]],
    }


def _reasons(configuration: Configuration) -> Iterator[dict[str, Any]]:
    """Yield the card's override reasons, each with the codes of the EHR that are mapped to it."""
    mapped = configuration.site.override_reasons
    for reason in configuration.knowledge.card["override_reasons"]:
        yield {**reason, "own": [code for code, ours in mapped.items() if ours == reason["code"]]}


def _versions(configuration: Configuration) -> dict[str, Any]:
    knowledge, settings = configuration.knowledge, configuration.settings
    names = {"Site file": settings.site_file, "Clients file": settings.clients_file}
    return {
        "product": __version__,
        "cds_hooks": VERSION,
        "knowledge": knowledge.version,
        "knowledge_date": knowledge.plan["date"],
        "knowledge_status": knowledge.plan["status"],
        "is_signed": any(row["version"] == knowledge.version for row in knowledge.signatures),
        "files": [{"title": title, **_file(Path(path))} for title, path in names.items() if path],
    }


def _file(path: Path) -> dict[str, str]:
    """Return the name of a file, the time of its last change, and the start of its digest, by which copies compare."""
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    digest = sha256(path.read_bytes()).hexdigest()
    return {"name": path.name, "changed": f"{changed:%Y-%m-%d %H:%M} UTC", "digest": digest[:_DIGEST_LENGTH]}


def _gaps(values: dict[str, Any]) -> Iterator[str]:
    """Yield what is left to do before go-live, each with its section."""
    if not values["settings"]["is_public_url_set"] and not values["given_url"]:
        name = environment_name("public_url")
        yield f"{name} is not set: the links on the card and the URLs below are for {values['base']} (section 2)."
    if values["token"] is None and not values["settings"]["is_local"]:
        yield "Anyone who reaches the service may call: there is no clients file (section 5)."
    if values["dialect"] == "epic":
        yield from _unmapped(values)
    for code in values["unrecognized"]:
        yield f"The code {code} is proposed, not under [[orders]]: an accepted order may get a card again (section 6)."
    yield from _not_shown(values["card"])
    if not values["contact"]:
        yield "The card names no contact for problems: set contact in the site file (section 9)."
    if not values["versions"]["is_signed"]:
        yield "This version of the knowledge has no clinical review on record (section 12)."


def _unmapped(values: dict[str, Any]) -> Iterator[str]:
    """Yield what a client that sends and takes its own codes alone needs to have mapped."""
    for row in values["studies"]:
        if not row["own"]:
            yield f"{row['name']}: no order code of yours is mapped (section 6)."
    for row in values["proposals"]:
        if not row["own"]:
            yield f"{row['name']}: no code of your preference list, so it is never suggested (section 6)."
    if not any(row["own"] for row in values["reasons"]):
        yield "No override reason of your EHR is mapped (section 7)."


def _not_shown(card: dict[str, Any]) -> Iterator[str]:
    if card["is_off"]:
        yield "The card is switched off (section 10)."
    if card["is_shadow"]:
        yield f"Shadow mode: no card is shown until the end of {card['shadow_until']} (section 9)."
    elif card["shadow_until"]:
        yield f"Shadow mode ended on {card['shadow_until']}: remove it from the site file (section 9)."

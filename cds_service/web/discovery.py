"""`GET /cds-services`: the services and their prefetch templates (CDS Hooks 2.0.1, Discovery)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, jsonify

from cds_service.knowledge import Knowledge
from cds_service.model import MAIN_KEYS, PLEXUS_STUDIES, PREFETCH_KEYS, Site
from cds_service.web.services import AppServices, current_services

blueprint = Blueprint("discovery", __name__)

VERSION = "2.0.1"
"""The version of CDS Hooks that is implemented; a member of 3.0 that older clients ignore (D-13)."""

HOOK_VERSION = "1.0"
"""The version of order-select and order-sign as published (D-14)."""


@blueprint.get("/cds-services")
def discover() -> Response:
    """Return the services, one for each hook."""
    services = current_services()
    return jsonify({"services": [_service(services, *service) for service in services.hooks.items()]})


def _template(key: str) -> str:
    """Return a search that every client can resolve: one token, one parameter (requirements P-17 to P-21)."""
    prefetch_key = PREFETCH_KEYS[key]
    return f"{prefetch_key.resource_type}?patient={{{{context.patientId}}}}{prefetch_key.parameters}"


def _optional_template(key: str, knowledge: Knowledge, site: Site) -> str:
    """Return the template of an optional key; of results and reports only those whose code the service reads."""
    template = _template(key)
    tokens = [quote(f"{system}|{code}", safe=":/|") for system, code in _codes(key, knowledge, site)]
    return f"{template}&code={','.join(tokens)}" if tokens else template


def _codes(key: str, knowledge: Knowledge, site: Site) -> list[tuple[str, str]]:
    """Return the (system, code) pairs that narrow the search of a key: of reports the site's own, too."""
    families = knowledge.terminology.families
    if key == "egfr":
        return [(member.system, member.code) for member in families["observation"]]
    if key == "imaging_reports":
        plexus_codes = [
            (member.system, member.code) for member in families["order"] if member.term.means in PLEXUS_STUDIES
        ]
        return [*plexus_codes, *(pair for pair, study in site.studies.items() if study in PLEXUS_STUDIES)]
    return []


def prefetch_templates(knowledge: Knowledge, site: Site) -> dict[str, str]:
    """Return the prefetch template of each key; where the site splits Conditions, one for each category."""
    main = {key: _template(key) for key in MAIN_KEYS}
    if site.condition_keys:
        conditions = main.pop("conditions")
        main = {key: f"{conditions}&category={category}" for key, category in site.condition_keys.items()} | main
    return main | {key: _optional_template(key, knowledge, site) for key in site.optional_keys}


def _usage(plan: Mapping[str, Any], site: Site) -> str:
    """Return the usage requirements, with the keys of Conditions where the site splits them."""
    usage: str = plan["usage"]
    return f"{usage} Here Conditions come under: {', '.join(site.condition_keys)}." if site.condition_keys else usage


def _service(services: AppServices, service_id: str, hook: str) -> dict[str, Any]:
    plan = services.knowledge.plan
    return {
        "hook": hook,
        "title": plan["title"],
        "description": plan["description"],
        "id": service_id,
        "prefetch": prefetch_templates(services.knowledge, services.site),
        "usageRequirements": _usage(plan, services.site),
        "version": VERSION,
        "hookVersion": HOOK_VERSION,
    }

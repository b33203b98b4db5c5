"""`GET /cds-services`: which services there are and what they need (CDS Hooks 2.0.1, Discovery)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, jsonify

from cds_service.decision.record import OPTIONAL
from cds_service.model import PLEXUS_STUDIES, Site
from cds_service.web.services import services

blueprint = Blueprint("discovery", __name__)

PREFETCH = {
    "conditions": "Condition?patient={{context.patientId}}",
    "procedures": "Procedure?patient={{context.patientId}}",
}
"""Every client can resolve these: one token, one parameter (requirements P-17 to P-21)."""

_IN_FORCE = {"imaging_orders": "&status=active"}
"""What narrows a key's search further: of the orders on record only those that are not done yet."""

VERSION = "2.0.1"
"""The version of CDS Hooks that is implemented; a member of 3.0 that harms nobody (D-13)."""

HOOK_VERSION = "1.0"
"""The version of order-select and order-sign as published (D-14)."""


@blueprint.get("/cds-services")
def discover() -> Response:
    """Answer with the services, one for each hook."""
    found = services()
    return jsonify({"services": [_service(name, hook) for name, hook in found.hooks.items()]})


def _optional(key: str) -> str:
    """Return the template of a key that the site advertises; of results and reports only those whose code we read."""
    template = f"{OPTIONAL[key]}?patient={{{{context.patientId}}}}{_IN_FORCE.get(key, '')}"
    wanted = [quote(f"{system}|{code}", safe=":/|") for system, code in _codes(key)]
    return f"{template}&code={','.join(wanted)}" if wanted else template


def _codes(key: str) -> list[tuple[str, str]]:
    """Return the codes by which a key is searched, where a chart has much else: of reports the site's own, too."""
    families, site = services().knowledge.terminology.families, services().site
    if key == "egfr":
        return [(member.system, member.code) for member in families["observation"]]
    if key == "imaging_reports":
        ours = [(member.system, member.code) for member in families["order"] if member.term.means in PLEXUS_STUDIES]
        return [*ours, *(pair for pair, study in site.studies.items() if study in PLEXUS_STUDIES)]
    return []


def _prefetch(site: Site) -> dict[str, str]:
    """Return the templates of all keys; where Conditions are split, those of each category in their place."""
    split = {key: f"{PREFETCH['conditions']}&category={category}" for key, category in site.condition_keys.items()}
    main = {**split, "procedures": PREFETCH["procedures"]} if split else PREFETCH
    return main | {key: _optional(key) for key in site.optional_keys}


def _usage(plan: Mapping[str, Any], site: Site) -> str:
    """Return what the service needs, and by which keys Conditions come here, where they are split."""
    usage: str = plan["usage"]
    return f"{usage} Here Conditions come under: {', '.join(site.condition_keys)}." if site.condition_keys else usage


def _service(name: str, hook: str) -> dict[str, Any]:
    found = services()
    plan = found.knowledge.plan
    return {
        "hook": hook,
        "title": plan["title"],
        "description": plan["description"],
        "id": name,
        "prefetch": _prefetch(found.site),
        "usageRequirements": _usage(plan, found.site),
        "version": VERSION,
        "hookVersion": HOOK_VERSION,
    }

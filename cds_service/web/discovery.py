"""`GET /cds-services`: which services there are and what they need (CDS Hooks 2.0.1, Discovery)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from cds_service.decision.record import OPTIONAL
from cds_service.web.parts import parts

blueprint = Blueprint("discovery", __name__)

PREFETCH = {
    "conditions": "Condition?patient={{context.patientId}}",
    "procedures": "Procedure?patient={{context.patientId}}",
}
"""Every client can resolve these: one token, one parameter (requirements P-17 to P-21)."""

VERSION = "2.0.1"
"""The version of CDS Hooks that is implemented; a member of 3.0 that harms nobody (D-13)."""

HOOK_VERSION = "1.0"
"""The version of order-select and order-sign as published (D-14)."""


@blueprint.get("/cds-services")
def discover() -> Response:
    """Answer with the services, one for each hook."""
    found = parts()
    return jsonify({"services": [_service(name, hook) for name, hook in found.hooks.items()]})


def _optional(key: str) -> str:
    """Return the template of a key that the site advertises; of observations only those whose code we read."""
    template = f"{OPTIONAL[key]}?patient={{{{context.patientId}}}}"
    if key != "egfr":
        return template
    wanted = [f"{system}|{code}" for system, code in parts().knowledge.codes["observation"].listed]
    return f"{template}&code={','.join(wanted)}"


def _service(name: str, hook: str) -> dict[str, Any]:
    found = parts()
    plan = found.knowledge.plan
    return {
        "hook": hook,
        "title": plan["title"],
        "description": plan["description"],
        "id": name,
        "prefetch": PREFETCH | {key: _optional(key) for key in found.site.optional_keys},
        "usageRequirements": plan["usage"],
        "version": VERSION,
        "hookVersion": HOOK_VERSION,
    }

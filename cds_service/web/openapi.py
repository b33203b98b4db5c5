"""`GET /openapi.json`: the service described for machines, with what only the running service knows filled in."""

import json
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, jsonify

from cds_service import __version__
from cds_service.examples import example
from cds_service.schemas import schema
from cds_service.web.services import AppServices, current_services

blueprint = Blueprint("openapi", __name__)

_SERVICE = "/cds-services/{service}"
_EXAMPLES = {"order-select": "article", "order-sign": "order-sign"}


@blueprint.get("/openapi.json")
def describe() -> Response:
    """Return the description of this service."""
    return jsonify(description(current_services()))


def description(services: AppServices) -> dict[str, Any]:
    """Return the OpenAPI description; the schema of a hook call is the one that validates them."""
    document: dict[str, Any] = json.loads(files(__package__).joinpath("openapi.json").read_text(encoding="utf-8"))
    document["info"]["version"] = __version__
    document["servers"][0]["url"] = services.site.public_url
    document["components"]["schemas"]["HookCall"] = schema("hook_call")
    document["paths"] = dict(path for item in document["paths"].items() for path in _paths(item[0], item[1], services))
    return document


def _paths(name: str, path: dict[str, Any], services: AppServices) -> list[tuple[str, dict[str, Any]]]:
    """Return a path as it is, or one path for each service where it is a template."""
    if not name.startswith(_SERVICE):
        return [(name, path)]
    return [
        (name.format(service=service), _of_service(path, hook, services)) for service, hook in services.hooks.items()
    ]


def _of_service(path: dict[str, Any], hook: str, services: AppServices) -> dict[str, Any]:
    """Return the path of one hook's service, with an example call that can be sent as it is."""
    described: dict[str, Any] = json.loads(json.dumps(path))
    described["post"]["operationId"] += f"-{hook}"
    body = described["post"]["requestBody"]["content"]["application/json"]
    if body["schema"]["$ref"].endswith("HookCall"):
        body["schema"] = {"allOf": [body["schema"], {"properties": {"hook": {"const": hook}}}]}
        body["example"] = example("calls", _EXAMPLES[hook], services.clock.today())
    return described

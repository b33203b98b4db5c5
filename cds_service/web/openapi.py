"""`GET /openapi.json`: the service described for machines, with what only the running service knows filled in."""

import json
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, jsonify

from cds_service import __version__
from cds_service.examples import example
from cds_service.schemas import schema
from cds_service.web.services import AppServices, services

blueprint = Blueprint("openapi", __name__)

_SERVICE = "/cds-services/{service}"
_EXAMPLES = {"order-select": "article", "order-sign": "order-sign"}


@blueprint.get("/openapi.json")
def describe() -> Response:
    """Answer with the description of this service."""
    return jsonify(description(services()))


def description(found: AppServices) -> dict[str, Any]:
    """Return the OpenAPI description; the schema of a call is the one by which calls are judged."""
    told: dict[str, Any] = json.loads(files(__package__).joinpath("openapi.json").read_text(encoding="utf-8"))
    told["info"]["version"] = __version__
    told["servers"][0]["url"] = found.site.public_url
    told["components"]["schemas"]["HookCall"] = schema("hook_call")
    told["paths"] = {name: path for one in told["paths"].items() for name, path in _paths(one[0], one[1], found)}
    return told


def _paths(name: str, path: dict[str, Any], found: AppServices) -> list[tuple[str, dict[str, Any]]]:
    """Return a path as it is, or the one of each service in place of that of any."""
    if not name.startswith(_SERVICE):
        return [(name, path)]
    return [(name.format(service=service), _of_service(path, hook, found)) for service, hook in found.hooks.items()]


def _of_service(path: dict[str, Any], hook: str, found: AppServices) -> dict[str, Any]:
    """Return the path of the service of one hook, with a call that can be sent as it is."""
    told: dict[str, Any] = json.loads(json.dumps(path))
    told["post"]["operationId"] += f"-{hook}"
    body = told["post"]["requestBody"]["content"]["application/json"]
    if body["schema"]["$ref"].endswith("HookCall"):
        body["schema"] = {"allOf": [body["schema"], {"properties": {"hook": {"const": hook}}}]}
        body["example"] = example("calls", _EXAMPLES[hook], found.clock.today())
    return told

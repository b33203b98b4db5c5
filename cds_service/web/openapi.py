"""`GET /openapi.json` and `/api`: the endpoints described for programs and for people, as this service runs."""

import json
from copy import deepcopy
from functools import partial
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, jsonify

from cds_service import __version__
from cds_service.examples import example
from cds_service.schemas import schema
from cds_service.web.pages import page
from cds_service.web.services import AppServices, current_services

blueprint = Blueprint("openapi", __name__)

_SERVICE = "/cds-services/{service}"
_POLICY = {"script-src": "'none'", "connect-src": "'none'", "form-action": "'none'"}
_EXAMPLES = {"order-select": "article", "order-sign": "order-sign"}


@blueprint.get("/openapi.json")
def describe() -> Response:
    """Return the description of this service."""
    return jsonify(description(current_services()))


@blueprint.get("/api")
def api() -> Response:
    """Show the same description as a page without scripts."""
    document = description(current_services())
    to_json = partial(json.dumps, indent=2, ensure_ascii=False)
    return page("api.html", policy=_POLICY, api=document, operations=_operations(document), to_json=to_json)


def description(services: AppServices) -> dict[str, Any]:
    """Return the OpenAPI description; the schema of a hook call is the one that validates them."""
    document: dict[str, Any] = json.loads(files(__package__).joinpath("openapi.json").read_text(encoding="utf-8"))
    document["info"]["version"] = __version__
    document["servers"][0]["url"] = services.site.public_url
    document["components"]["schemas"]["HookCall"] = schema("hook_call")
    document["paths"] = dict(
        path for name, template in document["paths"].items() for path in _paths(name, template, services)
    )
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
    described: dict[str, Any] = deepcopy(path)
    described["post"]["operationId"] += f"-{hook}"
    body = described["post"]["requestBody"]["content"]["application/json"]
    if body["schema"]["$ref"].endswith("HookCall"):
        body["schema"] = {"allOf": [body["schema"], {"properties": {"hook": {"const": hook}}}]}
        body["example"] = example("calls", _EXAMPLES[hook], services.clock.today())
    return described


def _operations(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the operations of each tag in the order of the document, each with its method, path and responses."""
    operations: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method in methods.keys() & {"get", "post"}:
            operation = methods[method]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            operations[operation["tags"][0]].append(
                operation
                | {"method": method.upper(), "path": path, "body": body, "needs_token": "security" not in operation}
                | {"responses": {status: _resolved(row, document) for status, row in operation["responses"].items()}}
            )
    return operations


def _resolved(response: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return a response itself where it is a reference to one of the components."""
    name: str = response.get("$ref", "").rpartition("/")[2]
    resolved: dict[str, Any] = document["components"]["responses"][name] if name else response
    return resolved

"""The page behind the card: its sources, its decision table at this site, and how to report a problem."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, request
from werkzeug.exceptions import NotFound

from cds_service.decision.rules import decision_table
from cds_service.knowledge import Knowledge
from cds_service.model import Site
from cds_service.web.error_handlers import flask_response
from cds_service.web.services import current_services

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def page(template: str, *, status: int = 200, policy: dict[str, str] | None = None, **values: object) -> Response:
    """Return a rendered page under a strict Content-Security-Policy; `policy` widens it for this page alone."""
    services = current_services()
    response = make_response(
        render_template(template, knowledge=services.knowledge, features=services.features, **values)
    )
    response.status_code = status
    directives = _POLICY | (policy or {})
    response.headers["Content-Security-Policy"] = "; ".join(f"{name} {value}" for name, value in directives.items())
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


blueprint = Blueprint("pages", __name__, template_folder="templates")


@blueprint.app_errorhandler(NotFound)
def not_found(error: NotFound) -> Response:
    """Show a person who opened a URL that does not exist where to go; programs get an OperationOutcome."""
    if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        return page("not_found.html", status=404)
    return flask_response(error)


_PAGES_POLICY = {"script-src": "'none'", "connect-src": "'none'", "form-action": "'none'", "frame-ancestors": "*"}
"""The page needs no script and sends nothing; an EHR may open the card's link in a frame."""


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """Return the icon for browsers that show JSON, which names none."""
    return current_app.send_static_file("icon.svg")


@blueprint.get("/cards/lumbosacral-plexus-mri")
def about() -> Response:
    """Show a clinician who followed the card's link its sources, and the rules in force at this site."""
    services = current_services()
    knowledge, site = services.knowledge, services.site
    sources = knowledge.plan["relatedArtifact"]
    return page(
        "about.html",
        policy=_PAGES_POLICY,
        about=knowledge.about,
        plan=knowledge.plan,
        site=site,
        numbers={source["label"]: number for number, source in enumerate(sources, 1)},
        grids=[
            (knowledge.card["orders"][row.study], row, list(decision_table(row.study, knowledge, site)))
            for row in knowledge.watched.values()
        ],
        limits=list(_limits(knowledge, site)),
        signatures=_signatures(knowledge),
        contact=_contact(site.contact),
    )


@blueprint.get("/cards/lumbosacral-plexus-mri/source-attributes.json")
def source_attributes() -> Response:
    """Return the source attributes of the card as JSON."""
    knowledge = current_services().knowledge
    return jsonify(
        {
            "card": knowledge.card_id,
            "title": knowledge.plan["title"],
            "version": knowledge.version,
            "date": knowledge.plan["date"],
            "status": knowledge.plan["status"],
            "source_attributes": knowledge.source_attributes,
            "citations": [_citation(source) for source in knowledge.plan["relatedArtifact"]],
            "signatures": _signatures(knowledge),
        }
    )


def _citation(source: dict[str, str]) -> dict[str, str]:
    return {name: source[name] for name in ("label", "display", "citation", "url")}


def _limits(knowledge: Knowledge, site: Site) -> Iterator[dict[str, Any]]:
    """Yield each limit with the value in force, and whether the site chose it."""
    for row in knowledge.lookback_window_rows:
        name = row["limit"]
        yield {**row, "in_force": site.lookback.get(name, row["value"]), "is_own": name in site.lookback}


def _signatures(knowledge: Knowledge) -> list[dict[str, Any]]:
    return [{**row, "is_current": row["version"] == knowledge.version} for row in knowledge.signatures]


def _contact(contact: str) -> dict[str, str]:
    """Return the text of the site's contact, and its URL where it is a link; the site file was validated."""
    scheme, _, address = contact.partition(":")
    is_link = scheme in ("mailto", "https", "tel")
    return {"text": address if is_link and scheme != "https" else contact, "url": contact if is_link else ""}

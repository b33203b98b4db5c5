"""The page behind the card: what the advice rests on."""

from flask import Blueprint, Response, make_response, render_template

from cds_service.web.parts import parts

blueprint = Blueprint("pages", __name__, template_folder="templates")

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors *"


@blueprint.get("/cards/lumbosacral-plexus-mri")
def about() -> Response:
    """Tell a clinician who followed the card's link what it rests on."""
    knowledge = parts().knowledge
    response = make_response(render_template("about.html", knowledge=knowledge, plan=knowledge.plan))
    response.headers["Content-Security-Policy"] = _POLICY
    return response

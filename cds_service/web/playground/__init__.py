"""The playground: select a patient and an order, and see the card and the steps of its decision.

The page sends hook calls and feedback to the service itself, as an EHR would; what only the page needs (its choices,
and the explanation of a decision) comes from here.
"""

import time
from collections.abc import Sequence

from flask import Blueprint, Response, abort, jsonify, request

from cds_service.decision.order_select import decide
from cds_service.explanation import describe
from cds_service.model import FetchFault, HookRequest, Pages, Search
from cds_service.store.period import PLAYGROUND
from cds_service.web.pages import page as render_page
from cds_service.web.playground.data import data, html
from cds_service.web.request_body import json_body
from cds_service.web.request_context import RequestContext
from cds_service.web.services import current_services

blueprint = Blueprint("playground", __name__)


@blueprint.before_request
def require_playground() -> None:
    """Return 404 where the playground is turned off."""
    if not current_services().features.playground:
        abort(404)


def mark_playground_calls(context: RequestContext) -> None:
    """Set the client of the page's own calls and feedback, so that they are not counted among those of an EHR."""
    if context.environ.get("HTTP_X_PLEXUS_CDS_CLIENT") == PLAYGROUND:
        context.client = PLAYGROUND


@blueprint.get("/")
def page() -> Response:
    """Show the playground."""
    return render_page("playground.html")


@blueprint.get("/playground/data.json")
def choices() -> Response:
    """Return the sample cases, and everything else that can be selected."""
    services = current_services()
    response = jsonify(data(services.knowledge, services.hooks, services.clock.today(), services.site.optional_keys))
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.post("/playground/explanations/<service>")
def explain(service: str) -> Response:
    """Decide a hook call again, and return the steps of the decision and the details of the cards as HTML.

    Only JSON is accepted: a page of another origin cannot send that without a preflight. No FHIR server is read, as
    the endpoint has no authentication.
    """
    if request.mimetype != "application/json":
        abort(415)
    services = current_services()
    hook, today, site = services.hook_of(service), services.clock.today(), services.site
    body = json_body(request.environ, services.body_limit, services.body_depth)
    started = time.perf_counter()
    decision = decide(body, hook, services.knowledge, site, today=today, fetch=_no_fetch, new_id=services.new_id)
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    steps = describe(decision, body, hook, services.knowledge, site, today)
    return jsonify(
        {"milliseconds": milliseconds, "details": [html(card["detail"]) for card in decision.cards], "steps": steps}
    )


def _no_fetch(_request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
    return [Pages((), FetchFault.NOT_ASKED) for _ in searches]

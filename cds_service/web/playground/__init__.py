"""The playground: choose a patient and an order, see the card and why.

The page sends its calls and its feedback to the service itself, as an EHR would; what only the page needs (the
choices, and why a call was answered so) comes from here.
"""

import time
from collections.abc import Sequence

from flask import Blueprint, Response, abort, jsonify, request

from cds_service.decision.order_select import decide
from cds_service.explanation import describe
from cds_service.model import FetchFault, HookRequest, Pages, Search
from cds_service.store.period import PLAYGROUND
from cds_service.web.pages import page as rendered
from cds_service.web.playground.data import data, html
from cds_service.web.request_body import json_body
from cds_service.web.request_context import RequestContext
from cds_service.web.services import services

blueprint = Blueprint("playground", __name__)


@blueprint.before_request
def where_shown() -> None:
    """Answer with 404 where the site does not have the playground."""
    if not services().features.playground:
        abort(404)


def name_its_calls(call: RequestContext) -> None:
    """Name the calls and the feedback that our page marks, so that they are not counted among those of an EHR."""
    if call.environ.get("HTTP_X_PLEXUS_CDS_CLIENT") == PLAYGROUND:
        call.client = PLAYGROUND


@blueprint.get("/")
def page() -> Response:
    """Show the playground."""
    return rendered("playground.html")


@blueprint.get("/playground/data.json")
def choices() -> Response:
    """Answer with the vignettes and what else can be chosen."""
    found = services()
    response = jsonify(data(found.knowledge, found.hooks, found.clock.today(), found.site.optional_keys))
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.post("/playground/explanations/<service>")
def explain(service: str) -> Response:
    """Decide on the call that was sent to a service, and answer with the steps and the details of the cards as HTML.

    Only JSON is taken: no page from elsewhere can send that without asking first. No FHIR server is read, for nobody is
    asked who they are.
    """
    if request.mimetype != "application/json":
        abort(415)
    found = services()
    hook, today, site = found.hook_of(service), found.clock.today(), found.site
    body = json_body(request.environ, found.body_limit, found.body_depth)
    began = time.perf_counter()
    decision = decide(body, hook, found.knowledge, site, today=today, fetch=_unread, new_id=found.new_id)
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    steps = describe(decision, body, hook, found.knowledge, site, today)
    return jsonify(
        {"milliseconds": milliseconds, "details": [html(card["detail"]) for card in decision.cards], "steps": steps}
    )


def _unread(_request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
    return [Pages((), FetchFault.NOT_ASKED) for _ in searches]

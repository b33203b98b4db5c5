"""`POST /cds-services/{id}`: one hook call (CDS Hooks 2.0.1, Calling a CDS Service)."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response

from cds_service.decision.order_select import decide
from cds_service.errors import RecordUnavailable
from cds_service.model import Decision, HookRequest, Pages, Search
from cds_service.strict_json import to_json
from cds_service.web.authentication import fetch
from cds_service.web.request_body import json_body
from cds_service.web.request_context import Answer, RequestContext, this_call
from cds_service.web.services import AppServices, services

blueprint = Blueprint("hook_calls", __name__)


@blueprint.post("/cds-services/<service>")
def answer(service: str) -> Response:
    """Answer a call that came through Flask."""
    said = answered(services(), this_call(), service)
    return Response(said.body, content_type=said.content_type)


def answered(found: AppServices, call: RequestContext, service: str) -> Answer:
    """Answer one call with the cards of its decision; an empty list is silence."""
    call.hook = found.hook_of(service)
    call.service = service
    watch = call.stopwatch
    watch.enter("read")
    body = json_body(call.environ, found.body_limit, found.body_depth)
    watch.enter("decide")
    call.decision = decision = _decision(body, found, call)
    watch.enter("write")
    return Answer(200, to_json({"cards": decision.cards}))


def _decision(body: Any, found: AppServices, call: RequestContext) -> Decision:
    """Return the decision, and leave how the record was had for the log."""
    today = found.clock.today()

    def fetched(request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
        return call.stopwatch.around(fetch(found, call))(request, searches)

    try:
        decision = decide(
            body,
            call.hook,
            found.knowledge,
            found.source.current(today),
            today=today,
            fetch=fetched,
            new_id=found.new_id,
        )
    except RecordUnavailable as error:
        call.retrieval = error.retrieval
        raise
    if decision.record:
        call.retrieval = decision.record.retrieval
    return decision

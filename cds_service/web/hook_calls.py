"""`POST /cds-services/{id}`: one hook call (CDS Hooks 2.0.1, Calling a CDS Service)."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response

from cds_service.decision.order_select import decide
from cds_service.errors import RecordUnavailable
from cds_service.model import Decision, HookRequest, Pages, Search
from cds_service.strict_json import to_json
from cds_service.web.authentication import fetch
from cds_service.web.body import json_body
from cds_service.web.call import Answer, Call
from cds_service.web.context import this_call
from cds_service.web.parts import Parts, parts

blueprint = Blueprint("hook_calls", __name__)


@blueprint.post("/cds-services/<service>")
def call(service: str) -> Response:
    """Answer a call that came through Flask."""
    answer = answered(parts(), this_call(), service)
    return Response(answer.body, content_type=answer.content_type)


def answered(found: Parts, held: Call, service: str) -> Answer:
    """Answer one call with the cards of its decision; an empty list is silence."""
    held.hook = found.hook_of(service)
    held.service = service
    watch = held.stopwatch
    watch.enter("read")
    body = json_body(held.environ, found.body_limit, found.body_depth)
    watch.enter("decide")
    held.decision = decision = _decision(body, found, held)
    watch.enter("write")
    return Answer(200, to_json({"cards": decision.cards}))


def _decision(body: Any, found: Parts, held: Call) -> Decision:
    """Return the decision, and leave how the record was had for the log."""
    today = found.today()

    def fetched(request: HookRequest, searches: Sequence[Search]) -> Sequence[Pages]:
        return held.stopwatch.around(fetch(found, held))(request, searches)

    try:
        decision = decide(
            body,
            held.hook,
            found.knowledge,
            found.source.current(today),
            today=today,
            fetch=fetched,
            new_id=found.new_id,
        )
    except RecordUnavailable as error:
        held.retrieval = error.retrieval
        raise
    if decision.record:
        held.retrieval = decision.record.retrieval
    return decision

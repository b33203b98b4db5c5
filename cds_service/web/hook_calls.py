"""`POST /cds-services/{id}`: one hook call (CDS Hooks 2.0.1, Calling a CDS Service)."""

from typing import Any

from flask import Blueprint, Response, g, jsonify

from cds_service.decision.order_select import decide
from cds_service.errors import RecordUnavailable
from cds_service.model import Decision
from cds_service.web.authentication import fetch
from cds_service.web.body import json_body
from cds_service.web.parts import parts
from cds_service.web.stopwatch import Stopwatch

blueprint = Blueprint("hook_calls", __name__)


@blueprint.post("/cds-services/<service>")
def call(service: str) -> Response:
    """Answer one call with the cards of its decision; an empty list is silence."""
    g.hook = parts().hook_of(service)
    g.service = service
    watch: Stopwatch = g.stopwatch
    watch.enter("read")
    body = json_body()
    watch.enter("decide")
    g.decision = _decision(body, watch)
    watch.enter("write")
    return jsonify({"cards": list(g.decision.cards)})


def _decision(body: Any, watch: Stopwatch) -> Decision:
    """Return the decision, and leave how the record was had for the log."""
    found = parts()
    try:
        decision = decide(
            body,
            g.hook,
            found.knowledge,
            found.site,
            today=found.today(),
            fetch=watch.around(fetch()),
            new_id=found.new_id,
        )
    except RecordUnavailable as error:
        g.retrieval = error.retrieval
        raise
    if decision.record:
        g.retrieval = decision.record.retrieval
    return decision

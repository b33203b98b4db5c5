"""`POST /cds-services/{id}`: one hook call (CDS Hooks 2.0.1, Calling a CDS Service)."""

from flask import Blueprint, Response, g, jsonify

from cds_service.decision.order_select import decide
from cds_service.web.body import json_body
from cds_service.web.parts import parts

blueprint = Blueprint("hook_calls", __name__)


@blueprint.post("/cds-services/<service>")
def call(service: str) -> Response:
    """Answer one call with the cards of its decision; an empty list is silence."""
    found = parts()
    g.hook = found.hook_of(service)
    g.service = service
    decision = decide(
        json_body(),
        g.hook,
        found.knowledge,
        found.site,
        today=found.today(),
        fetch=found.fetch,
        new_id=found.new_id,
    )
    g.decision = decision
    return jsonify({"cards": list(decision.cards)})

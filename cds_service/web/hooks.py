"""`POST /cds-services/{id}`: one hook call (CDS Hooks 2.0.1, Calling a CDS Service)."""

from datetime import date
from typing import Any

from flask import Blueprint, Response

from cds_service.decision.order_select import decide
from cds_service.decision.request import user_of
from cds_service.errors import NotAHookCall, RecordUnavailable
from cds_service.fhir.search import fetcher
from cds_service.model import Decision, Fetch, Site
from cds_service.strict_json import to_json
from cds_service.web.dialects import Answer, answer
from cds_service.web.dismissals import without_dismissed
from cds_service.web.request_body import json_body
from cds_service.web.request_context import RawResponse, RequestContext, current_request
from cds_service.web.services import AppServices, current_services

blueprint = Blueprint("hook_calls", __name__)


@blueprint.post("/cds-services/<service>")
def hook_call(service: str) -> Response:
    """Answer a hook call that came through Flask."""
    response = respond(current_services(), current_request(), service)
    return Response(response.body, content_type=response.content_type)


def respond(services: AppServices, context: RequestContext, service_id: str) -> RawResponse:
    """Return the cards of one hook call, perhaps an empty list, or raise a CallError."""
    context.hook = services.hook_of(service_id)
    context.service = service_id
    stopwatch = context.stopwatch
    stopwatch.enter("read")
    body = json_body(context.environ, services.body_limit, services.body_depth)
    stopwatch.enter("decide")
    today = services.clock.today()  # once, for midnight may come meanwhile
    site = services.site_source.current(today)
    context.decision = _decide(body, services, site, today, context)
    context.answer = _answer(context.decision, services, site, context)
    if site.dismissal_hours and context.answer.cards:
        stopwatch.enter("store")
        context.user_id = user_of(body)
        decision = without_dismissed(services, context, context.decision, context.answer, site)
        if decision is not context.decision:
            context.decision, context.answer = decision, _answer(decision, services, site, context)
    stopwatch.enter("write")
    return RawResponse(200, to_json(context.answer.body))


def _answer(decision: Decision, services: AppServices, site: Site, context: RequestContext) -> Answer:
    """Return the answer in the dialect of the client, or else that of the site."""
    dialect = (context.principal and context.principal.dialect) or site.dialect
    return answer(decision, context.hook, dialect, services.knowledge, site, services.new_id)


def _decide(body: Any, services: AppServices, site: Site, today: date, context: RequestContext) -> Decision:
    """Return the decision, and note in the context how the record was retrieved, for the log."""
    try:
        decision = decide(
            body,
            context.hook,
            services.knowledge,
            site,
            today=today,
            fetch=context.stopwatch.around(_fetcher(services, context)),
            new_id=services.new_id,
        )
    except RecordUnavailable as error:
        context.retrieval = error.retrieval
        raise
    except NotAHookCall as error:
        context.fault = error.fault
        raise
    if decision.record:
        context.retrieval = decision.record.retrieval
    return decision


def _fetcher(services: AppServices, context: RequestContext) -> Fetch:
    """Return what searches the FHIR servers of the principal, or those of the settings where clients have no names."""
    if services.authenticator is None:
        return fetcher(services.fhir_servers, services.fetch_limits)
    assert context.principal  # the guard let nobody else in
    return fetcher(context.principal.fhir_servers, services.fetch_limits)

"""WSGI middleware that answers hook calls without Flask, which would take longer than most of their decisions.

It answers `POST /cds-services/{id}` for the service's own ids, with the same guards, function and after-request hooks
that Flask uses; the Flask view stays the reference, and a test compares both. All else goes to Flask: discovery,
feedback, pages, and calls from a browser (with an `Origin` header), which Flask-CORS answers.

Flask extensions that hook into requests do not see calls on the fast path; `PLEXUS_CDS_FAST_PATH=false` turns it off.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.http import HTTP_STATUS_CODES

from cds_service.web import error_handlers, hooks
from cds_service.web.middleware import RequestPipeline
from cds_service.web.request_context import RawResponse, RequestContext
from cds_service.web.services import app_services

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_VARY = ("Vary", "Origin")
"""As Flask's answers have it: one with an Origin may differ."""


def install(app: Flask, pipeline: RequestPipeline) -> None:
    """Wrap the application's WSGI callable, so that hook calls take the fast path."""
    flask_app = app.wsgi_app
    service_ids = {f"/cds-services/{service_id}": service_id for service_id in app_services(app).hooks}

    def fast_path(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        service_id = service_ids.get(path)
        if service_id is None or environ["REQUEST_METHOD"] != "POST" or "HTTP_ORIGIN" in environ:
            return flask_app(environ, start_response)
        context = RequestContext(environ, "POST", path, hooks.blueprint.name)
        response = _respond(app, pipeline, context, service_id)
        pipeline.run_after_request(context, response.status)
        start_response(*_status_and_headers(response))
        return (response.body,)

    app.wsgi_app = fast_path  # type: ignore[method-assign]


def _respond(app: Flask, pipeline: RequestPipeline, context: RequestContext, service_id: str) -> RawResponse:
    try:
        for guard in pipeline.guards:
            guard(context)
        return hooks.respond(app_services(app), context, service_id)
    except Exception as error:  # noqa: BLE001 - each has its answer
        return error_handlers.error_response(error)
    finally:
        pipeline.release(context)


def _status_and_headers(response: RawResponse) -> tuple[str, list[tuple[str, str]]]:
    status = f"{response.status} {HTTP_STATUS_CODES[response.status]}"
    sized = [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
    return status, [*sized, _VARY, *response.headers.items()]

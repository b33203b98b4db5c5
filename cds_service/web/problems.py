"""Errors -> HTTP status and an OperationOutcome without patient data, from this one place."""

import json
import logging

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from cds_service.auth import ReplayMemoryUnavailable, Unauthenticated
from cds_service.errors import (
    CallError,
    Compressed,
    NotAHookCall,
    NotJson,
    Overloaded,
    RecordUnavailable,
    StoreUnavailable,
    TooLarge,
    TooManyCalls,
    UnknownService,
)

_STATUS: dict[type[CallError], tuple[int, str]] = {
    NotJson: (400, "structure"),
    Unauthenticated: (401, "login"),
    UnknownService: (404, "not-found"),
    RecordUnavailable: (412, "incomplete"),
    TooLarge: (413, "too-long"),
    Compressed: (415, "not-supported"),
    NotAHookCall: (422, "invalid"),
    TooManyCalls: (429, "throttled"),
    Overloaded: (503, "throttled"),
    ReplayMemoryUnavailable: (503, "transient"),
    StoreUnavailable: (503, "transient"),
}
"""The status, and the issue type of the OperationOutcome."""

_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "30"}}
"""Retry-After is the seconds after which it is worth asking again."""

_HTTP = {
    404: "There is nothing here. Discovery is at /cds-services.",
    405: "This address does not take this method. Discovery takes GET; services and feedback take POST.",
    415: "This address takes JSON alone: send it with Content-Type: application/json.",
}


def register(app: Flask) -> None:
    """Let the application answer every error as an OperationOutcome."""
    app.register_error_handler(CallError, _call_error)
    app.register_error_handler(RecursionError, _too_deep)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _our_error)


def _call_error(error: Exception) -> Response:
    status, kind = next(known for cls, known in _STATUS.items() if isinstance(error, cls))
    response = _outcome(status, kind, "" if isinstance(error, Unauthenticated) else str(error))
    if isinstance(error, CallError) and error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _too_deep(_error: Exception) -> Response:
    return _outcome(400, "structure", "The JSON is nested too deeply.")


def _http_error(error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.code or 500
    response = _outcome(status, "not-supported", _HTTP.get(status, "This request cannot be answered."))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _our_error(error: Exception) -> Response:
    """Log kind and place of a fault of ours, never its text, which may hold patient data."""
    trace, last = error.__traceback__, None
    while trace:
        last, trace = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}", trace.tb_next
    logging.getLogger("plexus_cds").error(json.dumps({"fault": type(error).__name__, "at": last}))
    return _outcome(500, "exception", "The service failed. Go on without its advice.")


def _outcome(status: int, kind: str, text: str) -> Response:
    issue = {"severity": "error", "code": kind} | ({"diagnostics": text} if text else {})
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
    response = Response(body, status, content_type="application/fhir+json")
    response.headers.update(_HEADERS.get(status, {}))
    return response

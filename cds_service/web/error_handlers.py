"""Errors -> HTTP status and an OperationOutcome without patient data, from this one place."""

import json
from collections.abc import Mapping

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from cds_service.auth import ReplayCacheUnavailable, Unauthenticated
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
from cds_service.logs import log_fault
from cds_service.web.request_context import Answer

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
    ReplayCacheUnavailable: (503, "transient"),
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
    app.register_error_handler(Exception, _response)


def answer_to(error: Exception) -> Answer:
    """Return the answer to whoever met an error."""
    if isinstance(error, CallError) and type(error) in _STATUS:
        return _call_error(error)
    if isinstance(error, RecursionError):
        return _outcome(400, "structure", "The JSON is nested too deeply.")
    if isinstance(error, HTTPException):
        return _http_error(error)
    log_fault(error)
    return _outcome(500, "exception", "The service failed. Go on without its advice.")


def _response(error: Exception) -> Response:
    answer = answer_to(error)
    return Response(answer.body, answer.status, answer.headers, content_type=answer.content_type)


def _call_error(error: CallError) -> Answer:
    status, kind = _STATUS[type(error)]
    again = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    return _outcome(status, kind, "" if isinstance(error, Unauthenticated) else str(error), again)


def _http_error(error: HTTPException) -> Answer:
    status = error.code or 500
    allowed = {name: value for name, value in error.get_headers() if name == "Allow"}
    return _outcome(status, "not-supported", _HTTP.get(status, "This request cannot be answered."), allowed)


def _outcome(status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    issue = {"severity": "error", "code": kind} | ({"diagnostics": text} if text else {})
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
    return Answer(status, body, "application/fhir+json", {**_HEADERS.get(status, {}), **(headers or {})})

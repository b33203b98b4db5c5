"""The error table: each exception's HTTP status and OperationOutcome, without patient data."""

import json
from collections.abc import Mapping

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from cds_service.errors import (
    CallError,
    Compressed,
    NotAHookCall,
    NotJson,
    NotSentAsJson,
    Overloaded,
    RecordUnavailable,
    ReplayCacheUnavailable,
    StoreUnavailable,
    TooLarge,
    TooManyCalls,
    Unauthenticated,
    UnknownHost,
    UnknownService,
)
from cds_service.logs import log_fault
from cds_service.web.request_context import RawResponse

STATUS: dict[type[CallError], tuple[int, str]] = {
    NotJson: (400, "structure"),
    Unauthenticated: (401, "login"),
    UnknownService: (404, "not-found"),
    RecordUnavailable: (412, "incomplete"),
    TooLarge: (413, "too-long"),
    Compressed: (415, "not-supported"),
    NotSentAsJson: (415, "not-supported"),
    UnknownHost: (421, "not-supported"),
    NotAHookCall: (422, "invalid"),
    TooManyCalls: (429, "throttled"),
    Overloaded: (503, "throttled"),
    ReplayCacheUnavailable: (503, "transient"),
    StoreUnavailable: (503, "transient"),
}
"""The status, and the issue type of the OperationOutcome."""

_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "30"}}
"""Retry-After: seconds until a retry is worthwhile."""

DIAGNOSTICS = {
    404: "Not found. Discovery is at /cds-services.",
    405: "Method not allowed. Use GET for discovery, and POST for services and feedback.",
}


def register(app: Flask) -> None:
    """Register the handler that answers every error with an OperationOutcome."""
    app.register_error_handler(Exception, flask_response)


def error_response(error: Exception) -> RawResponse:
    """Return the response to an error; one without a status of its own is logged and becomes 500."""
    if isinstance(error, CallError) and type(error) in STATUS:
        return _call_error(error)
    if isinstance(error, RecursionError):
        return _outcome(400, "structure", "The JSON is nested too deeply.")
    if isinstance(error, HTTPException):
        return _http_error(error)
    log_fault(error)
    return _outcome(500, "exception", "Internal error. Continue without decision support.")


def flask_response(error: Exception) -> Response:
    """Return the response to an error, as Flask sends it."""
    response = error_response(error)
    return Response(response.body, response.status, response.headers, content_type=response.content_type)


def _call_error(error: CallError) -> RawResponse:
    status, kind = STATUS[type(error)]
    retry_after = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    return _outcome(status, kind, "" if isinstance(error, Unauthenticated) else str(error), retry_after)


def _http_error(error: HTTPException) -> RawResponse:
    status = error.code or 500
    allowed = {name: value for name, value in error.get_headers() if name == "Allow"}
    return _outcome(status, "not-supported", DIAGNOSTICS.get(status, "The request cannot be processed."), allowed)


def _outcome(status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> RawResponse:
    issue = {"severity": "error", "code": kind} | ({"diagnostics": text} if text else {})
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
    return RawResponse(status, body, "application/fhir+json", {**_HEADERS.get(status, {}), **(headers or {})})

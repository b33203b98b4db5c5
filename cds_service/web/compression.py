"""gzip for pages, scripts, styles and the dashboard's data; hook calls and feedback go out as they are.

Nothing of a request is repeated beside a secret in what is compressed (the BREACH attack needs both).
"""

import gzip
from functools import lru_cache
from http import HTTPStatus

from flask import Flask, Response, request

_TYPES = frozenset(
    {
        *("text/html", "text/css", "text/javascript", "application/javascript"),
        *("image/svg+xml", "application/json", "text/csv", "application/x-ndjson"),
    }
)
_SMALLEST = 1024
"""Bytes: a smaller answer fits into one packet anyway."""

_LEVEL = 6


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, _LEVEL, mtime=0)


_static = lru_cache(maxsize=64)(_gzip)
"""Scripts and styles are the same for each request."""


def install(app: Flask) -> None:
    """Compress the answers of Flask that are worth it, for a client that accepts gzip."""
    app.after_request(_compressed)


def _compressed(response: Response) -> Response:
    if request.path.startswith("/cds-services") or response.mimetype not in _TYPES:
        return response
    response.vary.add("Accept-Encoding")
    is_export = response.is_streamed and not response.direct_passthrough
    if request.accept_encodings["gzip"] <= 0 or is_export or response.status_code != HTTPStatus.OK:
        return response
    response.direct_passthrough = False
    content = response.get_data()
    if len(content) >= _SMALLEST:
        response.set_data(_static(content) if request.endpoint == "static" else _gzip(content))
        response.headers["Content-Encoding"] = "gzip"
        etag, _ = response.get_etag()
        if etag:
            response.set_etag(etag, weak=True)  # the same file, in other bytes (RFC 9110, 8.8.1)
    return response

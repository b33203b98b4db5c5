"""The body of a request: read up to a limit, whatever its Content-Length says, and parsed."""

import re
from typing import Any

from werkzeug.wsgi import get_content_length, get_input_stream

from cds_service.errors import Compressed, NotJson, NotSentAsJson, TooLarge
from cds_service.strict_json import UnsafeJson, strict_json

DEPTH = 64
"""Levels of lists and objects within each other; a call with a deep resource has about twenty."""

IS_READ = "plexus_cds.body_is_read"
"""In the environment of a request whose body was read to its end."""

_CHUNK = 1 << 16
_BYTES_PER_VALUE = 16
"""Of a real chart; a body of smaller values would take many times its size of memory, and seconds to parse."""

FEWEST_BYTES_PER_VALUE, VALUES_OF_ANY_BODY = 10, 1000
"""Of a body as a whole, and what any may have beside: calls have 16 or more, and small values cost much."""

_JSON_TYPE = re.compile(r"\s*application/([\w.-]+\+)?json\s*(;|$)", re.IGNORECASE)
"""`application/json` and its kind, such as `application/fhir+json`, with or without parameters."""

_NOT_A_DELIMITER = bytes(set(range(256)) - set(b",[{"))


def json_body(environ: dict[str, Any], limit: int, depth: int) -> Any:
    """Return the JSON of a request, or raise Compressed, NotSentAsJson, TooLarge or NotJson; `limit` is in bytes."""
    if "HTTP_CONTENT_ENCODING" in environ and _is_encoded(environ["HTTP_CONTENT_ENCODING"]):
        raise Compressed
    if not _is_sent_as_json(environ):
        raise NotSentAsJson
    content = _content(environ, limit)
    _check_values(content, limit)
    return parsed(content, depth)


def count_values(content: bytes) -> int:
    """Return how many values a JSON text has at most, without parsing it: what is in a string counts, too."""
    return len(content.translate(None, _NOT_A_DELIMITER))


def _check_values(content: bytes, limit: int) -> None:
    """Refuse a body of more values than a chart has, of its own size or of the largest."""
    most = min(limit // _BYTES_PER_VALUE, VALUES_OF_ANY_BODY + len(content) // FEWEST_BYTES_PER_VALUE)
    if len(content) > most and count_values(content) > most:
        message = f"The body has too many values for its size; the limit is {most} values."
        raise TooLarge(message)


def parsed(content: bytes, depth: int = DEPTH) -> Any:
    """Return JSON that can be sent back unchanged, or raise NotJson."""
    try:
        return strict_json(content, depth=depth)
    except UnsafeJson as error:
        message = f"The body is not JSON that can be read safely: {error}."
    except ValueError:
        message = "The body is not JSON."
    raise NotJson(message)


def _is_sent_as_json(environ: dict[str, Any]) -> bool:
    """Return whether the Content-Type is JSON; a program may leave it out, a web page (with its Origin) may not."""
    media_type = environ.get("CONTENT_TYPE", "")
    if not media_type:
        return "HTTP_ORIGIN" not in environ
    return media_type == "application/json" or bool(_JSON_TYPE.match(media_type))


def _is_encoded(encodings: str) -> bool:
    """Return whether a Content-Encoding has any but `identity`; names have no case (RFC 9110, 8.4)."""
    return any(encoding.strip().lower() not in ("", "identity") for encoding in encodings.split(","))


def _content(environ: dict[str, Any], limit: int) -> bytes:
    """Read the body up to the limit: a chunked one has no Content-Length to refuse it by."""
    message = f"The body is too large; the limit is {limit // 1024 // 1024} MiB."
    if (get_content_length(environ) or 0) > limit:
        raise TooLarge(message)
    chunks, remaining, stream = [], limit, get_input_stream(environ)
    while chunk := stream.read(min(_CHUNK, remaining + 1)):
        chunks.append(chunk)
        remaining -= len(chunk)
        if remaining < 0:
            raise TooLarge(message)
    environ[IS_READ] = True
    return b"".join(chunks)

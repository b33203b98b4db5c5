"""The body of a call: read up to a limit, whatever it says of its length, and parsed."""

from typing import Any

from werkzeug.wsgi import get_content_length, get_input_stream

from cds_service.errors import Compressed, NotJson, TooLarge
from cds_service.strict_json import UnsafeJson, strict_json

DEPTH = 64
"""Levels of lists and objects within each other; a call with a deep resource has about twenty."""

_CHUNK = 1 << 16
_BYTES_OF_A_VALUE = 16
"""Of a chart; a body of smaller values would take many times its size of memory, and seconds to parse."""

_BEGIN_NO_VALUE = bytes(set(range(256)) - set(b",[{"))


def json_body(environ: dict[str, Any], limit: int, depth: int) -> Any:
    """Return the JSON of a request, or raise Compressed, TooLarge or NotJson; `limit` is in bytes."""
    if environ.get("HTTP_CONTENT_ENCODING", "identity") not in ("", "identity"):
        raise Compressed
    content = _content(environ, limit)
    most = limit // _BYTES_OF_A_VALUE
    if len(content) > most < len(content.translate(None, _BEGIN_NO_VALUE)):
        message = f"The body has more than the {most} values that this service reads."
        raise TooLarge(message)
    return parsed(content, depth)


def parsed(content: bytes, depth: int = DEPTH) -> Any:
    """Return JSON that goes out again as it came, or raise NotJson."""
    try:
        return strict_json(content, depth=depth)
    except UnsafeJson as error:
        message = f"The body is not JSON that can be read safely: {error}."
    except ValueError:
        message = "The body is not JSON."
    raise NotJson(message)


def _content(environ: dict[str, Any], limit: int) -> bytes:
    """Read the body ourselves: a chunked one has no length to refuse it by."""
    message = f"The body is larger than the {limit // 1024 // 1024} MiB that this service reads."
    if (get_content_length(environ) or 0) > limit:
        raise TooLarge(message)
    chunks, left, stream = [], limit, get_input_stream(environ)
    while chunk := stream.read(min(_CHUNK, left + 1)):
        chunks.append(chunk)
        left -= len(chunk)
        if left < 0:
            raise TooLarge(message)
    return b"".join(chunks)

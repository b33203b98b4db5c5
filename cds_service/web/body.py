"""The body of a call: read up to a limit, whatever it says of its length, and parsed."""

from typing import Any

from flask import request

from cds_service.errors import Compressed, NotJson, TooLarge
from cds_service.strict_json import UnsafeJson, strict_json
from cds_service.web.parts import parts

DEPTH = 64
"""Levels of lists and objects within each other; a call with a deep resource has about twenty."""

_CHUNK = 1 << 16
_BYTES_OF_A_VALUE = 16
"""Of a chart; a body of smaller values would take many times its size of memory, and seconds to parse."""


def json_body() -> Any:
    """Return the JSON of the call, or raise Compressed, TooLarge or NotJson."""
    if request.headers.get("Content-Encoding", "identity") not in ("", "identity"):
        raise Compressed
    limit = parts().body_limit
    content = _content(limit)
    if sum(map(content.count, (b",", b"[", b"{"))) > limit // _BYTES_OF_A_VALUE:
        message = f"The body has more than the {limit // _BYTES_OF_A_VALUE} values that this service reads."
        raise TooLarge(message)
    return parsed(content, parts().body_depth)


def parsed(content: bytes, depth: int = DEPTH) -> Any:
    """Return JSON that goes out again as it came, or raise NotJson."""
    try:
        return strict_json(content, depth=depth)
    except UnsafeJson as error:
        message = f"The body is not JSON that can be read safely: {error}."
    except ValueError:
        message = "The body is not JSON."
    raise NotJson(message)


def _content(limit: int) -> bytes:
    """Read the body ourselves: a chunked one has no length to refuse it by."""
    message = f"The body is larger than the {limit // 1024 // 1024} MiB that this service reads."
    if (request.content_length or 0) > limit:
        raise TooLarge(message)
    chunks, left = [], limit
    while chunk := request.stream.read(min(_CHUNK, left + 1)):
        chunks.append(chunk)
        left -= len(chunk)
        if left < 0:
            raise TooLarge(message)
    return b"".join(chunks)

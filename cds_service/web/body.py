"""The body of a call: read up to a limit, whatever it says of its length, and parsed."""

from typing import Any

from flask import request

from cds_service.errors import NotJson, TooLarge
from cds_service.strict_json import strict_json
from cds_service.web.parts import parts

_CHUNK = 1 << 16


def json_body() -> Any:
    """Return the JSON of the call, or raise TooLarge or NotJson."""
    return parsed(_content(parts().body_limit))


def parsed(content: bytes) -> Any:
    """Return JSON that goes out again as it came, or raise NotJson."""
    try:
        return strict_json(content)
    except ValueError:
        message = "The body is not JSON, or not JSON that can be read safely."
        raise NotJson(message) from None


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

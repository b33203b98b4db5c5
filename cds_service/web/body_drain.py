"""WSGI middleware that reads what an answer left unread of a request's body, so that no connection breaks.

A server that answers a refused call while its body still arrives closes the connection. A client may then never see
its 401 or 413, and a proxy that keeps connections open may send another client's call into the one that closes.
"""

from collections.abc import Callable, Iterable
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from cds_service.web.request_body import IS_READ

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CHUNK = 1 << 16

_TOO_LARGE = "413"

CONCURRENT = 32
"""So many bodies are read on at the same time, each by a thread beyond those of calls: it may arrive slowly."""


def install(app: "WSGIApplication", limit: int, release_slot: Callable[["WSGIEnvironment"], None]) -> "WSGIApplication":
    """Return the application, wrapped; of a body, `limit` bytes are read at most, and then the connection is closed.

    `release_slot` ends what a request counts among the calls in progress: it is answered, and only reads on.
    """
    slots = BoundedSemaphore(CONCURRENT)

    def drained(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        has_body = "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") not in ("", "0")
        if not has_body or not environ.get("wsgi.input_terminated"):  # without its mark the end cannot be found
            return app(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            if IS_READ not in environ:
                release_slot(environ)
                is_too_large = status.startswith(_TOO_LARGE)  # then as much was read already as is read of any body
                if is_too_large or not _is_drained(environ, limit, slots):
                    headers = [*headers, ("Connection", "close")]
            return start_response(status, headers, *exc_info)

        return app(environ, start)

    return drained


def _is_drained(environ: "WSGIEnvironment", limit: int, slots: BoundedSemaphore) -> bool:
    """Return whether nothing of the body is left, after reading the rest of it."""
    if _declared_length(environ) > limit or not slots.acquire(blocking=False):
        return False
    try:
        stream, remaining = environ["wsgi.input"], limit
        while remaining > 0 and (chunk := stream.read(_CHUNK)):
            remaining -= len(chunk)
    except OSError:  # the client is gone
        return False
    finally:
        slots.release()
    return remaining > 0


def _declared_length(environ: "WSGIEnvironment") -> int:
    try:
        return int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0

"""What stands behind Flask's proxies: each use of a proxy costs a microsecond, and a call would have dozens."""

from typing import Any

from flask import Request, g, request


def this_request() -> Request:
    """Return the present request."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - it is documented
    return found


def this_call() -> Any:
    """Return what is held for the present call: `g`."""
    return g._get_current_object()  # noqa: SLF001 - it is documented

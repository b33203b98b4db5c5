"""What stands behind Flask's proxies: each use of a proxy costs a microsecond, and a call would have dozens."""

from flask import g, request

from cds_service.web.call import Call


def begin_call() -> None:
    """Begin the call that Flask answers."""
    asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - it is documented
    g.call = Call(asked.environ, asked.method, asked.path, asked.blueprint)


def this_call() -> Call:
    """Return the call that Flask answers at this moment."""
    found: Call = g.call
    return found

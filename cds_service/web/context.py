"""The call that Flask answers at this moment; it is in Flask's `g`."""

from flask import g, request

from cds_service.web.call import Call


def begin_call() -> None:
    """Begin the call."""
    g.call = Call(request.environ, request.method, request.path, request.blueprint)


def this_call() -> Call:
    """Return the call."""
    found: Call = g.call
    return found

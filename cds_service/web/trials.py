"""Trials: the marked calls of the playground and of `plexus-cds doctor`, which are in no figure of the site."""

from cds_service.model import CLIENT_HEADER, DOCTOR
from cds_service.store.period import PLAYGROUND
from cds_service.web.request_context import RequestContext

_MARK = f"HTTP_{CLIENT_HEADER.upper().replace('-', '_')}"


def mark_playground_calls(context: RequestContext) -> None:
    """Set the client of the playground's own calls and feedback; a guard where there are no clients."""
    if context.environ.get(_MARK) == PLAYGROUND:
        context.client = PLAYGROUND


def mark_doctor_calls(context: RequestContext) -> None:
    """Set the client of the doctor's calls to the playground's.

    This guard comes after authentication, so that with a clients file nobody can hide the calls of others, or refusals.
    """
    if context.environ.get(_MARK) == DOCTOR:
        context.client = PLAYGROUND

"""Calls of `plexus-cds doctor` are trials: like those of the playground, they are in no figure of the site."""

from cds_service.model import DOCTOR_HEADER, DOCTOR_MARK
from cds_service.store.period import PLAYGROUND
from cds_service.web.request_context import RequestContext

_MARK = f"HTTP_{DOCTOR_HEADER.upper().replace('-', '_')}"


def mark_trials(context: RequestContext) -> None:
    """Set the client of a trial to the playground's.

    This guard comes after authentication, so that with a clients file nobody can hide the calls of others, or refusals.
    """
    if context.environ.get(_MARK) == DOCTOR_MARK:
        context.client = PLAYGROUND

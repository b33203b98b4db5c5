"""The dashboard: cards shown, their feedback, and the rows behind the figures as files.

Its routes are here; `views.py` is loaded at the first request, as it loads SQLAlchemy, which no hook call needs.
"""

from flask import Blueprint, Response, abort

from cds_service.web.services import current_services

blueprint = Blueprint("dashboard", __name__, url_prefix="/dashboard")


@blueprint.before_request
def require_dashboard() -> None:
    """Return 404 where the dashboard is turned off."""
    if not current_services().features.dashboard:
        abort(404)


@blueprint.get("", strict_slashes=False)
def page() -> Response:
    """Show the figures of a period, or what is wrong with the period in the form."""
    from cds_service.web.dashboard import views  # noqa: PLC0415 - loads SQLAlchemy

    return views.page()


@blueprint.get("/export/<any(cards, feedback, decisions, unrecognized):dataset>.<any(csv, ndjson):kind>")
def export(dataset: str, kind: str) -> Response:
    """Stream the rows behind the figures as a file."""
    from cds_service.web.dashboard import views  # noqa: PLC0415 - loads SQLAlchemy

    return views.export(dataset, kind)

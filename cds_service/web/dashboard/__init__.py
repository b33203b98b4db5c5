"""The dashboard: how often which card was shown, what became of it, and the rows behind the figures as files.

Its addresses are here; what they show is loaded when it is first asked for, with SQLAlchemy, as no call needs it.
"""

from flask import Blueprint, Response, abort, send_file

from cds_service.web.dashboard import plotly_files
from cds_service.web.services import services

blueprint = Blueprint("dashboard", __name__, url_prefix="/dashboard")

_A_YEAR = 31_536_000


@blueprint.before_request
def only_where_shown() -> None:
    """Answer as if there were no dashboard where the site has none."""
    if not services().features.dashboard:
        abort(404)


@blueprint.get("")
def page() -> Response:
    """Show the figures of a period, or what is wrong with the period that was asked for."""
    from cds_service.web.dashboard import views  # noqa: PLC0415 - see above

    return views.page()


@blueprint.get("/export/<any(cards, feedback, decisions, unrecognized):what>.<any(csv, ndjson):kind>")
def export(what: str, kind: str) -> Response:
    """Send the rows behind the figures as a file, read and sent part by part."""
    from cds_service.web.dashboard import views  # noqa: PLC0415 - see above

    return views.export(what, kind)


@blueprint.get("/plotly-<number>.js")
def plotly(number: str) -> Response:
    """Send the library that draws the charts, as it is installed; its URL changes with its version."""
    if number != plotly_files.VERSION:
        abort(404)
    response = send_file(plotly_files.script(), mimetype="text/javascript", max_age=_A_YEAR)
    response.cache_control.immutable = True
    return response

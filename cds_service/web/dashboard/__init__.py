"""The dashboard: cards shown, their feedback, and the rows behind the figures as files.

Its routes are here, and plotly.js, which draws its charts; `views.py` is loaded at the first request, as it loads
SQLAlchemy, which no hook call needs.
"""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, abort, send_file

from cds_service.web.services import current_services

blueprint = Blueprint("dashboard", __name__, url_prefix="/dashboard")

PLOTLY_VERSION = version("plotly")

_YEAR = 31_536_000
"""Seconds."""

_STYLE = re.compile(r"""createElement\("style"\);\w+\.id="\w+",\w+\.textContent='([^'\\]*)'""")


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


@blueprint.get("/plotly-<number>.js")
def plotly(number: str) -> Response:
    """Send plotly.js from its package; its URL changes with its version."""
    if number != PLOTLY_VERSION:
        abort(404)
    response = send_file(_plotly_script(), mimetype="text/javascript", max_age=_YEAR)
    response.cache_control.immutable = True
    return response


@cache
def plotly_style_digests() -> tuple[str, ...]:
    """Return the CSP hashes of the inline styles that plotly.js adds to a page.

    One <style> is added empty and filled by script afterwards, and one belongs to maps, which are not drawn here.
    """
    styles = ("", *_STYLE.findall(_plotly_script().read_text(encoding="utf-8")))
    return tuple(f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" for style in styles)


def _plotly_script() -> Path:
    return Path(str(files("plotly") / "package_data" / "plotly.min.js"))

"""What the dashboard shows: its page, and the rows behind the figures as files."""

from collections.abc import Iterator
from typing import Any

from flask import Response, request

from cds_service.errors import StoreUnavailable
from cds_service.store.export import columns, rows
from cds_service.store.period import Period
from cds_service.store.statistics import Statistics, choices, statistics
from cds_service.web.dashboard import plotly_files
from cds_service.web.dashboard.figures import FEW, figures, tiles
from cds_service.web.dashboard.period_form import read_form, shortcuts
from cds_service.web.dashboard.table_files import TYPES, chunks
from cds_service.web.pages import page as rendered
from cds_service.web.services import AppServices, services


def page() -> Response:
    """Show the figures of a period, or what is wrong with the period that was asked for."""
    try:
        with services().dashboard_gate.calling(), services().store.reading() as connection:
            offered = choices(connection)
            form = read_form(request.args, offered, services().clock.today())
            found = statistics(connection, form.period) if form.period else None
    except StoreUnavailable:
        return _page(503)
    return _page(200 if found else 400, form=form, choices=offered, **_told(found))


def export(what: str, kind: str) -> Response:
    """Send the rows behind the figures as a file, read and sent part by part."""
    try:
        with services().dashboard_gate.calling(), services().store.reading() as connection:
            offered = choices(connection)
        form = read_form(request.args, offered, services().clock.today())
        if form.period is None:
            return _page(400, form=form, choices=offered, **_told(None))
        sent = _sent(services(), what, kind, form.period)
        first = next(sent)
    except StoreUnavailable:
        return _page(503)
    name = f"plexus-cds-{what}-{form.period.first}-to-{form.period.last}.{kind}"
    response = Response(_begun(first, sent), content_type=TYPES[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(status: int, **values: Any) -> Response:
    policy = {"style-src": " ".join(("'self'", *plotly_files.style_digests()))}
    response = rendered("dashboard.html", policy=policy, plotly=plotly_files.VERSION, **values)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def _told(found: Statistics | None) -> dict[str, Any]:
    told: dict[str, Any] = {"found": found, "shortcuts": shortcuts(services().clock.today()), "few": FEW}
    if found and not found.is_empty:
        drawn = figures(found, services().knowledge)
        told |= {"tiles": tiles(found), "figures": drawn, "charts": {one.name: one.chart for one in drawn}}
    return told


def _sent(found: AppServices, what: str, kind: str, period: Period) -> Iterator[str]:
    with found.dashboard_gate.calling(), found.store.reading() as connection:
        yield from chunks(kind, columns(what), rows(connection, what, period))


def _begun(first: str, rest: Iterator[str]) -> Iterator[str]:
    """Yield what was read to see whether the store answers at all, and then the rest."""
    yield first
    yield from rest

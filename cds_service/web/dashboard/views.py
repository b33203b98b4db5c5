"""The dashboard's page, and the export of the rows behind its figures."""

from collections.abc import Iterator
from typing import Any

from flask import Response, request

from cds_service.errors import StoreUnavailable
from cds_service.store.export import columns, rows
from cds_service.store.period import Period
from cds_service.store.statistics import Statistics, choices, statistics
from cds_service.web.dashboard.charts import FEW
from cds_service.web.dashboard.figures import figures, tiles
from cds_service.web.dashboard.period_form import read_form, shortcuts
from cds_service.web.dashboard.table_files import TYPES, chunks
from cds_service.web.pages import page as render_page
from cds_service.web.services import AppServices, current_services


def page() -> Response:
    """Show the figures of a period, or what is wrong with the period in the form."""
    services = current_services()
    try:
        with services.dashboard_breaker.calling(), services.store.reading() as connection:
            clients_and_versions = choices(connection)
            form = read_form(request.args, clients_and_versions, services.clock.today())
            results = statistics(connection, form.period) if form.period else None
    except StoreUnavailable:
        return _page(503)
    return _page(200 if results else 400, form=form, choices=clients_and_versions, **_values(services, results))


def export(dataset: str, kind: str) -> Response:
    """Stream the rows behind the figures as a file."""
    services = current_services()
    try:
        with services.dashboard_breaker.calling(), services.store.reading() as connection:
            clients_and_versions = choices(connection)
        form = read_form(request.args, clients_and_versions, services.clock.today())
        if form.period is None:
            return _page(400, form=form, choices=clients_and_versions, **_values(services, None))
        parts = _export_parts(services, dataset, kind, form.period)
        first = next(parts)
    except StoreUnavailable:
        return _page(503)
    name = f"plexus-cds-{dataset}-{form.period.first}-to-{form.period.last}.{kind}"
    response = Response(_chained(first, parts), content_type=TYPES[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(status: int, **values: Any) -> Response:
    response = render_page("dashboard.html", **values)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def _values(services: AppServices, results: Statistics | None) -> dict[str, Any]:
    """Return the values of the page's template."""
    values: dict[str, Any] = {"found": results, "shortcuts": shortcuts(services.clock.today()), "few": FEW}
    if results and not results.is_empty:
        values |= {"tiles": tiles(results), "figures": figures(results, services.knowledge)}
    return values


def _export_parts(services: AppServices, dataset: str, kind: str, period: Period) -> Iterator[str]:
    with services.dashboard_breaker.calling(), services.store.reading() as connection:
        yield from chunks(kind, columns(dataset), rows(connection, dataset, period))


def _chained(first: str, chunks: Iterator[str]) -> Iterator[str]:
    """Yield the part that was read to see whether the store answers at all, and then the rest."""
    yield first
    yield from chunks

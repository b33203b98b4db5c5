"""Health and metrics: `/livez`, `/readyz` and `/metrics`. None of them calls an EHR or holds patient data."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify
from flask.blueprints import BlueprintSetupState

from cds_service import metrics
from cds_service.background import task_queue
from cds_service.decision.order_select import decide
from cds_service.errors import StoreUnavailable
from cds_service.examples import example
from cds_service.model import Pages, Site
from cds_service.store import READY, UNREACHABLE, Store
from cds_service.web.authentication import Authenticator
from cds_service.web.dialects import unmapped_proposals
from cds_service.web.services import AppServices, app_services, current_services

blueprint = Blueprint("health", __name__)

_TIMEOUT = 0.4
"""Seconds: a load balancer's probe often gives up after one."""

_NOT_WRITABLE = "not_writable"


class StoreProbe:
    """Asks the store for its state, one query at a time, and does not wait long for the answer."""

    def __init__(self, store: Store, authenticator: Authenticator | None) -> None:
        self._store, self._authenticator = store, authenticator
        self._pool, self._lock = ThreadPoolExecutor(1, "store-probe"), Lock()
        self._query: Future[str] | None = None

    def state(self) -> str:
        """Return ready, not_migrated, not_writable, or unreachable, which one that does not answer in time is too.

        It is not writable where calls need a token and the replay cache cannot be written: the disk may be full.
        """
        with self._lock:
            if self._query is None or self._query.done():
                self._query = self._pool.submit(self._ask)
            query = self._query
        try:
            return query.result(_TIMEOUT)
        except TimeoutError:
            return UNREACHABLE

    def _ask(self) -> str:
        state = self._store.state()
        if state == READY and self._authenticator:
            try:
                self._authenticator.check_replay_cache()
            except StoreUnavailable:
                return _NOT_WRITABLE
        return state


@blueprint.record_once
def _create_probe(setup: BlueprintSetupState) -> None:
    services = app_services(setup.app)
    setup.app.extensions["plexus_cds_store_probe"] = StoreProbe(services.store, services.authenticator)


@blueprint.after_request
def _no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/livez")
def live() -> Response:
    """Report that the process is alive."""
    return jsonify({"status": "alive"})


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Report whether hook calls can be answered correctly, with the state of rule content, files and store."""
    report = _report()
    return jsonify(report), 503 if "fault" in report else 200


def _report() -> dict[str, Any]:
    services, probe = current_services(), current_app.extensions["plexus_cds_store_probe"]
    site = services.site
    store = probe.state()
    fault = _fault(services, site) or _replay_fault(services, store)
    report: dict[str, Any] = {
        "status": "unready" if fault else "ready",
        "knowledge": services.knowledge.version,
        "card": "off" if site.is_off else "shadow" if site.is_shadow else "on",
        "site_file": services.site_source.file_state,
        "clients_file": services.authenticator.file_state if services.authenticator else "none",
        "store": store,
    }
    if unmapped := _unmapped(services, site):
        report["unmapped"] = unmapped
    return report | ({"fault": fault} if fault else {})


@blueprint.get("/metrics")
def prometheus_metrics() -> Response:
    """Return the metrics in the text format of Prometheus; 404 where they are turned off."""
    if not current_services().features.metrics:
        abort(404)
    task_queue.drain()
    report = _report()
    exposition = metrics.exposition(
        is_ready="fault" not in report,
        is_store_ready=report["store"] == READY,
        invalid_files=(file for file in metrics.FILES if report[file] == "wrong"),
    )
    return Response(exposition, content_type=metrics.CONTENT_TYPE)


def _unmapped(services: AppServices, site: Site) -> list[str]:
    """Return the studies for which a client of the Epic dialect gets no suggestion, if there is such a client."""
    dialects = services.authenticator.dialects if services.authenticator else {None}
    return unmapped_proposals(services.knowledge, site) if "epic" in {name or site.dialect for name in dialects} else []


def _replay_fault(services: AppServices, store: str) -> str:
    """Return the fault that refuses every call, or no text: with authentication, used tokens must be known."""
    return "replay_memory" if services.authenticator and store != READY else ""


def _fault(services: AppServices, site: Site) -> str:
    """Return the kind of exception that a hook call would meet, or no text: the sample patient's call is decided."""
    today = services.clock.today()
    try:
        decide(
            example("calls", "article", today),
            "order-select",
            services.knowledge,
            site,
            today=today,
            fetch=lambda _, searches: [Pages() for _ in searches],
            new_id=services.new_id,
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, calls would meet it too
        return type(error).__name__
    return ""

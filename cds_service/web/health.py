"""Health and metrics: `/livez`, `/readyz` and `/metrics`. None of them calls an EHR or holds patient data."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify
from flask.blueprints import BlueprintSetupState

from cds_service import metrics
from cds_service.background import task_queue
from cds_service.decision.order_select import decide
from cds_service.examples import example
from cds_service.model import Pages, Site
from cds_service.store import READY, UNREACHABLE, Store
from cds_service.web.services import AppServices, services

blueprint = Blueprint("health", __name__)

_PATIENCE = 0.4
"""Seconds: a probe has given up after one."""


class StoreProbe:
    """Asks the store how it is, one question at a time, and does not wait long for the answer."""

    def __init__(self, store: Store) -> None:
        self._store, self._pool, self._lock = store, ThreadPoolExecutor(1, "store-probe"), Lock()
        self._asked: Future[str] | None = None

    def state(self) -> str:
        """Return ready, not_migrated, or unreachable, which a store that does not answer in time is too."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = self._pool.submit(self._store.state)
            asked = self._asked
        try:
            return asked.result(_PATIENCE)
        except TimeoutError:
            return UNREACHABLE


@blueprint.record_once
def _probe(setup: BlueprintSetupState) -> None:
    found: AppServices = setup.app.extensions["plexus_cds"]
    setup.app.extensions["plexus_cds_store_probe"] = StoreProbe(found.store)


@blueprint.after_request
def _no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/livez")
def live() -> Response:
    """Say that the process answers."""
    return jsonify({"status": "alive"})


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Say whether hook calls can be answered rightly, and what else an operator wants to know."""
    found, probe = services(), current_app.extensions["plexus_cds_store_probe"]
    site = found.site
    store = probe.state()
    fault = _fault(found, site) or _replay_fault(found, store)
    told: dict[str, Any] = {
        "status": "unready" if fault else "ready",
        "knowledge": found.knowledge.version,
        "card": "off" if site.is_off else "shadow" if site.is_shadow else "on",
        "site_file": found.source.file_state,
        "clients_file": found.callers.file_state if found.callers else "none",
        "store": store,
    }
    return jsonify(told | ({"fault": fault} if fault else {})), 503 if fault else 200


@blueprint.get("/metrics")
def measured() -> Response:
    """Answer Prometheus, where the site lets it ask."""
    if not services().features.metrics:
        abort(404)
    task_queue.drain()
    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


def _replay_fault(found: AppServices, store: str) -> str:
    """Return what would refuse every call, or no text: where tokens are asked for, used ones must be known."""
    return "replay_memory" if found.callers and store != READY else ""


def _fault(found: AppServices, site: Site) -> str:
    """Return the kind of fault that a call would meet, or no text: the article's call is decided to find out."""
    today = found.clock.today()
    try:
        decide(
            example("calls", "article", today),
            "order-select",
            found.knowledge,
            site,
            today=today,
            fetch=lambda _, searches: [Pages() for _ in searches],
            new_id=found.new_id,
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, calls would meet it too
        return type(error).__name__
    return ""

"""The Flask application, built from settings and knowledge."""

import gc
import re
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from flask_cors import CORS

from cds_service import metrics, watched_file
from cds_service.background import end_with_parent, task_queue
from cds_service.clock import SYSTEM_CLOCK, Clock
from cds_service.config.settings import Settings, read_settings
from cds_service.config.site_file import SiteSource
from cds_service.egress_policy import FetchLimits
from cds_service.errors import PlexusError
from cds_service.knowledge import Knowledge
from cds_service.logs import log_event, log_fault, log_in_background
from cds_service.store import CircuitBreaker, DismissalLookup, Recorder, Store
from cds_service.validation_stamp import checked_knowledge
from cds_service.web import (
    body_drain,
    call_log,
    compression,
    dashboard,
    discovery,
    error_handlers,
    fast_path,
    feedback,
    health,
    hooks,
    middleware,
    openapi,
    pages,
    playground,
    recording,
    services,
)
from cds_service.web.authentication import Authenticator
from cds_service.web.services import AppServices, FeatureFlags, PrivacyOptions, RandomIds

if TYPE_CHECKING:
    from cds_service.web.traces import Traces

_GC_THRESHOLD = 50_000
"""Objects: a chart of 1,500 entries has about as many; the default is 700."""

_LOCAL_ORIGINS = (r"https://sandbox\.cds-hooks\.org\Z", r"http://(localhost|127\.0\.0\.1)(:\d+)?\Z")
"""In development mode the Sandbox and pages on this machine may call."""


def create_app(
    settings: Settings,
    knowledge: Knowledge | None = None,
    *,
    clock: Clock = SYSTEM_CLOCK,
    new_id: Callable[[], str] | None = None,
) -> Flask:
    """Return the application, or raise KnowledgeError where the knowledge contradicts itself."""
    app = Flask("cds_service.web")
    app.url_map.merge_slashes = False  # another spelling of a URL is not found; nothing is redirected
    app.json.sort_keys = False  # type: ignore[attr-defined]  # a card reads from its summary down
    app_services = _services(settings, knowledge or checked_knowledge(), clock, new_id or RandomIds())
    services.install(app, app_services)
    for module in (discovery, hooks, feedback, health, pages, openapi, playground, dashboard):
        app.register_blueprint(module.blueprint)
    error_handlers.register(app)
    call_log.prepare_metrics(app)
    pipeline = middleware.build_pipeline(app_services, settings)
    middleware.install(app, pipeline)
    _allow_origins(app, settings)
    compression.install(app)
    if settings.fast_path:
        fast_path.install(app, pipeline)
    app.wsgi_app = body_drain.install(  # type: ignore[assignment, method-assign]
        app.wsgi_app, app_services.body_limit, pipeline.release_early
    )
    return app


def _services(settings: Settings, knowledge: Knowledge, clock: Clock, new_id: Callable[[], str]) -> AppServices:
    store = Store(settings.store_url.get_secret_value(), patience=1)
    return AppServices(
        knowledge=knowledge,
        site_source=SiteSource(settings, knowledge),
        authenticator=Authenticator(settings, clock) if settings.clients_file else None,
        fhir_servers=settings.fhir_servers,
        fetch_limits=limits_of(settings),
        clock=clock,
        new_id=new_id,
        body_limit=settings.body_megabytes * 1024 * 1024,
        body_depth=settings.body_depth,
        store=store,
        recorder=Recorder(store),
        feedback_breaker=CircuitBreaker("feedback", settings.threads // 2),
        dashboard_breaker=CircuitBreaker("dashboard", settings.threads // 4),
        dismissals=DismissalLookup(store, clock, settings.threads),
        privacy=PrivacyOptions(settings.store_comments, settings.patient_key.get_secret_value()),
        features=FeatureFlags(
            playground=settings.development or settings.playground,
            dashboard=settings.development or settings.dashboard,
            metrics=settings.metrics,
        ),
        traces=_traces(knowledge) if settings.traces else None,
    )


def _traces(knowledge: Knowledge) -> "Traces":
    from cds_service.web.traces import Traces  # noqa: PLC0415 - an extra

    return Traces(knowledge.version)


def limits_of(settings: Settings) -> FetchLimits:
    """Return the limits of reading one record from a FHIR server."""
    return FetchLimits(settings.fetch_seconds, settings.fetch_megabytes, settings.fetch_pages, settings.ca_file)


def app_from_environment() -> Flask:
    """Return the application as each worker process of the server builds it, or log why not and end the process.

    A terminal's Ctrl-C reaches the workers, too, but the server stops them: a worker that gets both signals can hang.
    """
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    log_in_background()
    try:
        task_queue.start()
        end_with_parent(_remove_temporary_folders)
        app = create_app(read_settings())
        recording.flush_at_exit(app)
    except PlexusError as error:
        log_event("error", "startup_failed", error=str(error))
        raise SystemExit(1) from None
    except Exception as error:  # noqa: BLE001 - each line of the log is JSON, and a traceback is not
        log_fault(error, "startup_failed")
        raise SystemExit(1) from None
    tune_garbage_collector()
    return app


def _remove_temporary_folders() -> None:
    metrics.remove_temporary_folder()
    watched_file.remove_shared_folder()


def tune_garbage_collector() -> None:
    """Exclude the knowledge from garbage collection, and collect rarely: calls leave no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


def _allow_origins(app: Flask, settings: Settings) -> None:
    """Answer preflights, which come without authentication (requirement X-21)."""
    app.after_request(_vary_by_origin)  # it runs after that of Flask-CORS, which may have said so already
    listed = (re.escape(origin.rstrip("/")) + r"\Z" for origin in settings.allowed_origins)
    local = _LOCAL_ORIGINS if settings.development else ()
    CORS(
        app,
        resources=r"/cds-services.*",
        origins=[re.compile(origin) for origin in (*listed, *local)],
        methods=["GET", "POST", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type"],
        allow_private_network=settings.development,
        max_age=600,
    )


def _vary_by_origin(response: Response) -> Response:
    """Say that an answer depends on the Origin, also where none was sent: a cache would serve it to all."""
    if request.path.startswith("/cds-services"):
        response.vary.add("Origin")
    return response

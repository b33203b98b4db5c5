"""The Flask application, built from settings and knowledge."""

import gc
import re
import signal
import sys
from collections.abc import Callable
from functools import partial

from flask import Flask
from flask_cors import CORS

from cds_service.background import task_queue
from cds_service.clock import SYSTEM_CLOCK, Clock
from cds_service.config.settings import Settings, read_settings
from cds_service.config.site_file import SiteSource
from cds_service.egress_policy import FetchLimits
from cds_service.knowledge import Knowledge
from cds_service.logs import log_in_background
from cds_service.store import CircuitBreaker, Recorder, Store
from cds_service.validation_stamp import checked_knowledge
from cds_service.web import (
    authentication,
    call_log,
    dashboard,
    discovery,
    error_handlers,
    feedback,
    health,
    hooks,
    openapi,
    pages,
    playground,
    rate_limiter,
    recording,
)
from cds_service.web.authenticator import Authenticator
from cds_service.web.card_ids import CardIds
from cds_service.web.middleware import Door, Passage, straight, through_flask
from cds_service.web.request_context import Answer, RequestContext
from cds_service.web.services import AppServices, FeatureFlags, PrivacyOptions

_OBJECTS_BETWEEN_LOOKS = 50_000
"""A chart of 1,500 entries has about as many; by default the collector looks after each 700."""

_LOCAL_ORIGINS = (r"https://sandbox\.cds-hooks\.org\Z", r"http://(localhost|127\.0\.0\.1)(:\d+)?\Z")
"""In development mode the Sandbox and pages on this machine may call."""


def create_app(
    settings: Settings,
    knowledge: Knowledge | None = None,
    *,
    clock: Clock = SYSTEM_CLOCK,
    new_id: Callable[[], str] | None = None,
) -> Flask:
    """Return the application; KnowledgeError stops a start with knowledge that contradicts itself."""
    knowledge = knowledge or checked_knowledge()
    store = Store(settings.store_url.get_secret_value(), patience=1)
    app = Flask("cds_service.web")
    app.url_map.merge_slashes = False  # another spelling of an address is no address; nothing is redirected
    app.json.sort_keys = False  # type: ignore[attr-defined]  # a card reads from its summary down
    app.extensions["plexus_cds"] = AppServices(
        knowledge=knowledge,
        source=SiteSource(settings, knowledge),
        callers=Authenticator(settings, clock) if settings.clients_file else None,
        fhir_servers=settings.fhir_servers,
        fetch_limits=limits_of(settings),
        clock=clock,
        new_id=new_id or CardIds(),
        body_limit=settings.body_megabytes * 1024 * 1024,
        body_depth=settings.body_depth,
        store=store,
        recorder=Recorder(store),
        feedback_gate=CircuitBreaker(settings.threads // 2),
        dashboard_gate=CircuitBreaker(settings.threads // 4),
        privacy=PrivacyOptions(settings.store_comments, settings.patient_key.get_secret_value()),
        features=FeatureFlags(
            playground=settings.development or settings.playground,
            dashboard=settings.development or settings.dashboard,
            metrics=settings.metrics,
        ),
    )
    _register(app, settings)
    return app


def _register(app: Flask, settings: Settings) -> None:
    """Let the application answer what comes through Flask, and hook calls without it."""
    for part in (discovery, hooks, feedback, health, pages, openapi, playground, dashboard):
        app.register_blueprint(part.blueprint)
    error_handlers.register(app)
    call_log.prepare_metrics(app)
    found: AppServices = app.extensions["plexus_cds"]
    passage = _passage(found, settings)
    through_flask(app, passage)
    _allow_origins(app, settings)

    def answered(call: RequestContext, service: str) -> Answer:
        return hooks.answered(app.extensions["plexus_cds"], call, service)

    app.wsgi_app = straight(app.wsgi_app, passage, answered, found.hooks)  # type: ignore[method-assign,assignment]


def _passage(found: AppServices, settings: Settings) -> Passage:
    """Return the doors of each call, in this order, and what is noted of it."""
    places = rate_limiter.ConcurrencyLimiter(settings.threads, found.clock)
    doors: list[Door] = [places.enter]
    if found.callers:
        doors.append(authentication.authentication(found.callers, found.clock))
    elif found.features.playground:
        doors.insert(0, playground.name_its_calls)
    if found.callers or settings.calls_per_minute:
        doors.append(rate_limiter.calls_per_minute(settings.calls_per_minute, found.clock))
    return Passage(tuple(doors), places.leave, (partial(recording.record_cards, found), call_log.call_logger(found)))


def limits_of(settings: Settings) -> FetchLimits:
    """Return what reading one record may cost, and whom it may trust."""
    return FetchLimits(settings.fetch_seconds, settings.fetch_megabytes, settings.fetch_pages, settings.ca_file)


def app_from_environment() -> Flask:
    """Return the application as each worker of the server builds it.

    A terminal's Ctrl-C reaches the workers, too, but the server tells them to stop: told twice, one can wait for ever.
    """
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    log_in_background()
    task_queue.start()
    app = create_app(read_settings())
    recording.flush_at_exit(app)
    _look_seldom_for_garbage()
    return app


def _look_seldom_for_garbage() -> None:
    """Let the collector pass over what stays for good, and wait for more than a large chart: calls leave no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)


def _allow_origins(app: Flask, settings: Settings) -> None:
    """Answer preflights, which come without authentication (requirement X-21)."""
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

"""The services that the views work with, created once for each application and kept in `app.extensions`."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from flask import Flask, current_app
from flask.sansio.app import App

from cds_service.clock import Clock
from cds_service.config.site_file import SiteSource
from cds_service.egress_policy import FetchLimits
from cds_service.errors import UnknownService
from cds_service.knowledge import Knowledge
from cds_service.model import Site
from cds_service.store import CircuitBreaker, DismissalLookup, Recorder, Store
from cds_service.web.authentication import Authenticator

if TYPE_CHECKING:
    from cds_service.web.traces import Traces

_EXTENSION = "plexus_cds"
_RANDOM_BYTES = 4096


@dataclass(frozen=True, slots=True)
class FeatureFlags:
    """The optional pages that the site turned on."""

    playground: bool
    dashboard: bool
    metrics: bool


@dataclass(frozen=True, slots=True)
class PrivacyOptions:
    """What the site lets the store keep that is, or is derived from, patient data."""

    comments: bool
    patient_key: str = field(repr=False)


@dataclass(frozen=True)
class AppServices:
    """The knowledge, and everything that a pure decision is given from outside."""

    knowledge: Knowledge
    site_source: SiteSource
    authenticator: Authenticator | None
    """None where anyone who reaches the service may call."""
    fhir_servers: tuple[str, ...]
    """Those that may be searched for any caller; with an authenticator, each client has its own."""
    fetch_limits: FetchLimits
    clock: Clock
    new_id: Callable[[], str]
    body_limit: int
    """Bytes."""
    body_depth: int
    store: Store
    recorder: Recorder
    feedback_breaker: CircuitBreaker
    dashboard_breaker: CircuitBreaker
    """Two, so that exports, which take their time, do not keep feedback out."""
    dismissals: DismissalLookup
    privacy: PrivacyOptions
    features: FeatureFlags
    traces: "Traces | None"
    """None where calls are not traced."""

    @property
    def site(self) -> Site:
        """Return the site configuration in force at this moment."""
        return self.site_source.current(self.clock.today())

    @cached_property
    def hooks(self) -> dict[str, str]:
        """Return the hook of each service id; the Sandbox keys services by URL, so each hook has its own."""
        return hooks_of(self.knowledge)

    def hook_of(self, service_id: str) -> str:
        """Return the hook of a service, or raise UnknownService."""
        if service_id not in self.hooks:
            message = f"Unknown service. Available services: {', '.join(self.hooks)}."
            raise UnknownService(message)
        return self.hooks[service_id]


def hooks_of(knowledge: Knowledge) -> dict[str, str]:
    """Return the hook of each service id of a card."""
    names = [trigger["name"] for action in knowledge.plan["action"] for trigger in action["trigger"]]
    return {f"{knowledge.card_id}-{name}": name for name in names}


class RandomIds:
    """Makes the random UUIDs (version 4) of cards and suggestions.

    uuid.uuid4 asks the operating system for each, which hands the interpreter to another thread; this asks for many.
    """

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def __call__(self) -> str:
        """Return a new UUID."""
        try:
            block = self._blocks.pop()
        except IndexError:
            random = os.urandom(_RANDOM_BYTES)
            block, *blocks = [random[start : start + 16] for start in range(0, _RANDOM_BYTES, 16)]
            self._blocks.extend(blocks)
        return str(UUID(bytes=block, version=4))


def install(app: Flask, services: AppServices) -> None:
    """Keep the services on the application."""
    app.extensions[_EXTENSION] = services


def app_services(app: App) -> AppServices:
    """Return the services of an application."""
    services: AppServices = app.extensions[_EXTENSION]
    return services


def current_services() -> AppServices:
    """Return the services of the application that answers the current request."""
    return app_services(current_app)

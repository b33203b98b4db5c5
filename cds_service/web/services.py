"""What the views work with, kept on the application."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from flask import current_app

from cds_service.clock import Clock
from cds_service.config.site_file import SiteSource
from cds_service.egress_policy import FetchLimits
from cds_service.errors import UnknownService
from cds_service.knowledge import Knowledge
from cds_service.model import Site
from cds_service.store import CircuitBreaker, Recorder, Store
from cds_service.web.authenticator import Authenticator


@dataclass(frozen=True, slots=True)
class FeatureFlags:
    """What the site lets others see, beside the page behind the card."""

    playground: bool
    dashboard: bool
    metrics: bool


@dataclass(frozen=True, slots=True)
class PrivacyOptions:
    """What the site lets the store keep that is, or comes from, patient data."""

    comments: bool
    patient_key: str = field(repr=False)


@dataclass(frozen=True)
class AppServices:
    """The knowledge, and what a pure decision is given from outside."""

    knowledge: Knowledge
    source: SiteSource
    callers: Authenticator | None
    """Who may call, or None where anyone may who reaches the service."""
    fhir_servers: tuple[str, ...]
    """Those that may be read for anyone; each of the callers has its own."""
    fetch_limits: FetchLimits
    clock: Clock
    new_id: Callable[[], str]
    body_limit: int
    body_depth: int
    store: Store
    recorder: Recorder
    feedback_gate: CircuitBreaker
    dashboard_gate: CircuitBreaker
    """Two, so that exports, which take their time, do not keep feedback out."""
    privacy: PrivacyOptions
    features: FeatureFlags

    @property
    def site(self) -> Site:
        """Return the site as it is at this moment."""
        return self.source.current(self.clock.today())

    @cached_property
    def hooks(self) -> dict[str, str]:
        """Return the hook of each service id; the Sandbox keys services by URL, so each hook has its own."""
        plan = self.knowledge.plan
        names = [trigger["name"] for action in plan["action"] for trigger in action["trigger"]]
        return {f"{plan['id']}-{name}": name for name in names}

    def hook_of(self, service: str) -> str:
        """Return the hook that a service answers, or raise UnknownService."""
        if service not in self.hooks:
            message = f"There is no such service. There are: {', '.join(self.hooks)}."
            raise UnknownService(message)
        return self.hooks[service]


def services() -> AppServices:
    """Return the parts of the application that answers the present call."""
    found: AppServices = current_app.extensions["plexus_cds"]
    return found

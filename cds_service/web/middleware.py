"""The request pipeline: what a request passes through on its way to an answer, in this order.

1. Guards, each of which lets the request pass or raises a CallError: concurrency limit, authentication (or, without
   clients, the check of the Host header), rate limit; and the mark of a trial.
2. The view: `hooks.py` for a hook call. An error becomes its answer in `error_handlers.py`.
3. After-request hooks: record the cards that were shown, summarize the call for log and metrics.
4. Release of the concurrency slot, whatever happened.

`install` registers the pipeline with Flask; `fast_path.py` runs the same pipeline for hook calls without Flask.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask, Response, g

from cds_service.config.settings import Settings
from cds_service.logs import log_fault
from cds_service.web import call_log, recording, trials
from cds_service.web.authentication import AuthenticationGuard
from cds_service.web.host_check import HostGuard
from cds_service.web.rate_limiter import ConcurrencyLimiter, RateLimiter
from cds_service.web.request_context import CONTEXT, RequestContext, begin_request, current_request
from cds_service.web.services import AppServices

Guard = Callable[[RequestContext], None]
"""Lets a request pass, or raises why not."""

AfterRequestHook = Callable[[RequestContext, int], None]
"""Called with a request and the status of its answer."""


@dataclass(frozen=True, slots=True)
class RequestPipeline:
    """The guards and after-request hooks in their order, and what is done at the end of each request."""

    guards: tuple[Guard, ...]
    after_request: tuple[AfterRequestHook, ...]
    release: Callable[[RequestContext], None]

    def release_early(self, environ: dict[str, Any]) -> None:
        """Release the slot of a request that Flask answers before the end of the request; the fast path has done so."""
        if context := environ.get(CONTEXT):
            self.release(context)

    def run_after_request(self, context: RequestContext, status: int) -> None:
        """Run all after-request hooks; an exception in one is logged by its kind, and the answer still goes out."""
        for hook in self.after_request:
            try:
                hook(context, status)
            except Exception as error:  # noqa: BLE001 - whatever it is, the clinician gets the answer
                log_fault(error)


def build_pipeline(services: AppServices, settings: Settings) -> RequestPipeline:
    """Return the pipeline that every request takes; a guard added here applies to Flask and to the fast path."""
    concurrency = ConcurrencyLimiter(settings.threads, services.clock)
    guards: list[Guard] = [concurrency.acquire]
    if services.authenticator:
        guards.append(AuthenticationGuard(services.authenticator, services.clock))
    else:
        guards.append(HostGuard(settings))
    if services.features.playground and not services.authenticator:
        guards.insert(0, trials.mark_playground_calls)
    guards.append(trials.mark_doctor_calls)
    if services.traces:
        from cds_service.web import traces  # noqa: PLC0415 - an extra

        guards.insert(0, traces.begin)
    if services.authenticator or settings.calls_per_minute:
        guards.append(RateLimiter(settings.calls_per_minute, services.clock))
    after_request = (partial(recording.record_cards, services), call_log.call_logger(services))
    return RequestPipeline(tuple(guards), after_request, concurrency.release)


def install(app: Flask, pipeline: RequestPipeline) -> None:
    """Register the pipeline with Flask, for every request that Flask answers."""

    def after_request(response: Response) -> Response:
        pipeline.run_after_request(current_request(), response.status_code)
        return response

    def release(_error: BaseException | None) -> None:
        if "request_context" in g:
            pipeline.release(current_request())

    app.before_request(begin_request)
    for guard in pipeline.guards:
        app.before_request(_before_request(guard))
    app.after_request(after_request)
    app.teardown_request(release)


def _before_request(guard: Guard) -> Callable[[], None]:
    return lambda: guard(current_request())

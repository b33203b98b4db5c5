"""What is logged and counted of each call of a service: fixed lists of fields, none of which can hold patient data."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Flask

from cds_service import metrics
from cds_service.background import task_queue
from cds_service.logs import LogThrottle, is_logged, log_events
from cds_service.model import PREFETCH_KEYS, Retrieval
from cds_service.store.period import PLAYGROUND
from cds_service.web import recording
from cds_service.web.authentication import CHECKS
from cds_service.web.call_summary import CallSummary, summarize
from cds_service.web.request_context import RequestContext
from cds_service.web.services import AppServices, current_services

_NOT_STORED = ("store", "fault")
"""Outcomes of feedback that is not stored, or only in part: a fault of ours costs as much as a store that is down."""

_NEED_NO_TOKEN = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""Anyone may call a path without a service, so the lines on such calls are throttled."""

_LOG_BURST = 60
"""Lines on them: a minute's, and then one a second."""


def prepare_metrics(app: Flask) -> None:
    """Let every series begin at 0: a rate misses the first event of one that begins later."""
    with app.app_context():
        services = current_services()
        knowledge, hooks, now = services.knowledge, services.hooks, services.clock.now()
    metrics.prepare(
        services=hooks,
        studies=knowledge.watched,
        reasons=knowledge.silences,
        indicators={row.indicator for row in knowledge.decision_table.values()},
        keys=PREFETCH_KEYS,
        checks=CHECKS,
        version=knowledge.version,
        started=now.timestamp(),
    )


def call_logger(services: AppServices) -> Callable[[RequestContext, int], None]:
    """Return what logs, counts and records each call of a service; preflights, discovery and pages are none."""
    log_throttle = LogThrottle(services.clock, _LOG_BURST)
    process, traces = partial(_process, services, log_throttle), services.traces

    def log_call(context: RequestContext, status: int) -> None:
        """Summarize a call that was answered; the rest is done when its answer is out."""
        if not context.path.startswith("/cds-services/") or context.method == "OPTIONS":
            return
        summary = summarize(services.clock, context, status)
        is_feedback = context.path.endswith("/feedback")
        if is_feedback:
            _process_feedback(summary, log_throttle)
        else:
            task_queue.submit(process, summary)
        if traces:
            task_queue.submit(traces.record_feedback if is_feedback else traces.record_calls, summary)

    return log_call


def _process(services: AppServices, log_throttle: LogThrottle, calls: list[CallSummary]) -> None:
    """Count, log and record calls whose answers are out."""
    count_calls([call for call in calls if call.client != PLAYGROUND])
    for call in calls:
        if call.client == PLAYGROUND:
            count_trial(call.outcome, is_feedback=False)
    if is_logged("info"):
        version = services.knowledge.version
        log_events(
            "info",
            "call",
            (entry for call in calls for entry in _log_entries(call, _call_fields(call, version), log_throttle)),
        )
    recording.record_decisions(services, calls)


def _process_feedback(call: CallSummary, log_throttle: LogThrottle) -> None:
    """Count and log feedback; what was read has a line already."""
    if call.client == PLAYGROUND:
        count_trial(call.outcome, is_feedback=True)
    else:
        count_feedback(call.status, call.outcome, call.reports)
    log_events("info", "feedback", _log_entries(call, _refused_feedback_fields(call), log_throttle))


def _log_entries(
    call: CallSummary, fields: dict[str, Any], log_throttle: LogThrottle
) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Yield what is logged of a call, unless it has a line already or is one of many that anyone can send."""
    if call.has_own_line:
        return
    if call.status not in _NEED_NO_TOKEN:
        yield call.at, fields
        return
    suppressed = log_throttle.pass_one(call.outcome)
    if suppressed is not None:
        yield call.at, {**fields, "suppressed": suppressed}


def _call_fields(call: CallSummary, version: str) -> dict[str, Any]:
    """Return what is logged of a hook call."""
    phases = {phase: round(seconds * 1000, 1) for phase, seconds in call.seconds.items()}
    fetched = call.retrieval.fetched if call.retrieval else {}
    return {
        "service": call.service,
        "hook": call.hook,
        "client": call.client,
        "status": call.status,
        "outcome": call.outcome,
        "reasons": call.reasons,
        "against": call.against,
        "counts": call.counts or {},
        "unmapped": call.unmapped,
        "unrecognized": [
            {"resource": resource, "system": system, "count": count} for resource, system, count in call.unrecognized
        ],
        "prefetch": call.retrieval.prefetched if call.retrieval else {},
        "fetch": {key: fault.label if fault else "read" for key, fault in fetched.items()},
        "duration_ms": phases.pop("total"),
        "phases_ms": phases,
        "knowledge": version,
    } | ({"error": call.fault} if call.fault else {})


def _refused_feedback_fields(call: CallSummary) -> dict[str, Any]:
    """Return what is logged of feedback that could not be read."""
    reason = call.outcome if call.outcome != "not_a_call" else "not_feedback"
    return {"service": call.service, "client": call.client, "status": call.status, "reason": reason}


def count_calls(calls: Sequence[CallSummary]) -> None:
    """Count calls, the decisions on their orders, and how their records were had; those that are alike together.

    The phases are timed where a record was read: the many calls that need none would hide how long the others take.
    """
    for (service, outcome), times in Counter((call.service, call.outcome) for call in calls).items():
        metrics.call(service, outcome, times)
    decisions = Counter(decision for call in calls for decision in call.decisions)
    for (study, outcome, reason), times in decisions.items():
        metrics.decision(study or "none", outcome, reason, times)
    for call in calls:
        needs_no_record = call.decisions and call.counts is None
        metrics.phases({"total": call.seconds["total"]} if needs_no_record else call.seconds)
    for call in calls:
        for resource, _, count in call.unrecognized:
            metrics.unrecognized(resource, count)
    _count_retrievals([call.retrieval for call in calls if call.retrieval])


def count_feedback(status: int, outcome: str, reports: Mapping[str, int]) -> None:
    """Count the reports of feedback that were kept by their outcome, and the refused call that brought them."""
    for report_outcome, count in reports.items():
        metrics.feedback(report_outcome, count)
    if status != HTTPStatus.OK:
        metrics.feedback("refused")
    if outcome in _NOT_STORED:
        metrics.store_failure("feedback")


def count_trial(outcome: str, *, is_feedback: bool) -> None:
    """Count a trial, a call or feedback, which no other figure has; a store that fails is no trial."""
    metrics.trial("feedback" if is_feedback else outcome)
    if is_feedback and outcome in _NOT_STORED:
        metrics.store_failure("feedback")


def _count_retrievals(retrievals: Sequence[Retrieval]) -> None:
    prefetched = Counter(item for retrieval in retrievals for item in retrieval.prefetched.items())
    for (key, state), times in prefetched.items():
        metrics.prefetch(key, state, times)
    fetched = Counter(item for retrieval in retrievals for item in retrieval.fetched.items())
    for (key, fault), times in fetched.items():
        metrics.fetch(key, fault, times)

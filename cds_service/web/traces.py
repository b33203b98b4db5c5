"""OpenTelemetry spans of calls, an optional extra; no other module imports opentelemetry.

A span is made of the call's summary when its answer is out, and sent by a thread of the SDK, so that no collector can
delay or fail a call. Its attributes are those of ATTRIBUTES and no others, so that no patient data can come in. Of the
caller's trace context (W3C) only `traceparent` is taken over: `tracestate` is free text.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from multiprocessing import util
from threading import Thread
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cds_service import __version__
from cds_service.logs import log_event
from cds_service.model import PREFETCH_KEYS
from cds_service.web.call_summary import CallSummary
from cds_service.web.request_context import Interval, RequestContext

_COUNTS = ("cards", "skipped", "other_patient", "not_sent", "unread", "ignored_keys", *PREFETCH_KEYS)

ATTRIBUTES = frozenset(
    (
        "http.response.status_code",
        *(f"plexus_cds.{name}" for name in ("service", "hook", "client", "outcome", "reasons", "against", "knowledge")),
        *(f"plexus_cds.count.{name}" for name in _COUNTS),
        *(f"plexus_cds.prefetch.{key}" for key in PREFETCH_KEYS),
        *(f"plexus_cds.feedback.{name}" for name in ("accepted", "overridden", "unusable", "repeated")),
        *(f"plexus_cds.search.{name}" for name in ("key", "outcome", "pages")),
    )
)
"""All attributes that a span can have; docs/operations.md describes them."""

_NANOSECONDS = 1_000_000_000
_PATIENCE = 1.0
"""Seconds that the end of the process waits for the collector."""

logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
"""Its own lines are no JSON; what matters of them is an event of ours."""


def begin(context: RequestContext) -> None:
    """Let the phases of a request be noted, and its caller's trace; a guard that refuses nothing."""
    context.stopwatch.timeline = []
    context.traceparent = context.environ.get("HTTP_TRACEPARENT", "")


class Traces:
    """Sends spans to a collector of the OTLP protocol, which the OTEL_... variables name."""

    def __init__(self, version: str) -> None:
        """Start the thread that sends; `version` is that of the knowledge."""
        own_resource = Resource({"service.name": "plexus-cds", "service.version": __version__})
        self._provider = TracerProvider(
            resource=own_resource.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(_LoggingExporter(OTLPSpanExporter())))
        self._tracer, self._version = self._provider.get_tracer("plexus_cds"), version
        self._context = TraceContextTextMapPropagator()
        util.Finalize(None, self.close, exitpriority=0)  # after the tasks; the server's workers end without atexit

    def record_calls(self, calls: Iterable[CallSummary]) -> None:
        """Make a span of each call whose answer is out, with a child for each of its phases."""
        for call in calls:
            retrieval, counts = call.retrieval, call.counts or {}
            self._record(
                call,
                call.hook,
                {
                    "plexus_cds.reasons": call.reasons,
                    "plexus_cds.against": call.against,
                    "plexus_cds.knowledge": self._version,
                    **{f"plexus_cds.count.{name}": count for name, count in counts.items()},
                    **_prefixed("plexus_cds.prefetch.", retrieval.prefetched if retrieval else {}),
                },
            )

    def record_feedback(self, calls: Iterable[CallSummary]) -> None:
        """Make a span of each request with feedback."""
        for call in calls:
            self._record(
                call, "feedback", {f"plexus_cds.feedback.{name}": count for name, count in call.reports.items()}
            )

    def close(self) -> None:
        """Send what is left, but wait for the collector no longer than a moment."""
        thread = Thread(target=self._provider.shutdown, daemon=True)
        thread.start()
        thread.join(_PATIENCE)

    def _record(self, call: CallSummary, name: str, attributes: Mapping[str, Any]) -> None:
        end = int(call.at.timestamp() * _NANOSECONDS)
        start = end - int(call.seconds["total"] * _NANOSECONDS)
        common = {
            "http.response.status_code": call.status,
            "plexus_cds.service": call.service,
            "plexus_cds.hook": call.hook,
            "plexus_cds.client": call.client,
            "plexus_cds.outcome": call.outcome,
        }
        span = self._tracer.start_span(
            f"cds-hooks {name}",
            self._context.extract({"traceparent": call.traceparent}),
            SpanKind.SERVER,
            _allowed({**common, **attributes}),
            start_time=start,
        )
        if call.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
        if span.is_recording():
            for interval in call.timeline:
                self._record_child(span, interval, start)
        span.end(end)

    def _record_child(self, parent: Span, interval: Interval, start: int) -> None:
        child = self._tracer.start_span(
            interval.name,
            set_span_in_context(parent),
            SpanKind.CLIENT if interval.is_remote else SpanKind.INTERNAL,
            _allowed({f"plexus_cds.search.{name}": value for name, value in interval.details.items()}),
            start_time=start + int(interval.began * _NANOSECONDS),
        )
        child.end(start + int(interval.ended * _NANOSECONDS))


class _LoggingExporter(SpanExporter):
    """Logs once when a collector begins to fail, without what it answered; the spans are lost."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter, self._fails = exporter, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            log_event("warning", "traces_not_sent", lost=len(spans))
        self._fails = fails
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _prefixed(prefix: str, words: Mapping[str, object]) -> dict[str, str]:
    return {f"{prefix}{name}": str(word) for name, word in words.items()}


def _allowed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that a span can have; without those that are empty."""
    return {name: value for name, value in attributes.items() if name in ATTRIBUTES and value not in ("", ())}

"""A collector of OpenTelemetry spans: a real OTLP receiver over HTTP, on a free port of this machine."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE = 30.0
"""Seconds, for what a busy machine does late."""


@dataclass
class Collector:
    """What arrived so far."""

    port: int
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    status: int = 200
    """What each request is answered."""

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that send spans here, at once."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def spans(self) -> list[Span]:
        """Return the spans."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def calls(self) -> list[Span]:
        """Return the spans of requests, in the order of their ends."""
        return sorted((span for span in self.spans() if span.kind == Span.SPAN_KIND_SERVER), key=ended)

    def parts(self, call: Span) -> list[Span]:
        """Return the children of a span, in the order of their ends."""
        return sorted((span for span in self.spans() if span.parent_span_id == call.span_id), key=ended)

    def wait_for(self, number: int) -> list[Span]:
        """Return the spans of requests once there are so many."""
        end = time.monotonic() + PATIENCE
        while len(self.calls()) < number:
            assert time.monotonic() < end, f"{len(self.calls())} of {number} spans arrived"
            time.sleep(0.05)
        return self.calls()


def ended(span: Span) -> int:
    """Return when a span ended."""
    return span.end_time_unix_nano


def attributes(span: Span) -> dict:
    """Return the attributes of a span, lists as tuples."""
    return {item.key: _value(item.value) for item in span.attributes}


def _value(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    return getattr(value, kind)


@contextmanager
def collector() -> Iterator[Collector]:
    """Receive spans until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                content = gzip.decompress(content)
            received.requests.append(ExportTraceServiceRequest.FromString(content))
            self.send_response(received.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""A collector of traces: takes OTLP over HTTP from processes of a test and keeps the spans decoded."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True)
class SeenSpan:
    """One span as it arrived. Ids are hex; `links` are `(trace_id, span_id)`."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: frozenset[tuple[str, str]]
    attributes: dict[str, str] = field(compare=False)

    @property
    def place(self) -> tuple[str, str]:
        """What a link to this span says."""
        return self.trace_id, self.span_id

    @property
    def parent(self) -> tuple[str, str]:
        """The place of the span that caused it."""
        return self.trace_id, self.parent_id


class TraceCollector(ThreadingHTTPServer):
    """Listens on a free port of loopback. `raw` keeps the bytes as they came, for scans."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.raw: list[bytes] = []
        self._spans: list[SeenSpan] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, body: bytes) -> None:
        """Keep one export."""
        self.raw.append(body)
        self._spans += _spans_in(ExportTraceServiceRequest.FromString(body))

    def spans(self, name: str = "", **attributes: str) -> list[SeenSpan]:
        """Spans seen so far whose name begins so and whose attributes have these values (`sync_bucket=…`)."""
        wanted = {key.replace("_", ".", 1): value for key, value in attributes.items()}
        return [
            span
            for span in list(self._spans)
            if span.name.startswith(name) and all(span.attributes.get(key) == value for key, value in wanted.items())
        ]


class _Receive(BaseHTTPRequestHandler):
    server: TraceCollector

    def do_POST(self) -> None:
        self.server.take(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def trace_collector() -> Iterator[TraceCollector]:
    """A running collector."""
    with TraceCollector() as server:
        thread = threading.Thread(target=server.serve_forever, name="trace collector")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _spans_in(request: ExportTraceServiceRequest) -> Iterator[SeenSpan]:
    for resource in request.resource_spans:
        service = _texts(resource.resource.attributes).get("service.name", "")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SeenSpan(
                    service=service,
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    links=frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    attributes=_texts(span.attributes),
                )


def _texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes with their values as text."""
    return {item.key: str(getattr(item.value, item.value.WhichOneof("value") or "string_value")) for item in attributes}

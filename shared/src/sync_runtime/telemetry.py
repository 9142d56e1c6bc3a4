"""Traces: one span per batch with links to sampled parents, and a span per unit only where it is worth keeping.

Head sampling decides when a trace begins (`trace_sample_ratio`). Units that failed or were slow are kept whatever it
decided: their span is built afterwards, from its times, under the trace of the message that caused it.
Nothing global: the composition root makes one `Telemetry` and passes it on.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from sync_runtime.semconv import ERROR_TYPE, KEPT_BECAUSE
from sync_runtime.settings import RuntimeSettings
from sync_runtime.span_filter import AllowListExporter

Attributes = Mapping[str, str | int | float | bool]
Traceparent = str | bytes

MAX_LINKS = 64
EXPORT_TIMEOUT_S = 5.0
FLUSH_TIMEOUT_MS = 2_000
_LENGTH = 55
_SAMPLED_DIGITS = frozenset("13579bdf") | frozenset(bytes([digit]) for digit in b"13579bdf")
_SHAPE = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


def sampled(traceparent: Traceparent | None) -> bool:
    """Whether a trace is being recorded, read from its flag digit without making an object."""
    return traceparent is not None and len(traceparent) == _LENGTH and traceparent[54:] in _SAMPLED_DIGITS


def context_of(traceparent: Traceparent | None) -> SpanContext | None:
    """The remote span that a `traceparent` names; None for anything malformed."""
    if traceparent is None:
        return None
    text = traceparent.decode("ascii", "replace") if isinstance(traceparent, bytes) else traceparent
    parts = _SHAPE.fullmatch(text)
    if parts is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in parts.groups())
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & TraceFlags.SAMPLED))


def link_of(traceparent: Traceparent | None) -> Link | None:
    """A link to the span that a `traceparent` names; None for anything malformed."""
    context = context_of(traceparent)
    return None if context is None else Link(context)


def inject() -> str | None:
    """`traceparent` of the current span, for a message header; None outside any span."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


@dataclass(frozen=True, slots=True)
class Part:
    """Something that happened inside of a unit, already ended (epoch milliseconds)."""

    name: str
    start_ms: int
    end_ms: int
    attributes: Attributes


class Telemetry:
    """The tracers of one process. Off (spans cost ids only) without `otlp_endpoint` and without an exporter."""

    def __init__(self, settings: RuntimeSettings, service: str, *, exporter: SpanExporter | None = None) -> None:
        self._resource = Resource({"service.name": service, "service.instance.id": settings.instance_id})
        self._processor = _processor(settings, exporter)
        self.enabled = self._processor is not None
        ratio = ParentBased(TraceIdRatioBased(settings.trace_sample_ratio))
        self._head = self._provider(ratio if self.enabled else ALWAYS_OFF)
        self._kept = self._provider(ALWAYS_ON if self.enabled else ALWAYS_OFF)
        self.tracer = self._head.get_tracer("sync_runtime")
        self._keeping_tracer = self._kept.get_tracer("sync_runtime")

    def _provider(self, sampler: Sampler) -> TracerProvider:
        provider = TracerProvider(sampler=sampler, resource=self._resource, shutdown_on_exit=False)
        if self._processor is not None:
            provider.add_span_processor(self._processor)
        return provider

    @contextmanager
    def batch_span(
        self,
        name: str,
        causes: Iterable[Traceparent | None] = (),
        attributes: Attributes | None = None,
        *,
        kind: SpanKind = SpanKind.CONSUMER,
    ) -> Iterator[Span]:
        """One span for a batch of messages, current inside the block, linked to the sampled ones among `causes`.

        Recorded when one of them is sampled, else by the sampling ratio. Messages sent inside carry its `inject()`.
        """
        links = self._links(causes)
        tracer = self._keeping_tracer if links else self.tracer
        span = tracer.start_span(name, Context(), kind, attributes=dict(attributes or {}), links=links)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except Exception as error:
                _mark_failed(span, type(error).__name__)
                raise

    def unit_span(
        self,
        traceparent: Traceparent | None,
        name: str,
        *,
        start_ms: int,
        end_ms: int,
        attributes: Attributes | None = None,
        error: str | None = None,
        slow: bool = False,
        parts: Sequence[Part] = (),
    ) -> None:
        """Record a unit that has ended (epoch milliseconds), if its trace is sampled, or it failed, or was slow.

        `parts` become its children.
        """
        if not self.enabled or not (error or slow or sampled(traceparent)):
            return
        parent = context_of(traceparent)
        context = trace.set_span_in_context(NonRecordingSpan(parent), Context()) if parent else Context()
        span = self._keeping_tracer.start_span(
            name, context, SpanKind.CONSUMER, attributes=dict(attributes or {}), start_time=start_ms * 1_000_000
        )
        if not sampled(traceparent):
            span.set_attribute(KEPT_BECAUSE, "error" if error else "slow")
        if error:
            _mark_failed(span, error)
        inside = trace.set_span_in_context(span, Context())
        for part in parts:
            child = self._keeping_tracer.start_span(
                part.name,
                inside,
                SpanKind.CLIENT,
                attributes=dict(part.attributes),
                start_time=part.start_ms * 1_000_000,
            )
            child.end(part.end_ms * 1_000_000)
        span.end(end_ms * 1_000_000)

    def close(self) -> None:
        """Export what is left, within seconds. Blocks: call it from a thread."""
        if self._processor is not None:
            self._processor.force_flush(FLUSH_TIMEOUT_MS)
            self._processor.shutdown()

    def _links(self, causes: Iterable[Traceparent | None]) -> list[Link]:
        if not self.enabled:
            return []
        links: dict[tuple[int, int], Link] = {}
        for traceparent in causes:
            if sampled(traceparent) and (link := link_of(traceparent)):
                links[link.context.trace_id, link.context.span_id] = link
                if len(links) == MAX_LINKS:
                    break
        return list(links.values())


def now_ms() -> int:
    """Epoch milliseconds, the unit of all times in messages."""
    return time.time_ns() // 1_000_000


def _mark_failed(span: Span, error: str) -> None:
    """`error` is a class name or one of our codes, never a text."""
    span.set_attribute(ERROR_TYPE, error)
    span.set_status(Status(StatusCode.ERROR))


def _processor(settings: RuntimeSettings, exporter: SpanExporter | None) -> SpanProcessor | None:
    if exporter is not None:
        return SimpleSpanProcessor(AllowListExporter(exporter))
    if settings.otlp_endpoint is None:
        return None
    endpoint = f"{settings.otlp_endpoint.rstrip('/').removesuffix('/v1/traces')}/v1/traces"
    return BatchSpanProcessor(AllowListExporter(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)))

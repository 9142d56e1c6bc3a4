"""The last gate before spans leave the process: attributes that nobody allowed are dropped, texts are scrubbed."""

from collections.abc import Mapping, Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status
from opentelemetry.util.types import AttributeValue

from sync_runtime.redaction import scrub
from sync_runtime.semconv import ALLOWED


class AllowListExporter(SpanExporter):
    """Passes on spans with allowed attributes only; events, links and status texts are treated the same way.

    It stands before the exporter, so no instrumentation and no later `set_attribute` gets around it.
    """

    def __init__(self, exporter: SpanExporter, allowed: frozenset[str] = ALLOWED) -> None:
        self._exporter = exporter
        self._allowed = allowed

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([self._filtered(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _filtered(self, span: ReadableSpan) -> ReadableSpan:
        return ReadableSpan(
            name=scrub(span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=self._permitted(span.attributes),
            events=[Event(scrub(e.name), self._permitted(e.attributes), e.timestamp) for e in span.events],
            links=[Link(link.context, self._permitted(link.attributes)) for link in span.links],
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _permitted(self, attributes: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
        return {
            key: scrub(value) if isinstance(value, str) else value
            for key, value in (attributes or {}).items()
            if key in self._allowed and isinstance(value, str | bool | int | float)
        }

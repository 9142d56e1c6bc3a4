"""The trace goes from the request through the batch into every command."""

from bucket_api.dispatch.app import BatchSpans
from bucket_api.dispatch.backlog import ActiveBucket, Column
from bucket_api.dispatch.messages import PageBatch
from bucket_api.dispatch.publisher import BatchPublisher
from bucket_api.dispatch.settings import DispatchSettings
from bucket_api.dispatch.takes import WaitingUnit
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sync_runtime.telemetry import Telemetry

from tests.support.page_world import PageWorld

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
REQUEST = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


async def headers_and_spans(trace: str | None) -> tuple[list[str], tuple[ReadableSpan, ...]]:
    """Trace headers of two commands and their mark, and the spans of their batch."""
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(DispatchSettings(instance_id="dispatcher-0", trace_sample_ratio=1), "test", exporter=exporter)
    world = PageWorld()
    publisher = BatchPublisher(world, BatchSpans(telemetry), by="dispatcher-0", sample_ratio=0.0)
    bucket = ActiveBucket("b_1", "t_1", 0, "RUN", (Column("gstr2b"),), 1, trace)
    await publisher.send([PageBatch(bucket, 4, ["c_1", "c_2"], [WaitingUnit((n, 0), 1, 0) for n in (0, 1)])], 0)
    headers = [dict(record.headers)["traceparent"].decode() for _, record in world.log]
    return headers, exporter.get_finished_spans()


async def test_a_batch_is_a_child_of_the_request_and_its_messages_carry_it() -> None:
    headers, (span,) = await headers_and_spans(REQUEST)
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" == REQUEST[3:52]
    assert span.context is not None
    batch = f"00-{TRACE_ID}-{span.context.span_id:016x}"
    assert headers == [f"{batch}-00", f"{batch}-00", f"{batch}-01"]
    assert dict(span.attributes or {}) == {"sync.tenant": "t_1", "sync.bucket": "b_1", "sync.page": 4, "sync.units": 2}


async def test_a_bucket_without_a_trace_begins_one() -> None:
    headers, (span,) = await headers_and_spans(None)
    assert span.parent is None
    assert len({header[3:35] for header in headers}) == 1

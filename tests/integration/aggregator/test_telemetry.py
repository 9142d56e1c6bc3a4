"""What a folded batch tells: one span linked to the sampled messages behind it, metrics by batch, evidence by trace."""

import asyncio

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from status_aggregator.app import METRICS, SERVICE, AggregatorService
from sync_contracts.events import encode
from sync_runtime.health import Health
from sync_runtime.metrics import Metrics
from sync_runtime.telemetry import Telemetry

from tests.support.aggregator_stack import AggregatorStack
from tests.support.planted import Plan, plant
from tests.support.records import Events

PLAN = Plan(clients=1, columns=2)
SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-00"


async def test_a_batch_is_one_span_with_links_to_sampled_messages_only(stack: AggregatorStack) -> None:
    of_page = Events((await plant(stack.database, PLAN))[0])
    exporter, health = InMemorySpanExporter(), Health(Metrics(METRICS))
    settings = stack.settings.model_copy(update={"trace_sample_ratio": 0.0})
    service = AggregatorService(settings, health, Telemetry(settings, SERVICE, exporter=exporter))
    dispatched, done, failed = (
        of_page.dispatched((0, 0, 1), (0, 1, 1)),
        of_page.succeeded(0, 0, 1),
        of_page.failed(0, 1, 1),
    )
    await stack.emit_raw(PLAN.on_shard, [encode(dispatched)])
    await stack.emit_raw(PLAN.on_shard, [encode(done)], headers=[("traceparent", SAMPLED.encode())])
    await stack.emit_raw(PLAN.on_shard, [encode(failed)], headers=[("traceparent", UNSAMPLED.encode())])

    await service.start()
    running = asyncio.create_task(service.run())
    await stack.ended(PLAN.bucket)
    await service.drain()
    await running

    (span,) = exporter.get_finished_spans()
    assert span.name == "process gst.sync.events.v1"
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == 3
    assert [f"{link.context.span_id:016x}" for link in span.links] == ["b7ad6b7169203331"]
    evidence = await stack.database["attempts"].find_one({"b": PLAN.bucket})
    assert evidence is not None
    assert [row[-1] for row in evidence["u"]] == ["0af7651916cd43dd8448eb211c80319c", None]
    shown = health.metrics.exposition().decode()
    assert 'sync_records_consumed_total{topic="gst.sync.events.v1"} 3.0' in shown
    assert 'aggregator_pages_total{outcome="written"} 1.0' in shown
    assert 'aggregator_completions_total{state="PARTIAL"} 1.0' in shown
    assert not health.liveness.stalled()

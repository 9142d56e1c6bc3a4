"""Composition root of the dispatcher process: every part is made here once and handed to the others."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanKind
from sync_contracts import collections
from sync_contracts.topics import COMMANDS, DISPATCHER_GROUP, EVENTS
from sync_runtime import indexes, kafka, kafka_topics, mongo
from sync_runtime.health import Health
from sync_runtime.logging import configure
from sync_runtime.metrics import Metric, Metrics
from sync_runtime.publisher import PartitionBatches, SendUnknown
from sync_runtime.semconv import BUCKET, PAGE, TENANT, UNITS
from sync_runtime.service import Background, serve
from sync_runtime.tasks import Tasks
from sync_runtime.telemetry import Telemetry, context_of, inject, now_ms

from bucket_api.dispatch.cues import Leadership, follow
from bucket_api.dispatch.loop import Dispatcher, Tick
from bucket_api.dispatch.memory import Memory
from bucket_api.dispatch.messages import Outgoing, PageBatch
from bucket_api.dispatch.publisher import BatchPublisher
from bucket_api.dispatch.running import run_dispatcher
from bucket_api.dispatch.settings import DispatchSettings
from bucket_api.dispatch.standing import NOTHING, Standing
from bucket_api.dispatch.store import DispatchStore, ShareStore
from bucket_api.dispatch.telling import tell_standing

SERVICE = "bucket-api dispatcher"
STALLED_AFTER_S = 60.0
SHARE_RATIOS = (0.25, 0.5, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 2.0, 4.0)
CLOSE_DEADLINE_S = 5.0

METRICS = (
    Metric("counter", "dispatcher_units_total", "Units by what became of their command", ("outcome",)),
    Metric("counter", "dispatcher_batches_total", "Page batches sent"),
    Metric("gauge", "dispatcher_shards", "Shards that this process dispatches"),
    Metric("gauge", "dispatcher_closed", "1 while no line takes calls"),
    Metric("gauge", "dispatcher_oldest_due_seconds", "How long the unit that waits longest has been due"),
    Metric("gauge", "dispatcher_line_tenants", "Tenants with running buckets", ("upstream",)),
    Metric("gauge", "dispatcher_line_units", "Units dispatched in the last minute", ("upstream",)),
    Metric("gauge", "dispatcher_line_gated_units", "Due units that wait for a closed gate", ("upstream",)),
    Metric("gauge", "dispatcher_line_evenness", "Jain's index of units per weight, tenants with work", ("upstream",)),
    Metric(
        "histogram",
        "dispatcher_share_ratio",
        "Each tenant's measured share of its line by the share that is due to it, every other second while it has work",
        ("upstream",),
        SHARE_RATIOS,
    ),
)
READS = (collections.BUCKETS, collections.BUCKET_PAGES)


class KafkaOutbox:
    """Publishes in own batches per partition; an unknown outcome is a value here."""

    def __init__(self, batches: PartitionBatches, metrics: Metrics) -> None:
        self._batches = batches
        self._metrics = metrics

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> frozenset[int]:
        """Positions of the records that are not known to be written."""
        unknown: frozenset[int] = frozenset()
        try:
            await self._batches.publish(topic, records)
        except SendUnknown as failure:
            unknown = frozenset(failure.positions)
            self._metrics.counter("sync_sends_unknown_total", topic).inc(len(unknown))
        self._metrics.counter("sync_records_published_total", topic).inc(len(records) - len(unknown))
        return unknown


class BatchSpans:
    """One span per page batch, a child of the request that created the bucket."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._tracer = telemetry.tracer

    @contextmanager
    def batch(self, batch: PageBatch) -> Iterator[str | None]:
        """Open while the batch is sent; gives the traceparent of its messages."""
        parent = context_of(batch.bucket.trace)
        context = trace.set_span_in_context(NonRecordingSpan(parent), Context()) if parent else Context()
        attributes: dict[str, str | int] = {
            TENANT: batch.bucket.tenant,
            BUCKET: batch.bucket.id,
            PAGE: batch.page,
            UNITS: len(batch.units),
        }
        span = self._tracer.start_span("dispatch batch", context, SpanKind.PRODUCER, attributes)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield inject()


class DispatcherService:
    """The running dispatcher: opens its clients, ticks until it is drained, closes them."""

    def __init__(self, settings: DispatchSettings, health: Health, telemetry: Telemetry) -> None:
        self._settings = settings
        self._health = health
        self._telemetry = telemetry
        self._mongo = mongo.client(settings)
        self._producer: AIOKafkaProducer = kafka.producer(settings)
        self._consumer: AIOKafkaConsumer = kafka.consumer(
            settings, DISPATCHER_GROUP, max_poll_records=500, auto_offset_reset="latest"
        )
        self._dispatcher = self._compose()
        self._shares = ShareStore(mongo.database(self._mongo, settings))
        self._lines: set[str] = set()
        self._stopped = asyncio.Event()
        self._tasks = Tasks()
        self._ticked = health.liveness.expect("dispatch", STALLED_AFTER_S)
        self._polled = health.liveness.expect("cues", STALLED_AFTER_S)

    def _compose(self) -> Dispatcher:
        settings = self._settings
        batches = PartitionBatches(self._producer, topic_prefix=settings.topic_prefix)
        publisher = BatchPublisher(
            KafkaOutbox(batches, self._health.metrics),
            BatchSpans(self._telemetry),
            by=settings.instance_id,
            sample_ratio=settings.trace_sample_ratio,
        )
        expiry_ms = settings.memory_expiry_s * 1_000
        return Dispatcher(
            DispatchStore(mongo.database(self._mongo, settings)),
            publisher,
            elapsed_ms=lambda: time.monotonic_ns() // 1_000_000,
            memory=Memory(expiry_ms, 6 * expiry_ms),
            mean_call_s=settings.mean_call_s,
            window_without_rate=settings.window_without_rate,
        )

    async def start(self) -> None:
        """Check topics, indexes and the database, join the group, start to tick."""
        settings = self._settings
        await mongo.ping(self._mongo)
        await indexes.assert_indexes(mongo.database(self._mongo, settings), READS)
        await kafka_topics.assert_topics(settings, (COMMANDS, EVENTS))
        await self._producer.start()
        shards = self._health.metrics.gauge("dispatcher_shards").set
        self._consumer.subscribe(
            [settings.prefixed(EVENTS.name)], listener=Leadership(self._consumer, self._dispatcher, shards)
        )
        await self._consumer.start()
        self._tasks.own("cues", follow(self._consumer, self._dispatcher, self._stopped, self._polled))
        self._tasks.own("dispatch", run_dispatcher(self._dispatcher, now_ms, self._observe, self._stopped))
        told = tell_standing(self._dispatcher, self._shares, now_ms, self._observe_standing, self._stopped)
        self._tasks.own("shares", told)

    async def run(self) -> None:
        """Watch the tasks; raises what ended them."""
        await self._tasks.watch()

    async def drain(self) -> None:
        """Finish the tick in hand, then leave. What was taken and not sent is taken again by the next leader."""
        self._tasks.end()
        self._stopped.set()
        await self._tasks.watch()
        await kafka.stop_within(self._consumer, CLOSE_DEADLINE_S)
        await kafka.stop_within(self._producer, CLOSE_DEADLINE_S)
        self._mongo.close()
        await asyncio.to_thread(self._telemetry.close)

    def _observe(self, tick: Tick | None) -> None:
        self._ticked()
        if tick is None:
            self._health.readiness.lose("pages", "cannot be read")
            return
        self._health.readiness.hold("pages")
        metrics = self._health.metrics
        metrics.counter("dispatcher_units_total", "dispatched").inc(tick.dispatched)
        metrics.counter("dispatcher_units_total", "lost").inc(tick.lost)
        metrics.counter("dispatcher_units_total", "known").inc(tick.known)
        metrics.counter("dispatcher_batches_total").inc(tick.batches)
        metrics.gauge("dispatcher_closed").set(tick.closed)

    def _observe_standing(self, standing: Standing) -> None:
        metrics = self._health.metrics
        metrics.gauge("dispatcher_oldest_due_seconds").set(standing.oldest_due_ms / 1000)
        self._lines |= standing.lines.keys()
        for line in self._lines:
            each = standing.lines.get(line, NOTHING)
            metrics.gauge("dispatcher_line_tenants", line).set(each.tenants)
            metrics.gauge("dispatcher_line_units", line).set(each.units)
            metrics.gauge("dispatcher_line_gated_units", line).set(each.gated)
            metrics.gauge("dispatcher_line_evenness", line).set(each.evenness)
        for told in standing.shares:
            if told.share.due and told.measured is not None:
                ratio = told.measured / told.share.part
                metrics.histogram("dispatcher_share_ratio", told.share.line).observe(ratio)


def build(settings: DispatchSettings) -> Background:
    """The whole process. Must be called inside the running event loop."""
    health = Health(Metrics(METRICS), "pages")
    service = DispatcherService(settings, health, Telemetry(settings, SERVICE))
    return Background(service, kafka.broker(settings), health)


def run(settings: DispatchSettings) -> int:
    """Dispatch until SIGTERM or a death; returns the exit code of the process."""
    configure(settings, SERVICE)
    return serve(partial(build, settings), settings)

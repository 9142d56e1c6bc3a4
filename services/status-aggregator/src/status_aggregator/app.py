"""Composition root of the aggregator: every part is made here once and handed to the others."""

import asyncio
import random
from collections.abc import Iterable
from contextlib import AbstractContextManager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sync_contracts import collections
from sync_contracts.topics import AGGREGATOR_GROUP, BUCKETS, DEAD_LETTERS, EVENTS
from sync_runtime import indexes, kafka, kafka_topics, mongo, semconv
from sync_runtime.health import Health
from sync_runtime.metrics import Metric, Metrics
from sync_runtime.publisher import PartitionBatches
from sync_runtime.service import Background
from sync_runtime.telemetry import Telemetry, now_ms

from status_aggregator.aggregator import Aggregator, Stores
from status_aggregator.consuming import POLL_RECORDS, EventConsumer
from status_aggregator.observing import Observing
from status_aggregator.settings import Settings
from status_aggregator.store import MongoBuckets, MongoNotices, MongoPages

SERVICE = "status-aggregator"
STALLED_AFTER_S = {"poll": 60.0, "fold": 180.0}
"""A loop that has not moved for so long is stalled; folding waits for a store that is away, polling never does."""
CLOSE_DEADLINE_S = 5.0

METRICS = (
    Metric("counter", "aggregator_pages_total", "Pages by what a fold or sweep did to them", ("outcome",)),
    Metric("counter", "aggregator_unknown_bucket_total", "Events of buckets that do not exist any more"),
    Metric("counter", "aggregator_completions_total", "Rounds of buckets ended, by status", ("state",)),
    Metric("counter", "aggregator_notifications_total", "Notifications published"),
    Metric("counter", "aggregator_alarms_total", "What must never happen", ("reason",)),
)
WRITES = (collections.BUCKETS, collections.BUCKET_PAGES, collections.ATTEMPTS)

BATCH_ATTRIBUTES: dict[str, str | int] = {
    semconv.MESSAGING_SYSTEM: "kafka",
    semconv.MESSAGING_OPERATION_NAME: "process",
    semconv.MESSAGING_OPERATION_TYPE: "process",
    semconv.MESSAGING_DESTINATION: EVENTS.name,
    semconv.MESSAGING_GROUP: AGGREGATOR_GROUP,
}


class AggregatorService:
    """The running aggregator: opens its clients, consumes until it is drained, closes them."""

    def __init__(
        self, settings: Settings, health: Health, telemetry: Telemetry, *, group: str = AGGREGATOR_GROUP
    ) -> None:
        self._settings = settings
        self._health = health
        self._telemetry = telemetry
        self._mongo = mongo.client(settings)
        self._consumer: AIOKafkaConsumer = kafka.consumer(
            settings, group, max_poll_records=POLL_RECORDS, auto_offset_reset="earliest"
        )
        self._producer: AIOKafkaProducer = kafka.producer(settings)
        self._events = self._compose()

    def _compose(self) -> EventConsumer:
        settings, database = self._settings, mongo.database(self._mongo, self._settings)
        liveness = self._health.liveness
        for loop, limit_s in STALLED_AFTER_S.items():
            liveness.expect(loop, limit_s)
        observing = Observing(self._health.metrics, self._span, EVENTS.name, liveness.beat)
        aggregator = Aggregator(
            Stores(MongoPages(database), MongoBuckets(database), MongoNotices(database)),
            PartitionBatches(self._producer, topic_prefix=settings.topic_prefix),
            observing,
            now_ms=now_ms,
            rng=random.Random(),  # noqa: S311 - jitter, no secret
            limits=settings.limits(),
            cached_pages=settings.cached_pages,
        )
        topic = settings.prefixed(EVENTS.name)
        return EventConsumer(self._consumer, topic, aggregator, now_ms=now_ms, watch=observing)

    def _span(self, records: int, causes: Iterable[str | None]) -> AbstractContextManager[object]:
        attributes = {**BATCH_ATTRIBUTES, semconv.MESSAGING_BATCH_COUNT: records}
        return self._telemetry.batch_span(f"process {EVENTS.name}", causes, attributes)

    async def start(self) -> None:
        """Check topics, indexes and the database, then join the group."""
        settings = self._settings
        await mongo.ping(self._mongo)
        await indexes.assert_indexes(mongo.database(self._mongo, settings), WRITES)
        await kafka_topics.assert_topics(settings, (EVENTS, BUCKETS, DEAD_LETTERS))
        await self._producer.start()
        self._events.subscribe()
        await self._consumer.start()

    async def run(self) -> None:
        """Consume; raises what ended it."""
        await self._events.run()

    async def drain(self) -> None:
        """Apply and commit what is in hand, then leave."""
        self._events.stop()
        await self._events.ended()
        await kafka.stop_within(self._consumer, CLOSE_DEADLINE_S)
        await kafka.stop_within(self._producer, CLOSE_DEADLINE_S)
        self._mongo.close()
        await asyncio.to_thread(self._telemetry.close)


def build(settings: Settings) -> Background:
    """The whole process. Must be called inside the running event loop."""
    health = Health(Metrics(METRICS))
    service = AggregatorService(settings, health, Telemetry(settings, SERVICE))
    return Background(service, kafka.broker(settings), health)

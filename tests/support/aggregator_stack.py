"""Real Kafka, real mongod and aggregators over them, for integration tests."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord
from status_aggregator.app import METRICS, SERVICE, AggregatorService
from status_aggregator.settings import Settings
from sync_contracts import events
from sync_contracts.events import Event
from sync_contracts.pages import Page, page_from
from sync_contracts.topics import AGGREGATOR_GROUP, BUCKETS, DEAD_LETTERS, EVENTS
from sync_runtime import kafka
from sync_runtime.health import Health
from sync_runtime.metrics import Metrics
from sync_runtime.mongo import Database
from sync_runtime.telemetry import Telemetry

from tests.support.auditor import Audited, audited
from tests.support.eventually import eventually
from tests.support.topic_reading import read_topic


@dataclass(frozen=True)
class AggregatorStack:
    """Topics and a database of one test's own."""

    settings: Settings
    database: Database
    producer: AIOKafkaProducer
    admin: AIOKafkaAdminClient

    @asynccontextmanager
    async def aggregator(self, *, group: str = AGGREGATOR_GROUP, **changes: Any) -> AsyncIterator[asyncio.Task[None]]:
        """An aggregator as its process runs it, drained at the end; gives its `run`.

        Another `group` owns every shard a second time.
        """
        settings = self.settings.model_copy(update=changes)
        health, telemetry = Health(Metrics(METRICS)), Telemetry(settings, SERVICE)
        service = AggregatorService(settings, health, telemetry, group=group)
        await service.start()
        running = asyncio.create_task(service.run())
        try:
            yield running
        finally:
            await service.drain()
            await running

    async def has_members(self, count: int) -> bool:
        """Whether the group is at rest with so many members."""
        described = await self.admin.describe_consumer_groups([self.settings.prefixed(AGGREGATOR_GROUP)])
        _error, _group, state, _kind, _protocol, members, *_ = described[0].groups[0]
        return bool(state == "Stable" and len(members) == count)

    async def emit(self, shard: int, happened: Iterable[Event]) -> None:
        """Publish events as their producers do."""
        await self.emit_raw(shard, [events.encode(event) for event in happened])

    async def emit_raw(
        self, shard: int, values: Sequence[bytes | None], headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Publish any bytes."""
        topic = self.settings.prefixed(EVENTS.name)
        sent = [
            await self.producer.send(topic, value, key=b"key", partition=shard, headers=headers) for value in values
        ]
        await asyncio.gather(*sent)

    async def bucket(self, bucket: str) -> dict[str, Any]:
        """The bucket as it is now (majority)."""
        document = await self.database["buckets"].find_one({"_id": bucket})
        assert document is not None
        return document

    async def status(self, bucket: str) -> str:
        return str((await self.bucket(bucket))["status"])

    async def ended(self, bucket: str) -> str:
        """The bucket's status once it is terminal."""

        async def terminal() -> str | None:
            status = await self.status(bucket)
            return None if status == "RUNNING" else status

        return await eventually(terminal, what=f"{bucket} ends") or ""

    async def shows(self, bucket: str, states: str) -> None:
        """Wait until the units of a bucket have these states."""

        async def reached() -> bool:
            return await self.states(bucket) == states

        await eventually(reached, what=f"{bucket} shows {states}")

    async def committed_up_to(self, shard: int, offset: int) -> None:
        """Wait until the group has committed this offset of a shard."""

        async def reached() -> bool:
            return await self.committed(shard) == offset

        await eventually(reached, what=f"offset {offset} of shard {shard} is committed")

    async def stored(self, bucket: str) -> list[Page]:
        """The pages as they are now (majority)."""
        documents = await self.database["bucket_pages"].find({"b": bucket}).sort("p").to_list(None)
        return [page_from(document) for document in documents]

    async def states(self, bucket: str) -> str:
        """Letters of all units in plan order."""
        return "".join(unit.s for page in await self.stored(bucket) for row in page.rows for unit in row)

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """All records of a topic."""
        return await read_topic(self.settings.kafka_bootstrap, self.settings.prefixed(topic))

    async def broken_promises(self) -> list[str]:
        """What the auditor says of this test's log and documents."""
        settings = self.settings
        place = Audited(settings.kafka_bootstrap, settings.mongo_url, settings.mongo_database, settings.topic_prefix)
        report = await audited(place, topics=(EVENTS.name, BUCKETS.name, DEAD_LETTERS.name), storing=frozenset())
        return report.violations

    async def committed(self, shard: int) -> int | None:
        """What the aggregators' group has committed of a shard."""
        consumer = kafka.consumer(self.settings, AGGREGATOR_GROUP, max_poll_records=1, static_member=False)
        tp = TopicPartition(self.settings.prefixed(EVENTS.name), shard)
        consumer.assign([tp])
        await consumer.start()
        try:
            offset: int | None = await consumer.committed(tp)
            return offset
        finally:
            await consumer.stop()

"""A dispatcher process inside the test's event loop, and readers of what it published."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from bucket_api.dispatch.app import build
from bucket_api.dispatch.settings import DispatchSettings
from sync_contracts import collections, commands, events
from sync_contracts.commands import Command
from sync_contracts.events import Dispatched
from sync_contracts.topics import COMMANDS, EVENTS, Topic
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database
from sync_runtime.provision import provision_topics

from tests.support.eventually import PATIENCE_S, eventually

Attempt = tuple[str, int, int, int, int]
"""Bucket, page, client index, column index, attempt."""


class DispatchingSite:
    """One test's topics and database."""

    def __init__(self, bootstrap: str, mongo_url: str, database: Database, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.database = database
        self._mongo_url = mongo_url
        self._prefix = prefix

    def settings(self, instance: str = "dispatcher-0", **given: Any) -> DispatchSettings:
        return DispatchSettings(
            instance_id=instance,
            kafka_bootstrap=self.bootstrap,
            mongo_url=self._mongo_url,
            mongo_database=self.database.name,
            topic_prefix=self._prefix,
            health_port=None,
            **given,
        )

    async def prepare(self) -> None:
        """Topics and indexes."""
        await provision_topics(self.settings(), (COMMANDS, EVENTS))
        await create_missing(self.database, (collections.BUCKETS, collections.BUCKET_PAGES))

    @asynccontextmanager
    async def dispatcher(self, instance: str = "dispatcher-0", **given: Any) -> AsyncIterator[Callable[[], float]]:
        """A running dispatcher; gives the number of its shards. Fails the test when the process would have died."""
        background = build(self.settings(instance, **given))
        await background.service.start()
        running = asyncio.create_task(background.service.run())
        shards = background.health.metrics.gauge("dispatcher_shards")
        try:
            yield shards._value.get  # the client library has no reader of its own
        finally:
            if not running.done():
                await background.service.drain()
            await running

    async def commands(self) -> list[Command]:
        """All commands so far."""
        return [commands.decode(value) for value in await self._values(COMMANDS)]

    async def marks(self) -> list[Dispatched]:
        """All DISPATCHED events so far."""
        decoded = [events.decode(value) for value in await self._values(EVENTS)]
        return [event for event in decoded if isinstance(event, Dispatched)]

    async def commanded(self) -> Counter[Attempt]:
        """How often each attempt was commanded."""
        return Counter((c.bucket, c.page, c.ci, c.mi, c.attempt) for c in await self.commands())

    async def marked(self) -> Counter[Attempt]:
        """How often each attempt was marked."""
        return Counter((m.bucket, m.page, *unit) for m in await self.marks() for unit in m.units)

    async def until_marked(self, units: int, deadline_s: float = PATIENCE_S) -> None:
        """Wait until so many units have been marked, repeated ones counted again."""

        async def enough() -> bool:
            return (await self.marked()).total() >= units

        await eventually(enough, deadline_s, what=f"{units} units marked")

    async def _values(self, topic: Topic) -> list[bytes]:
        """Every value of a topic, read by an observer without a group."""
        partitions = [TopicPartition(f"{self._prefix}{topic.name}", number) for number in range(topic.partitions)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign(partitions)
            written = sum((await consumer.end_offsets(partitions)).values())
            values: list[bytes] = []
            async with asyncio.timeout(PATIENCE_S):
                while len(values) < written:
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        values += [record.value for record in records]
        finally:
            await consumer.stop()
        return values

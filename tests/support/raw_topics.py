"""Topics of a running stack, read and written from outside as bytes."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord

from tests.support.eventually import PATIENCE_S, eventually
from tests.support.topic_reading import read_topic

Headers = Sequence[tuple[str, bytes]]


class RawTopics:
    """One broker."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def publish(
        self,
        topic: str,
        *values: bytes | None,
        key: bytes | None = b"made-up",
        partition: int | None = None,
        headers: Headers = (),
    ) -> list[tuple[int, int]]:
        """Send records; returns partition and offset of each."""
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all")
        await producer.start()
        try:
            sent = [
                await producer.send(topic, value, key=key, partition=partition, headers=list(headers))
                for value in values
            ]
            return [(done.partition, done.offset) for done in await asyncio.gather(*sent)]
        finally:
            await producer.stop()

    async def records(self, topic: str) -> list[ConsumerRecord]:
        """Everything that the topic holds."""
        return await read_topic(self._bootstrap, topic)

    async def consumed(self, group: str, topic: str, partition: int, deadline_s: float = PATIENCE_S) -> None:
        """Wait until a group has committed everything that a partition holds now."""
        end = await self._end_of(TopicPartition(topic, partition))
        await eventually(
            lambda: self._has_committed(group, topic, partition, end), deadline_s, what=f"{group} reads up to {end}"
        )

    async def _has_committed(self, group: str, topic: str, partition: int, end: int) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(group)
        finally:
            await admin.close()
        found = offsets.get(TopicPartition(topic, partition))
        return found is not None and found.offset >= end

    async def _end_of(self, place: TopicPartition) -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        await consumer.start()
        try:
            return int((await consumer.end_offsets([place]))[place])
        finally:
            await consumer.stop()

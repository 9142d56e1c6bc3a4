"""A broker that is killed while a producer publishes: everything arrives, and the producer is not broken."""

import asyncio
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic
from local_stack.kafka import KafkaServer
from sync_runtime import kafka
from sync_runtime.kafka_topics import admin
from sync_runtime.publisher import OutgoingRecord, PartitionBatches, SendUnknown
from sync_runtime.settings import RuntimeSettings

from tests.support.eventually import PATIENCE_S

ROUNDS = 30


async def _publish_until_known(batches: PartitionBatches, records: list[OutgoingRecord]) -> None:
    """What every caller does: send again what is unknown."""
    for _ in range(20):
        try:
            await batches.publish("kept", records)
        except SendUnknown as unknown:
            records = [records[position] for position in unknown.positions]
        else:
            return
    raise AssertionError("never acknowledged")


async def _values(bootstrap: str) -> list[int]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer:
        partitions = [TopicPartition("kept", p) for p in range(3)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        left = sum((await consumer.end_offsets(partitions)).values())
        values: list[int] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(values) < left:
                polled = await consumer.getmany(timeout_ms=200)
                values += [int(record.value) for records in polled.values() for record in records]
        return values


async def test_a_killed_broker_loses_nothing_and_leaves_the_producer_usable(tmp_path: Path) -> None:
    with KafkaServer(tmp_path / "kafka") as server:
        settings = RuntimeSettings(instance_id="p-0", kafka_bootstrap=server.bootstrap)
        async with admin(settings) as client:
            await client.create_topics([NewTopic("kept", 3, 1)])
        producer = kafka.producer(settings)
        await producer.start()
        batches = PartitionBatches(producer, deadline_s=3)

        restarting: list[asyncio.Task[object]] = []
        for number in range(ROUNDS):
            if number == 10:
                server.kill()
                restarting.append(asyncio.create_task(asyncio.to_thread(server.start)))
            records = [OutgoingRecord(b"k%d" % n, b"%d" % (number * 100 + n)) for n in range(100)]
            await _publish_until_known(batches, records)
        await asyncio.gather(*restarting)
        assert await kafka.stop_within(producer, 20)

        assert set(await _values(server.bootstrap)) == set(range(ROUNDS * 100))

"""Everything a topic holds, from its first offset to the end that it has when reading begins."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

DEADLINE_S = 90


async def read_topic(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """All records, partition by partition in log order. AssertionError when the topic does not exist."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", max_poll_records=10_000
    )
    await consumer.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await _read(consumer, topic)
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, topic: str) -> list[ConsumerRecord]:
    known = await consumer._client._wait_on_metadata(topic)
    partitions = [TopicPartition(topic, partition) for partition in sorted(known)]
    assert partitions, f"no topic {topic}"
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    found: dict[TopicPartition, list[ConsumerRecord]] = {tp: [] for tp in partitions}
    for tp in partitions:
        while await consumer.position(tp) < ends[tp]:
            for part, records in (await consumer.getmany(timeout_ms=200)).items():
                found[part] += records
    return [record for tp in partitions for record in found[tp]]

"""What accidents do to topics and groups: offsets set back, records copied or deleted, partitions added."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.new_partitions import NewPartitions
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from tests.support.eventually import eventually
from tests.support.topic_reading import read_topic

EMPTY_GROUP_DEADLINE_S: Final = 120.0
"""Static members stay in their group until its session time-out."""
AGAIN_S: Final = 1.0
CONSUMED_DEADLINE_S: Final = 180.0


async def set_back(bootstrap: str, group: str, topic: str) -> None:
    """Commit the first offset of every partition for a group whose members are all stopped."""
    async with _reader(bootstrap, group) as reader:
        places = await _partitions(reader, topic)
        reader.assign(places)
        begins = await reader.beginning_offsets(places)

        async def committed() -> bool:
            try:
                await reader.commit(begins)
            except KafkaError:  # the group still has members
                await asyncio.sleep(AGAIN_S)
                return False
            return True

        await eventually(committed, EMPTY_GROUP_DEADLINE_S, what=f"{group} is empty and its offsets are set back")


async def consumed(bootstrap: str, group: str, topic: str) -> None:
    """Wait until a group has committed everything that the topic holds now."""
    async with _reader(bootstrap, group) as reader:
        places = await _partitions(reader, topic)
        reader.assign(places)
        ends, begins = await reader.end_offsets(places), await reader.beginning_offsets(places)
        filled = [place for place in places if ends[place] > begins[place]]

        async def done() -> bool:
            return all([(await reader.committed(place) or 0) >= ends[place] for place in filled])

        await eventually(done, CONSUMED_DEADLINE_S, what=f"{group} has read {topic}")


async def copy_onto_itself(
    bootstrap: str, topic: str, changed: Callable[[bytes | None], bytes | None] = lambda value: value
) -> int:
    """Append every record of a topic once more, each to its own partition; returns how many."""
    records = await read_topic(bootstrap, topic)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for record in records:
            headers = list(record.headers)
            await producer.send(
                topic, changed(record.value), key=record.key, partition=record.partition, headers=headers
            )
        await producer.flush()
    finally:
        await producer.stop()
    return len(records)


async def delete_records(bootstrap: str, topic: str, most_partitions: int) -> tuple[list[ConsumerRecord], int]:
    """Delete what the fullest partitions hold.

    Returns all records of the topic as they were before, and how many partitions were emptied.
    """
    records = await read_topic(bootstrap, topic)
    last: dict[int, int] = {}
    for record in records:
        last[record.partition] = max(record.offset, last.get(record.partition, -1))
    fullest = sorted(last, key=lambda partition: last[partition], reverse=True)[:most_partitions]
    async with _admin(bootstrap) as admin:
        wanted = {TopicPartition(topic, partition): RecordsToDelete(last[partition] + 1) for partition in fullest}
        await admin.delete_records(wanted)
    return records, len(fullest)


async def double_partitions(bootstrap: str, topic: str) -> None:
    """Twice as many partitions."""
    async with _reader(bootstrap, None) as reader:
        count = len(await _partitions(reader, topic))
    async with _admin(bootstrap) as admin:
        answer = await admin.create_partitions({topic: NewPartitions(2 * count)})
    refused = [error for error in answer.topic_errors if error[1]]
    assert not refused, refused


async def delete_topics(bootstrap: str, topics: Sequence[str]) -> dict[str, list[ConsumerRecord]]:
    """Delete topics; returns what they held."""
    held = {topic: await read_topic(bootstrap, topic) for topic in topics}
    async with _admin(bootstrap) as admin:
        await admin.delete_topics(list(topics))

        async def gone() -> bool:
            return not set(topics) & set(await admin.list_topics())

        await eventually(gone, what="the topics are gone")
    return held


async def _partitions(reader: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    known = await reader._client._wait_on_metadata(topic)
    return [TopicPartition(topic, partition) for partition in sorted(known)]


@asynccontextmanager
async def _reader(bootstrap: str, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()

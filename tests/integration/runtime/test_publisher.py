"""Own batches per partition against a real broker."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord
from local_stack.kafka import KafkaServer
from sync_contracts.topics import DEAD_LETTERS
from sync_runtime import kafka
from sync_runtime.publisher import (
    OutgoingRecord,
    PartitionBatches,
    ProducerBroken,
    RecordRefused,
    SendUnknown,
    message_headers,
)
from sync_runtime.settings import RuntimeSettings

from tests.support.eventually import PATIENCE_S

TOPIC = "published"
PARTITIONS = 6
BYTES = random.Random(6)
"""Bytes that no compression makes fewer."""
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def settings(kafka_server: KafkaServer, kafka_admin: AIOKafkaAdminClient, unique_prefix: str) -> RuntimeSettings:
    names = [f"{unique_prefix}{topic}" for topic in (TOPIC, DEAD_LETTERS.name)]
    await kafka_admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    return RuntimeSettings(instance_id="p-0", kafka_bootstrap=kafka_server.bootstrap, topic_prefix=unique_prefix)


@pytest.fixture
async def producer(settings: RuntimeSettings) -> AsyncIterator[AIOKafkaProducer]:
    producer = kafka.producer(settings)
    await producer.start()
    yield producer
    assert await kafka.stop_within(producer, 10)


@pytest.fixture
def batches(producer: AIOKafkaProducer, settings: RuntimeSettings) -> PartitionBatches:
    return PartitionBatches(producer, topic_prefix=settings.topic_prefix)


async def _written(settings: RuntimeSettings, topic: str = TOPIC) -> dict[int, list[ConsumerRecord]]:
    """All records of a topic by partition."""
    consumer = kafka.consumer(settings, "readers", max_poll_records=10_000, static_member=False)
    await consumer.start()
    partitions = [TopicPartition(settings.prefixed(topic), p) for p in range(PARTITIONS)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    found: dict[int, list[ConsumerRecord]] = {p: [] for p in range(PARTITIONS)}

    expected = sum(ends.values())
    async with asyncio.timeout(PATIENCE_S):
        while sum(map(len, found.values())) < expected:
            for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                found[partition.partition] += records
    await consumer.stop()
    return found


def _records(count: int, size: int = 300) -> list[OutgoingRecord]:
    headers = message_headers("sync.command.v1", TRACE)
    return [
        OutgoingRecord(b"t_1:c_%d" % (n % 97), b"%d " % n + BYTES.randbytes(size // 2).hex().encode(), None, headers)
        for n in range(count)
    ]


async def test_two_thousand_records_arrive_once_each_in_order_of_their_keys(
    batches: PartitionBatches, settings: RuntimeSettings
) -> None:
    records = _records(2_000)

    await batches.publish(TOPIC, records)

    found = await _written(settings)
    values = [record.value for partition in found.values() for record in partition]
    assert sorted(values) == sorted(record.value or b"" for record in records)
    for partition in found.values():
        numbers = [int(record.value.split()[0]) for record in partition]
        assert numbers == sorted(numbers)
    assert dict(found[0][0].headers) == {
        "content-type": b"application/json",
        "schema": b"sync.command.v1",
        "traceparent": TRACE.encode(),
    }


async def test_keys_go_where_a_plain_send_puts_them(
    batches: PartitionBatches, producer: AIOKafkaProducer, settings: RuntimeSettings
) -> None:
    keys = [b"tenant:%d" % n for n in range(40)]
    sent = {key: (await producer.send_and_wait(settings.prefixed(TOPIC), b"x", key=key)).partition for key in keys}

    await batches.publish(TOPIC, [OutgoingRecord(key, b"batch") for key in keys])

    found = await _written(settings)
    assert {r.key: p for p, records in found.items() for r in records if r.value == b"batch"} == sent


async def test_an_explicit_partition_wins_over_the_key(batches: PartitionBatches, settings: RuntimeSettings) -> None:
    await batches.publish(TOPIC, [OutgoingRecord(b"same", b"%d" % n, n % PARTITIONS) for n in range(60)])

    assert {p: len(records) for p, records in (await _written(settings)).items()} == dict.fromkeys(
        range(PARTITIONS), 10
    )


async def test_more_than_one_batch_per_partition_keeps_the_order(
    batches: PartitionBatches, settings: RuntimeSettings
) -> None:
    large = [OutgoingRecord(b"k", b"%d " % n + BYTES.randbytes(20_000), 3) for n in range(50)]

    await batches.publish(TOPIC, large)

    assert [int(r.value.split()[0]) for r in (await _written(settings))[3]] == list(range(50))


async def test_a_dead_letter_above_the_batch_size_is_published(
    batches: PartitionBatches, settings: RuntimeSettings
) -> None:
    await batches.publish(
        DEAD_LETTERS.name, [OutgoingRecord(b"k", BYTES.randbytes(524_288), 0), OutgoingRecord(b"k", b"x", 0)]
    )

    assert [len(r.value) for r in (await _written(settings, DEAD_LETTERS.name))[0]] == [524_288, 1]


async def test_a_record_above_the_limit_is_refused_and_nothing_is_sent(
    batches: PartitionBatches, settings: RuntimeSettings
) -> None:
    with pytest.raises(RecordRefused):
        await batches.publish(TOPIC, [OutgoingRecord(b"k", b"small"), OutgoingRecord(b"k", b"x" * 1_048_576)])

    assert sum(map(len, (await _written(settings)).values())) == 0
    await batches.publish(TOPIC, [OutgoingRecord(b"k", b"still usable")])


async def test_an_empty_sequence_is_nothing_to_do(batches: PartitionBatches) -> None:
    await batches.publish(TOPIC, [])


async def test_a_topic_that_does_not_exist_is_an_unknown_send(
    producer: AIOKafkaProducer, settings: RuntimeSettings
) -> None:
    batches = PartitionBatches(producer, topic_prefix=settings.topic_prefix, deadline_s=0.5)

    with pytest.raises(SendUnknown) as unknown:
        await batches.publish("missing", _records(3))
    assert unknown.value.positions == (0, 1, 2)


async def test_a_batch_that_the_broker_refuses_breaks_the_producer_for_good(
    kafka_admin: AIOKafkaAdminClient, settings: RuntimeSettings
) -> None:
    name = settings.prefixed("narrow")
    await kafka_admin.create_topics([NewTopic(name, 1, 1, topic_configs={"max.message.bytes": "1000"})])
    producer = kafka.producer(settings)
    await producer.start()
    batches = PartitionBatches(producer, topic_prefix=settings.topic_prefix)

    with pytest.raises(ProducerBroken, match="MessageSizeTooLargeError"):
        await batches.publish("narrow", [OutgoingRecord(b"k", BYTES.randbytes(5_000))])
    with pytest.raises(ProducerBroken):
        await batches.publish(TOPIC, [OutgoingRecord(b"k", b"fits")])
    with pytest.raises(ProducerBroken):
        await asyncio.wait_for(batches.watch(), PATIENCE_S)

    await kafka.stop_within(producer, 10)


async def test_a_producer_that_was_stopped_is_broken_not_unknown(settings: RuntimeSettings) -> None:
    producer = kafka.producer(settings)
    await producer.start()
    batches = PartitionBatches(producer, topic_prefix=settings.topic_prefix)
    await batches.publish(TOPIC, [OutgoingRecord(b"k", b"x")])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(batches.watch(), 0.05)
    await kafka.stop_within(producer, 10)

    with pytest.raises(ProducerBroken):
        await batches.publish(TOPIC, [OutgoingRecord(b"k", b"y")])


async def test_an_unanswered_send_is_unknown_and_may_still_arrive(
    producer: AIOKafkaProducer, settings: RuntimeSettings, kafka_server: KafkaServer
) -> None:
    patient = PartitionBatches(producer, topic_prefix=settings.topic_prefix)
    hasty = PartitionBatches(producer, topic_prefix=settings.topic_prefix, deadline_s=0.5)
    await patient.publish(TOPIC, [OutgoingRecord(b"a", b"before")])
    records = [OutgoingRecord(b"a", b"1"), OutgoingRecord(b"b", b"2", 5), OutgoingRecord(b"a", b"3")]

    os.kill(kafka_server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(SendUnknown) as unknown:
            await hasty.publish(TOPIC, records)
    finally:
        os.kill(kafka_server.pid, signal.SIGCONT)

    assert (unknown.value.positions, unknown.value.keys) == ((0, 1, 2), (b"a", b"b"))
    await patient.publish(TOPIC, records)
    values = [r.value for partition in (await _written(settings)).values() for r in partition]
    assert sorted(values) == sorted([b"before", *([b"1", b"2", b"3"] * 2)])

"""The dispatcher process on real Kafka and MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from bucket_api.dispatch.app import KafkaOutbox
from bucket_api.dispatch.loop import Dispatcher
from bucket_api.dispatch.memory import Memory
from bucket_api.dispatch.messages import Outgoing
from bucket_api.dispatch.publisher import BatchPublisher
from bucket_api.dispatch.store import DispatchStore
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from motor.motor_asyncio import AsyncIOMotorClient
from sync_contracts.topics import DISPATCHER_GROUP, EVENTS
from sync_runtime import kafka
from sync_runtime.kafka_topics import admin
from sync_runtime.metrics import Metrics
from sync_runtime.mongo import CLIENT, Database
from sync_runtime.publisher import PartitionBatches
from sync_runtime.telemetry import now_ms

from tests.support.dispatching import DispatchingSite
from tests.support.eventually import eventually
from tests.support.page_world import NoSpans
from tests.support.planted import Plan, plant


async def assert_each_once(site: DispatchingSite, units: int) -> None:
    commanded = await site.commanded()
    assert len(commanded) == units
    assert set(commanded.values()) == {1}
    assert await site.marked() == commanded


async def test_every_due_unit_gets_one_command_and_one_mark(site: DispatchingSite) -> None:
    await plant(site.database, Plan("b_1", clients=230, columns=3))
    async with site.dispatcher():
        await plant(site.database, Plan("b_2", tenant="t_two", clients=40, columns=2, page_size=7))
        await site.until_marked(770)
    await assert_each_once(site, 770)
    assert all(len(mark.units) <= 500 for mark in await site.marks())


async def test_marks_lie_in_the_partition_of_the_shard_and_a_clients_commands_in_one_partition_in_order(
    site: DispatchingSite,
) -> None:
    columns = [{"module": name, "period": None} for name in ("notices", "gstr2b", "return_register")]
    await plant(site.database, Plan("b_1", clients=20, columns=3, shard=11, changes={"columns": columns}))
    async with site.dispatcher():
        await site.until_marked(60)
    ends = await end_offsets(site, EVENTS.name, EVENTS.partitions)
    assert [partition for partition, end in ends.items() if end] == [11]
    by_client: dict[str, list[str]] = {}
    for command in await site.commands():
        by_client.setdefault(command.client, []).append(command.module)
    assert len(by_client) == 20
    assert all(modules == ["return_register", "gstr2b", "notices"] for modules in by_client.values())


async def end_offsets(site: DispatchingSite, topic: str, partitions: int) -> dict[int, int]:
    consumer = kafka.consumer(site.settings(), "observers", max_poll_records=1, static_member=False)
    await consumer.start()
    parts = [TopicPartition(site.settings().prefixed(topic), n) for n in range(partitions)]
    ends = await consumer.end_offsets(parts)
    await consumer.stop()
    return {part.partition: end for part, end in ends.items()}


async def test_a_paused_bucket_waits_for_its_resumption(site: DispatchingSite) -> None:
    await plant(site.database, Plan("b_1", clients=10, columns=1, changes={"control": "PAUSE"}))
    await plant(site.database, Plan("b_2", clients=10, columns=1))
    async with site.dispatcher():
        await site.until_marked(10)
        assert {command.bucket for command in await site.commands()} == {"b_2"}
        await site.database["buckets"].update_one({"_id": "b_1"}, {"$set": {"control": "RUN"}})
        await site.until_marked(20)
    await assert_each_once(site, 20)


async def test_tenants_are_told_their_share_of_the_line(site: DispatchingSite) -> None:
    await site.database["tenants"].insert_one({"_id": "t_two", "weight": 3})
    await plant(site.database, Plan("b_1", clients=10, columns=1))
    await plant(site.database, Plan("b_2", tenant="t_two", clients=10, columns=1))
    async with site.dispatcher():
        await site.until_marked(20)

        async def both_told() -> bool:
            told = await site.database["line_shares"].find({"measured": 0.5}).to_list(None)
            return {(each["_id"], each["share"]) for each in told} == {
                ("t_one:up_gst_1", 0.25),
                ("t_two:up_gst_1", 0.75),
            }

        await eventually(both_told, what="shares of both tenants")


async def test_nothing_is_ever_committed(site: DispatchingSite) -> None:
    await plant(site.database, Plan("b_1", clients=10, columns=1))
    async with site.dispatcher():
        await site.until_marked(10)
    async with admin(site.settings()) as client:
        assert await client.list_consumer_group_offsets(site.settings().prefixed(DISPATCHER_GROUP)) == {}


async def test_two_dispatchers_share_the_shards_and_the_work(site: DispatchingSite) -> None:
    async with site.dispatcher("dispatcher-0") as first, site.dispatcher("dispatcher-1") as second:
        await eventually(lambda: first() + second() == EVENTS.partitions and first() and second(), what="shards")
        for n in range(8):
            await plant(site.database, Plan(f"b_{n}", tenant=f"t_{n}", clients=10, columns=1, shard=4 * n))
        await site.until_marked(80)
    await assert_each_once(site, 80)
    assert {mark.by for mark in await site.marks()} == {"dispatcher-0", "dispatcher-1"}


class Crash(Exception):
    """Stands for the end of the process."""


class CrashesBeforeMarking:
    """Publishes commands and dies before the DISPATCHED event."""

    def __init__(self, outbox: KafkaOutbox) -> None:
        self._outbox = outbox

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> frozenset[int]:
        if topic == EVENTS.name:
            raise Crash
        return await self._outbox.publish(topic, records)


@pytest.fixture
async def outbox(site: DispatchingSite) -> AsyncIterator[KafkaOutbox]:
    producer: AIOKafkaProducer = kafka.producer(site.settings())
    await producer.start()
    yield KafkaOutbox(PartitionBatches(producer, topic_prefix=site.settings().topic_prefix), Metrics())
    await producer.stop()


def lone_dispatcher(site: DispatchingSite, outbox: KafkaOutbox | CrashesBeforeMarking) -> Dispatcher:
    """A dispatcher that believes to own every shard, whatever the group says."""
    dispatcher = Dispatcher(
        DispatchStore(site.database),
        BatchPublisher(outbox, NoSpans(), by="lone", sample_ratio=0.0),
        elapsed_ms=now_ms,
        memory=Memory(),
        mean_call_s=1.0,
        window_without_rate=1_000,
    )
    dispatcher.own(range(EVENTS.partitions))
    return dispatcher


async def test_a_crash_between_commands_and_mark_sends_the_same_attempts_again(
    site: DispatchingSite, outbox: KafkaOutbox
) -> None:
    await plant(site.database, Plan("b_1", clients=60, columns=1))
    with pytest.raises(Crash):
        await lone_dispatcher(site, CrashesBeforeMarking(outbox)).tick(now_ms())
    assert len(await site.commanded()) == 60
    assert await site.marks() == []
    async with site.dispatcher():
        await site.until_marked(60)
    commanded = await site.commanded()
    assert set(commanded.values()) == {2}
    assert {attempt for *_, attempt in commanded} == {1}
    assert set((await site.marked()).values()) == {1}


async def test_a_dispatcher_that_lost_its_leadership_only_duplicates_attempts(
    site: DispatchingSite, outbox: KafkaOutbox
) -> None:
    await plant(site.database, Plan("b_1", clients=60, columns=1))
    zombie = lone_dispatcher(site, outbox)
    async with site.dispatcher():
        await site.until_marked(60)
        await zombie.tick(now_ms())
        await site.until_marked(120)
    commanded = await site.commanded()
    assert len(commanded) == 60
    assert set(commanded.values()) == {2}
    assert {attempt for *_, attempt in commanded} == {1}


async def test_work_goes_on_after_the_broker_was_killed(
    tmp_path: Path, mongo_server: MongoServer, mongo_db: Database, unique_prefix: str
) -> None:
    with KafkaServer(tmp_path / "kafka") as broker:
        site = DispatchingSite(broker.bootstrap, mongo_server.url, mongo_db, unique_prefix)
        await site.prepare()
        await plant(site.database, Plan("b_1", clients=50, columns=1))
        async with site.dispatcher():
            await site.until_marked(50)
            await asyncio.to_thread(broker.kill)
            await plant(site.database, Plan("b_2", tenant="t_two", clients=50, columns=1))
            await asyncio.to_thread(broker.restart)
            await site.until_marked(100, 60)
        commanded = await site.commanded()
    assert len(commanded) == 100
    assert {attempt for *_, attempt in commanded} == {1}


async def test_work_goes_on_after_the_database_was_killed(
    tmp_path: Path, kafka_server: KafkaServer, unique_prefix: str
) -> None:
    with MongoServer(tmp_path / "mongod") as server:
        client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(server.url, **CLIENT)
        site = DispatchingSite(kafka_server.bootstrap, server.url, client["syncbucket"], unique_prefix)
        await site.prepare()
        await plant(site.database, Plan("b_1", clients=50, columns=1))
        async with site.dispatcher():
            await site.until_marked(50)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.restart)
            await plant(site.database, Plan("b_2", tenant="t_two", clients=50, columns=1))
            await site.until_marked(100, 40)
        client.close()
    await assert_each_once(site, 100)

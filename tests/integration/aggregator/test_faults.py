"""Crashes, refused commits, members that come and go, records that nobody can use."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from local_stack.ports import free_ports
from status_aggregator.offsets import MAX_BUFFERED
from status_aggregator.refusing import TooManyInvalid
from sync_contracts.dead_letters import CONSECUTIVE_LIMIT
from sync_contracts.events import encode
from sync_contracts.topics import DEAD_LETTERS, EVENTS

from tests.support.aggregator_stack import AggregatorStack
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.histories import all_dispatched, history
from tests.support.planted import Plan, plant
from tests.support.records import Events

PLAN = Plan(clients=60, columns=5, page_size=20)


@asynccontextmanager
async def aggregator_process(
    stack: AggregatorStack, instance: str = "aggregator-0"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m status_aggregator` in its slot; killed at the end if it still runs."""
    settings = stack.settings
    environment = {
        **os.environ,
        "SB_INSTANCE_ID": instance,
        "SB_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "SB_TOPIC_PREFIX": settings.topic_prefix,
        "SB_MONGO_URL": settings.mongo_url,
        "SB_MONGO_DATABASE": settings.mongo_database,
        "SB_HEALTH_PORT": str(free_ports(1)[0]),
    }
    command = (sys.executable, "-m", "status_aggregator")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_killed_again_and_again_in_mid_bucket_it_loses_and_doubles_nothing(stack: AggregatorStack) -> None:
    pages = await plant(stack.database, PLAN)
    happened = history(pages)
    parts = [happened[start : start + len(happened) // 4] for start in range(0, len(happened), len(happened) // 4)]
    for part in parts[:-1]:
        before = sum(page.v for page in await stack.stored(PLAN.bucket))
        async with aggregator_process(stack) as process:
            await stack.emit(PLAN.on_shard, part)

            async def has_written(before: int = before) -> bool:
                return sum(page.v for page in await stack.stored(PLAN.bucket)) > before

            await eventually(has_written, what="a page write")
            process.kill()
    async with aggregator_process(stack) as process:
        await stack.emit(PLAN.on_shard, parts[-1])
        assert await stack.ended(PLAN.bucket) == "PARTIAL"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0

    untouched = Plan(bucket="b_untouched", clients=60, columns=5, page_size=20)
    await plant(stack.database, untouched)
    async with stack.aggregator():
        await stack.emit(untouched.on_shard, history(untouched.pages()))
        await stack.ended(untouched.bucket)
    assert await stack.states(PLAN.bucket) == await stack.states(untouched.bucket)
    assert await stack.broken_promises() == []


async def test_pages_written_but_not_committed_are_absorbed_by_the_next_owner(stack: AggregatorStack) -> None:
    pages = await plant(stack.database, PLAN)
    dispatched = [all_dispatched(page) for page in pages]
    async with stack.aggregator(group="elsewhere"):
        await stack.emit(PLAN.on_shard, dispatched)
        await stack.shows(PLAN.bucket, "D" * PLAN.n_units)
    before = await stack.stored(PLAN.bucket)
    assert await stack.committed(PLAN.on_shard) is None

    async with stack.aggregator():
        await stack.committed_up_to(PLAN.on_shard, len(dispatched))

    assert await stack.stored(PLAN.bucket) == before


async def test_a_stopped_aggregator_has_committed_what_it_applied(stack: AggregatorStack) -> None:
    pages = await plant(stack.database, PLAN)
    async with stack.aggregator():
        await stack.emit(PLAN.on_shard, [all_dispatched(page) for page in pages])
        await stack.shows(PLAN.bucket, "D" * PLAN.n_units)

    assert await stack.committed(PLAN.on_shard) == len(pages)


async def test_shards_move_between_members_without_a_gap(stack: AggregatorStack) -> None:
    plans = [Plan(bucket=f"b_{n}", tenant=f"t_{n}", clients=30, columns=2, page_size=10) for n in range(6)]
    for plan in plans:
        await plant(stack.database, plan)
    logs = {plan: history(plan.pages()) for plan in plans}

    async def emit(start: int, end: int) -> None:
        for plan, log in logs.items():
            await stack.emit(plan.on_shard, log[start:end])

    async with stack.aggregator():
        await emit(0, 60)
        for emitted in (100, 140):  # the second member joins in mid-bucket, is killed, and is back in its slot
            async with aggregator_process(stack, "aggregator-1"):
                await eventually(lambda: stack.has_members(2), what="a second member")
                await emit(emitted - 40, emitted)
                for plan in plans:
                    await stack.committed_up_to(plan.on_shard, emitted)
        async with aggregator_process(stack, "aggregator-1"):
            await emit(140, 10_000)
            for plan in plans:
                assert await stack.ended(plan.bucket) in {"PARTIAL", "COMPLETED"}

    assert await stack.broken_promises() == []


async def test_a_database_restart_is_waited_for_while_the_log_piles_up(
    stack: AggregatorStack, mongo_server: MongoServer
) -> None:
    large = Plan(bucket="b_large", clients=600, columns=5)
    pages = await plant(stack.database, large)
    happened = history(pages)
    assert len(happened) > MAX_BUFFERED
    async with aggregator_process(stack):
        await stack.emit(large.on_shard, happened[:200])
        mongo_server.kill()
        await stack.emit(large.on_shard, happened[200:])
        mongo_server.restart()  # by this thread: the server dies with the thread that started it
        assert await stack.ended(large.bucket) == "PARTIAL"

    assert await stack.broken_promises() == []


async def test_a_broker_restart_in_mid_bucket_is_survived(stack: AggregatorStack, kafka_server: KafkaServer) -> None:
    pages = await plant(stack.database, PLAN)
    happened = history(pages)
    async with aggregator_process(stack):
        await stack.emit(PLAN.on_shard, happened[:200])
        await eventually(lambda: _is_written(stack), what="a page write")
        kafka_server.kill()
        kafka_server.restart()
        await stack.emit(PLAN.on_shard, happened[200:])
        assert await stack.ended(PLAN.bucket) == "PARTIAL"

    assert await stack.broken_promises() == []


async def _is_written(stack: AggregatorStack) -> bool:
    return any(page.v for page in await stack.stored(PLAN.bucket))


async def test_forged_and_broken_records_are_dead_lettered_and_the_rest_goes_on(stack: AggregatorStack) -> None:
    pages = await plant(stack.database, PLAN)
    mine, foreign = Events(pages[0]), Events(Plan(tenant="t_evil", clients=60, columns=5, page_size=20).pages()[0])
    good = [all_dispatched(page) for page in pages]
    bad = {
        b"\xff\xfe\x00": "UNDECODABLE",
        b'{"v":99,"type":"SUCCEEDED"}': "SCHEMA",
        encode(foreign.succeeded(0, 0, 1)): "WRONG_TENANT",
        encode(mine.succeeded(99, 0, 1)): "UNKNOWN_UNIT",
        encode(mine.succeeded(0, 1, 77)): "AHEAD",
        b"x" * 50_000: "TOO_LARGE",
    }
    async with stack.aggregator():
        await stack.emit_raw(PLAN.on_shard, list(bad), headers=[("traceparent", b"\xff"), ("odd", b"")])
        await stack.emit(PLAN.on_shard, good)
        await stack.shows(PLAN.bucket, "D" * PLAN.n_units)
        await stack.committed_up_to(PLAN.on_shard, len(bad) + len(good))

    assert await stack.broken_promises() == []
    letters = await stack.read(DEAD_LETTERS.name)
    assert {record.value: dict(record.headers)["dlq-reason"].decode() for record in letters} == bad
    for record in letters:
        headers = dict(record.headers)
        assert record.key == b"key"
        assert headers["dlq-partition"] == str(PLAN.on_shard).encode()
        assert (headers["dlq-topic"].decode(), headers["odd"]) == (stack.settings.prefixed(EVENTS.name), b"")


async def test_a_tombstone_and_a_record_without_a_key_are_dead_lettered(stack: AggregatorStack) -> None:
    topic = stack.settings.prefixed(EVENTS.name)
    async with stack.aggregator():
        await stack.producer.send_and_wait(topic, None, key=b"key", partition=1)
        await stack.producer.send_and_wait(topic, b"{", partition=1)
        await stack.committed_up_to(1, 2)

    assert sorted(record.key or b"" for record in await stack.read(DEAD_LETTERS.name)) == [b"", b"key"]


async def test_a_run_of_unusable_records_ends_the_consumer_and_commits_nothing(stack: AggregatorStack) -> None:
    with pytest.raises(TooManyInvalid):
        await fed_with_nonsense(stack)

    assert await stack.read(DEAD_LETTERS.name) == []
    assert await stack.committed(2) is None


async def fed_with_nonsense(stack: AggregatorStack) -> None:
    async with stack.aggregator() as running:
        await stack.emit_raw(2, [b"{"] * (CONSECUTIVE_LIMIT + 1))
        await asyncio.wait([running], timeout=PATIENCE_S)

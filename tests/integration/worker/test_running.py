"""A worker on real Kafka and MongoDB: one event per command, order per client, what is stored, what is committed."""

import asyncio

from sync_contracts import commands
from sync_contracts.buckets import shard_of
from sync_contracts.events import Cancelled, Started, Succeeded
from sync_contracts.outcomes import Code
from sync_contracts.units import Unit
from sync_runtime.publisher import message_headers

from tests.support.eventually import eventually
from tests.support.worker_stack import NullModule, StoringModule, WorkerStack, command, seed


async def test_every_command_gets_exactly_one_event_and_its_offset_is_committed(stack: WorkerStack) -> None:
    await seed(stack.database, clients=50)
    async with stack.worker(NullModule()):
        await stack.send(*(command(number) for number in range(50)))
        await stack.succeeded(50)
    said = await stack.events()
    assert {type(event) for event in said} == {Succeeded}
    assert {event.ci for event in said if isinstance(event, Succeeded)} == set(range(50))
    assert await stack.committed() == 50


async def test_a_stored_unit_is_durable_before_its_event_and_unchanged_data_is_told(stack: WorkerStack) -> None:
    await seed(stack.database, clients=1, modules=("storing", "storing"), force=True)
    module = StoringModule()
    module.gate.set()
    async with stack.worker(module):
        await stack.send(command(0, 0, module="storing"), command(0, 1, module="storing"))
        await stack.succeeded(2)
    first, second = await stack.events()
    assert isinstance(first, Succeeded)
    assert isinstance(second, Succeeded)
    assert (first.code, second.code) == (Code.OK, Code.UNCHANGED)
    stored = await stack.database["datasets"].find_one({"tenant_id": "t_1"})
    assert stored is not None
    assert stored["ver"] == first.dataset_ver == "b_1.1.1"
    assert stored["fence"] == 2
    assert module.body not in stored["data"]


async def test_data_inside_the_cool_down_is_not_fetched_again(stack: WorkerStack) -> None:
    await seed(stack.database, clients=1, modules=("return_register", "return_register"))
    module = StoringModule(name="return_register")
    module.gate.set()
    async with stack.worker(module):
        await stack.send(*(command(0, mi, module="return_register") for mi in range(2)))
        await stack.succeeded(2)
    assert module.began == ["0" * 15]
    assert [event.code for event in await stack.events() if isinstance(event, Succeeded)] == [Code.OK, Code.UNCHANGED]


async def test_a_client_runs_one_unit_at_a_time_while_others_go_on(stack: WorkerStack) -> None:
    await seed(stack.database, clients=3, modules=("storing",) * 3, force=True)
    module = StoringModule()
    async with stack.worker(module):
        await stack.send(*(command(number, mi, module="storing") for mi in range(3) for number in range(3)))
        await eventually(lambda: len(module.began) == 3)
        assert len(set(module.began)) == 3
        module.gate.set()
        await stack.succeeded(9)
    assert module.most_of_one_client == 1
    order = [(event.ci, event.mi) for event in await stack.events() if isinstance(event, Succeeded)]
    for number in range(3):
        assert [mi for ci, mi in order if ci == number] == [0, 1, 2]


async def test_a_unit_that_has_run_a_while_says_that_it_has_started(stack: WorkerStack) -> None:
    await seed(stack.database, clients=1, modules=("storing",))
    module = StoringModule()
    async with stack.worker(module):
        await stack.send(command(0, module="storing"))

        async def started_said() -> bool:
            return any(isinstance(event, Started) for event in await stack.events())

        await eventually(started_said)
        module.gate.set()


async def test_units_that_have_ended_or_begun_a_later_round_are_dropped(stack: WorkerStack) -> None:
    await seed(stack.database, clients=1, unit=Unit("S", 1))
    await seed(stack.database, bucket="b_2", tenant="t_2", clients=1, unit=Unit("D", 1001))
    async with stack.worker(NullModule()):
        await stack.send(command(0), command(0, tenant="t_2", bucket="b_2"))

        async def released() -> bool:
            return await stack.committed() == 2

        await eventually(released)
    assert await stack.events() == []


async def test_a_cancelled_bucket_is_told_so_without_running(stack: WorkerStack) -> None:
    await seed(stack.database, clients=1, modules=("storing",), control="CANCEL")
    module = StoringModule()
    async with stack.worker(module):
        await stack.send(command(0, module="storing"))

        async def said() -> bool:
            return bool(await stack.events())

        await eventually(said)
    assert isinstance((await stack.events())[0], Cancelled)
    assert module.began == []


async def test_an_event_carries_key_shard_and_trace_of_its_command(stack: WorkerStack) -> None:
    await seed(stack.database, clients=1)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    asked = command(0)

    async with stack.worker(NullModule()):
        headers = message_headers(commands.SCHEMA, trace)
        await stack.send_raw((commands.key_of(asked.tenant, asked.client), commands.encode(asked), headers))
        await stack.succeeded(1)
    record = (await stack.records())[0]
    assert record.key == b"b_1"
    assert record.partition == shard_of("t_1")
    assert dict(record.headers)["traceparent"] == trace.encode()


async def test_a_drain_lets_running_units_end_and_commits_them(stack: WorkerStack) -> None:
    await seed(stack.database, clients=8, modules=("storing",))
    module = StoringModule()
    service = stack.service([module], max_inflight=2)
    await service.start()
    running = asyncio.create_task(service.run())
    await stack.send(*(command(number, module="storing") for number in range(8)))
    await eventually(lambda: len(module.began) == 2)
    draining = asyncio.create_task(service.drain())
    await asyncio.sleep(0.3)
    module.gate.set()
    await draining
    await running
    begun = len(module.began)
    assert 2 <= begun <= 4, "two ask and two are ready; what was queued is left to the next worker"
    await stack.succeeded(begun)
    assert await stack.committed() <= begun
    async with stack.worker(module):
        await stack.succeeded(8)
    assert len(module.began) == 8, "nothing ran twice"

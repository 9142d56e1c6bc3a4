"""What goes wrong around a worker: poison, kills, rebalances, overtaken deliveries, lost topics."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from local_stack.ports import free_ports
from sync_contracts import commands
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.events import Retry, Succeeded
from sync_contracts.outcomes import Code
from sync_contracts.topics import DEAD_LETTERS
from sync_worker.intake.dead_letters import TooManyInvalid

from tests.support.eventually import PATIENCE_S, eventually
from tests.support.worker_stack import NullModule, SlowModule, StoringModule, WorkerStack, command, seed

POISON: list[tuple[bytes | None, DeadLetterReason]] = [
    (None, DeadLetterReason.UNDECODABLE),
    (b"", DeadLetterReason.UNDECODABLE),
    (b"\xc3\x28" + bytes(range(256)), DeadLetterReason.UNDECODABLE),
    (b'{"v":1,"tenant":', DeadLetterReason.UNDECODABLE),
    (b'{"v":1,"tenant":"\xff\xfe"}', DeadLetterReason.UNDECODABLE),
    (b'{"unknown":' + b"[" * 1_500, DeadLetterReason.UNDECODABLE),
    (b'{"v":1}', DeadLetterReason.SCHEMA),
    (b'{"v":99}', DeadLetterReason.SCHEMA),
    (b"[]", DeadLetterReason.SCHEMA),
    (b"x" * 60_000, DeadLetterReason.TOO_LARGE),
    (commands.encode(command(0, ci=50)), DeadLetterReason.UNKNOWN_UNIT),
    (commands.encode(command(0, attempt=400)), DeadLetterReason.AHEAD),
]


async def test_poison_goes_to_the_dead_letters_and_the_rest_goes_on(stack: WorkerStack) -> None:
    await seed(stack.database, clients=20)
    async with stack.worker(NullModule()):
        for number, (value, _) in enumerate(POISON):
            await stack.send_raw(
                (None, value, [("null", None), ("traceparent", b"\xff")]) if value else (b"k", None, ())
            )
            await stack.send(command(number))
        await stack.send(*(command(number) for number in range(len(POISON), 20)))
        await stack.succeeded(20)

        async def all_released() -> bool:
            return await stack.committed() == 20 + len(POISON)

        await eventually(all_released, what="poison is committed")

    async def kept_all() -> bool:
        return len(await stack.records(DEAD_LETTERS.name)) == len(POISON)

    await eventually(kept_all, what="every poison record is kept")
    letters = await stack.records(DEAD_LETTERS.name)
    reasons = sorted(dict(letter.headers)["dlq-reason"].decode() for letter in letters)
    assert reasons == sorted(reason.value for _, reason in POISON)
    kept = {letter.value for letter in letters}
    assert all((value or b"") in kept for value, _ in POISON)
    assert all(
        dict(letter.headers)["dlq-topic"].decode() == stack.settings.prefixed("gst.sync.commands.v1")
        for letter in letters
    )


async def test_too_many_invalid_records_stop_the_worker_with_an_alarm(stack: WorkerStack) -> None:
    service = stack.service([NullModule()])
    await service.start()
    running = asyncio.create_task(service.run())
    await stack.send_raw(*((b"k", b"no json", ()) for _ in range(40)))
    with pytest.raises(Exception) as died:  # noqa: PT011 - the cause is what counts
        await asyncio.wait_for(running, PATIENCE_S)
    assert isinstance(died.value.__cause__, TooManyInvalid)
    await service.drain()


async def test_a_unit_whose_run_raises_ends_the_process_and_comes_again(stack: WorkerStack) -> None:
    await seed(stack.database, clients=1, modules=("storing",))
    service = stack.service([StoringModule()])
    broken = StoringModule()
    service._runner._attempts._fences = None  # type: ignore[assignment]
    await service.start()
    running = asyncio.create_task(service.run())
    await stack.send(command(0, module="storing"))
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, the process must end
        await asyncio.wait_for(running, PATIENCE_S)
    await service.drain()
    assert await stack.committed() == 0
    broken.gate.set()
    async with stack.worker(broken):
        await stack.succeeded(1)


async def test_a_worker_that_joins_takes_over_without_a_second_run(stack: WorkerStack) -> None:
    await seed(stack.database, clients=40, modules=("storing",))
    first, second = StoringModule(), StoringModule()
    async with stack.worker(first, max_inflight=4):
        await stack.send(*(command(number, module="storing") for number in range(40)))
        await eventually(lambda: len(first.began) == 4)
        joining = asyncio.create_task(_joined(stack, second))
        await asyncio.sleep(1)
        first.gate.set()
        second.gate.set()
        await stack.succeeded(40)
        await joining
    ran = first.began + second.began
    assert len(ran) == len(set(ran)) == 40
    assert await stack.committed() == 40


async def _joined(stack: WorkerStack, module: StoringModule) -> None:
    async with stack.worker(module, instance_id="worker-1"):
        await stack.succeeded(40)


async def test_the_fourth_delivery_of_a_record_that_kills_its_worker_is_a_counted_retry(
    stack: WorkerStack,
) -> None:
    await seed(stack.database, clients=1, modules=("storing",))
    module = StoringModule()
    await stack.send(command(0, module="storing"))
    for delivery in range(3):
        service = stack.service([module])
        await service.start()
        running = asyncio.create_task(service.run())
        await eventually(lambda: len(module.began) == delivery + 1)  # noqa: B023 - awaited in this turn
        running.cancel()
        service._intake._limits = service._intake._limits.__class__(drain_s=0.1)
        await service.drain()
        await asyncio.gather(running, return_exceptions=True)
    async with stack.worker(module):

        async def said() -> bool:
            return any(isinstance(event, Retry) for event in await stack.events())

        await eventually(said)
    retry = next(event for event in await stack.events() if isinstance(event, Retry))
    assert (retry.code, retry.counted) == (Code.CRASH_LOOP, True)
    assert len(module.began) == 3


async def test_commands_killed_in_the_middle_are_all_carried_out(stack: WorkerStack, tmp_path: Path) -> None:
    """Kill -9 of the real process, five times; it comes back in its own slot."""
    await seed(stack.database, clients=100, modules=("slow",) * 3, force=True)
    kek = tmp_path / "kek"
    kek.write_text("1 " + "A" * 43 + "=\n")
    await stack.send(*(command(number, mi, module="slow") for mi in range(3) for number in range(100)))
    for kill in range(5):
        process = await _start_process(stack, kek)
        await _obtained(stack, 40 * (kill + 1))
        process.kill()
        await process.wait()
    last = await _start_process(stack, kek)
    await _obtained(stack, 300)
    last.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(last.wait(), PATIENCE_S) == 0
    assert await stack.committed() == 300


async def _obtained(stack: WorkerStack, n: int) -> None:
    async def reached() -> bool:
        done = {(event.ci, event.mi) for event in await stack.events() if isinstance(event, Succeeded)}
        return len(done) >= n

    await eventually(reached, what=f"{n} units succeed")


async def _start_process(stack: WorkerStack, kek: Path) -> asyncio.subprocess.Process:
    settings = stack.settings
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "SB_INSTANCE_ID": "worker-0",
        "SB_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "SB_TOPIC_PREFIX": settings.topic_prefix,
        "SB_MONGO_URL": settings.mongo_url,
        "SB_MONGO_DATABASE": settings.mongo_database,
        "SB_KEK_FILE": str(kek),
        "SB_HEALTH_PORT": str(free_ports(1)[0]),
        "SB_MAX_INFLIGHT": "16",
        "SB_PORTAL_CLIENT_ID": "made-up",
        "SB_PORTAL_CLIENT_SECRET": "made-up",
        "SB_WORKER_EXTRA_MODULES": "tests.support.worker_stack:slow_modules",
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "sync_worker", env=environment)


async def test_a_database_restart_in_the_middle_is_waited_for(stack: WorkerStack, mongo_server: MongoServer) -> None:
    await seed(stack.database, clients=100, modules=("slow",) * 2, force=True)
    async with stack.worker(SlowModule(), max_inflight=8):
        await stack.send(*(command(number, mi, module="slow") for mi in range(2) for number in range(100)))
        await _obtained(stack, 40)
        mongo_server.kill()
        await asyncio.sleep(1)
        mongo_server.restart()  # by this thread: the server dies with the thread that started it
        await _all_ended(stack, 200)
    retries = {event.code for event in await stack.events() if isinstance(event, Retry)}
    assert retries <= {Code.CLIENT_SERIAL, Code.INTERRUPTED}, "our own outage is no failure of a unit"


async def test_a_broker_restart_in_the_middle_is_survived(stack: WorkerStack, kafka_server: KafkaServer) -> None:
    await seed(stack.database, clients=100, modules=("slow",) * 2, force=True)
    async with stack.worker(SlowModule(), max_inflight=8):
        await stack.send(*(command(number, mi, module="slow") for mi in range(2) for number in range(100)))
        await _obtained(stack, 40)
        kafka_server.kill()
        kafka_server.restart()
        await _all_ended(stack, 200)


async def _all_ended(stack: WorkerStack, n: int) -> None:
    """Each unit has ended, or is to be tried again by a new attempt."""

    async def reached() -> bool:
        said = {(event.ci, event.mi) for event in await stack.events() if isinstance(event, Succeeded | Retry)}
        return len(said) == n

    await eventually(reached, what=f"{n} units end")

"""`python -m bucket_api schedule` as it runs in production: two at once, killed, stopped, refused."""

import base64
import signal
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from sync_runtime.mongo import Database
from sync_runtime.telemetry import now_ms

from tests.stores.schedules.world import World
from tests.support.eventually import eventually
from tests.support.programs import Program, program
from tests.unit.schedules.schedules import PLAN

SCHEDULES = 6
ADVANCED = 'scheduler_schedules_total{outcome="advanced"}'


@pytest.fixture
async def world(mongo_db: Database) -> World:
    """By the clock of this machine."""
    made = await World.made(mongo_db)
    made.at = now_ms()
    return made


@pytest.fixture
def environment(
    kafka_server: KafkaServer, mongo_server: MongoServer, mongo_db: Database, tmp_path: Path
) -> dict[str, str]:
    kek = tmp_path / "kek"
    kek.write_text(f"1 {base64.b64encode(bytes(range(32))).decode()}\n")
    kek.chmod(0o600)
    return {
        "SB_INSTANCE_ID": "scheduler",
        "SB_KAFKA_BOOTSTRAP": kafka_server.bootstrap,
        "SB_MONGO_URL": mongo_server.url,
        "SB_MONGO_DATABASE": mongo_db.name,
        "SB_KEK_FILE": str(kek),
    }


def scheduler(environment: dict[str, str], log: Path) -> AbstractContextManager[Program]:
    return program("bucket_api", "schedule", environment=environment, log=log)


async def let_pass(world: World) -> None:
    """The time of every schedule has come."""
    passed = {"passed": world.at - 86_400_000, "slot": 1, "next_at": 1}
    await world.database["schedules"].update_many({}, {"$set": passed, "$inc": {"rev": 1}})


async def test_two_processes_start_one_bucket_for_each_slot_and_end_cleanly(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    for n in range(SCHEDULES):
        await world.schedule(name=f"n{n}", plan={**PLAN, "options": {"n": n}})
    log = tmp_path / "scheduler.log"
    with scheduler(environment, log) as one, scheduler(environment, log) as two:
        await one.ready()
        await two.ready()
        await let_pass(world)
        await eventually(lambda: _buckets(world, SCHEDULES), what="a bucket for each")
        for each in (one, two):
            assert await each.ended(signal.SIGTERM) == 0, log.read_text()

    assert len(await world.buckets()) == SCHEDULES
    found = [schedule async for schedule in world.database["schedules"].find({})]
    assert [len(schedule["occurrences"]) for schedule in found] == [1] * SCHEDULES
    assert "Traceback" not in log.read_text()


async def test_it_tells_what_it_did(world: World, environment: dict[str, str], tmp_path: Path) -> None:
    await world.schedule()
    with scheduler(environment, tmp_path / "scheduler.log") as running:
        await running.ready()
        await let_pass(world)
        await eventually(lambda: _buckets(world, 1), what="its bucket")
        await eventually(lambda: running.metric(ADVANCED), what="the metric")


async def test_it_refuses_to_start_without_its_indexes(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    await world.database["schedules"].drop_index("next_at")
    log = tmp_path / "scheduler.log"
    with scheduler(environment, log) as refusing:
        assert await refusing.ended() == 1

    assert "index schedules.next_at does not exist" in log.read_text()


async def _buckets(world: World, count: int) -> bool:
    return len(await world.buckets()) >= count

"""`python -m bucket_api schedule` as it runs in production: two at once, killed, stopped, refused."""

import asyncio
import base64
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from local_stack.ports import free_ports
from sync_runtime.mongo import Database
from sync_runtime.telemetry import now_ms

from tests.stores.schedules.world import World
from tests.support.eventually import eventually
from tests.unit.schedules.schedules import PLAN

SCHEDULES = 6


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
        **os.environ,
        "SB_INSTANCE_ID": "scheduler",
        "SB_KAFKA_BOOTSTRAP": kafka_server.bootstrap,
        "SB_MONGO_URL": mongo_server.url,
        "SB_MONGO_DATABASE": mongo_db.name,
        "SB_KEK_FILE": str(kek),
    }


@contextmanager
def process(env: dict[str, str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler as a child, gone at the end of the block."""
    with log.open("ab") as output:
        command = [sys.executable, "-m", "bucket_api", "schedule"]
        child = subprocess.Popen(command, env={**env, "SB_HEALTH_PORT": str(port)}, stderr=output)
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)


def is_ready(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
        return bool(answer.status == 200)
    return False


def advanced(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
        lines: list[str] = answer.read().decode().splitlines()
    (line,) = (line for line in lines if line.startswith('scheduler_schedules_total{outcome="advanced"}'))
    return float(line.rpartition(" ")[2])


async def let_pass(world: World) -> None:
    """The time of every schedule has come."""
    passed = {"passed": world.at - 86_400_000, "slot": 1, "next_at": 1}
    await world.database["schedules"].update_many({}, {"$set": passed, "$inc": {"rev": 1}})


async def test_two_processes_start_one_bucket_for_each_slot_and_end_cleanly(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    for n in range(SCHEDULES):
        await world.schedule(name=f"n{n}", plan={**PLAN, "options": {"n": n}})
    ports = free_ports(2)
    log = tmp_path / "scheduler.log"
    with process(environment, ports[0], log) as one, process(environment, ports[1], log) as two:
        await eventually(lambda: asyncio.to_thread(lambda: all(map(is_ready, ports))), what="readiness")
        await let_pass(world)
        await eventually(lambda: _buckets(world, SCHEDULES), what="a bucket for each")
        for child in (one, two):
            child.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(child.wait, 20) == 0, log.read_text()

    assert len(await world.buckets()) == SCHEDULES
    found = [schedule async for schedule in world.database["schedules"].find({})]
    assert [len(schedule["occurrences"]) for schedule in found] == [1] * SCHEDULES
    assert "Traceback" not in log.read_text()


async def test_it_tells_what_it_did(world: World, environment: dict[str, str], tmp_path: Path) -> None:
    await world.schedule()
    (port,) = free_ports(1)
    with process(environment, port, tmp_path / "scheduler.log"):
        await eventually(lambda: asyncio.to_thread(is_ready, port), what="readiness")
        await let_pass(world)
        await eventually(lambda: _buckets(world, 1), what="its bucket")
        await eventually(lambda: asyncio.to_thread(advanced, port), what="the metric")


async def test_it_refuses_to_start_without_its_indexes(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    await world.database["schedules"].drop_index("next_at")
    (port,) = free_ports(1)
    log = tmp_path / "scheduler.log"
    with process(environment, port, log) as child:
        assert await asyncio.to_thread(child.wait, 30) == 1

    assert "index schedules.next_at does not exist" in log.read_text()


async def _buckets(world: World, count: int) -> bool:
    return len(await world.buckets()) >= count

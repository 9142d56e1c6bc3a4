"""`python -m bucket_api dispatch` as it runs in production: started, killed, stopped."""

import asyncio
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

from tests.support.dispatching import DispatchingSite
from tests.support.eventually import eventually
from tests.support.planted import Plan, plant


@pytest.fixture
async def site(
    kafka_server: KafkaServer, mongo_server: MongoServer, mongo_db: Database, unique_prefix: str
) -> DispatchingSite:
    made = DispatchingSite(kafka_server.bootstrap, mongo_server.url, mongo_db, unique_prefix)
    await made.prepare()
    return made


def environment(site: DispatchingSite, port: int, **given: str) -> dict[str, str]:
    settings = site.settings()
    return {
        **os.environ,
        "SB_INSTANCE_ID": settings.instance_id,
        "SB_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "SB_MONGO_URL": settings.mongo_url,
        "SB_MONGO_DATABASE": settings.mongo_database,
        "SB_TOPIC_PREFIX": settings.topic_prefix,
        "SB_HEALTH_PORT": str(port),
        **given,
    }


@contextmanager
def process(env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The dispatcher as a child, gone at the end of the block."""
    with log.open("ab") as output:
        child = subprocess.Popen([sys.executable, "-m", "bucket_api", "dispatch"], env=env, stderr=output)
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)


def is_ready(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
        return bool(answer.status == 200)
    return False


def metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
        lines: list[str] = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def test_it_dispatches_reports_and_ends_cleanly(site: DispatchingSite, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    await plant(site.database, Plan("b_1", clients=40, columns=1))
    with process(environment(site, port), tmp_path / "dispatcher.log") as child:
        await eventually(lambda: asyncio.to_thread(is_ready, port), what="readiness")
        await site.until_marked(40)
        assert await asyncio.to_thread(metric, port, 'dispatcher_units_total{outcome="dispatched"}') == 40
        assert await asyncio.to_thread(metric, port, "dispatcher_shards") == 32
        child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(child.wait, 20) == 0
    assert set((await site.commanded()).values()) == {1}


async def test_a_killed_one_is_replaced_in_its_slot_at_once_and_repeats_only_attempts(
    site: DispatchingSite, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    env = environment(site, port, SB_WINDOW_WITHOUT_RATE="100000")
    log = tmp_path / "dispatcher.log"
    await plant(site.database, Plan("b_1", clients=2_000, columns=1))
    with process(env, log):
        await site.until_marked(1)
    with process(env, log):
        await plant(site.database, Plan("b_2", tenant="t_two", clients=10, columns=1))
        await eventually(lambda: every_unit_marked(site, 2_010), what="all units")
    commanded = await site.commanded()
    assert set(await site.marked()) == set(commanded)
    assert {attempt for *_, attempt in commanded} == {1}


async def every_unit_marked(site: DispatchingSite, units: int) -> bool:
    return len(await site.marked()) == units


async def test_it_refuses_to_start_without_its_topics(
    kafka_server: KafkaServer, mongo_server: MongoServer, mongo_db: Database, unique_prefix: str, tmp_path: Path
) -> None:
    site = DispatchingSite(kafka_server.bootstrap, mongo_server.url, mongo_db, unique_prefix)
    (port,) = free_ports(1)
    log = tmp_path / "dispatcher.log"
    with process(environment(site, port), log) as child:
        assert await asyncio.to_thread(child.wait, 20) == 1
    assert "provision" in log.read_text()

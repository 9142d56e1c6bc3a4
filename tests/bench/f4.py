"""F4: how fast a big bucket obeys. Last new command after a pause, last new call after a cancel, time until it ended.

Commands are timed by the broker, calls by the sandbox's own journal, wishes and the end by the bucket document. The
bucket has 50,000 units that each make a call; SB_BENCH_UNITS takes another number, for trying it.
"""

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

import httpx
from bucket_api.buckets.controlling import Controlled, Controlling
from bucket_api.buckets.counters import from_views
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.wishes import ControlKind, Wishes
from local_stack.programs import SANDBOX
from msgspec import Struct
from sync_contracts.topics import COMMANDS
from sync_runtime.mongo import Database

from tests.bench.b1 import clear_journal
from tests.bench.buckets import COLUMNS, TENANT, BenchModule, accept, begin, seed
from tests.bench.modules import CALL_MS
from tests.bench.product import start_engine
from tests.bench.results import Figure
from tests.bench.world import World
from tests.support.topic_reading import read_topic

UNITS: Final = int(os.environ.get("SB_BENCH_UNITS", "50000"))
IN_FLIGHT: Final = 64
RATE_PER_S: Final = "300"
"""About as many calls as 64 at a time make; the dispatcher's window follows from it."""
BEFORE_S: Final = 5.0
"""How long the bucket runs before it is paused, and again before it is cancelled."""
WATCHED_S: Final = 5.0
"""How long the topic is watched after a pause."""
DEADLINE_S: Final = 240.0
POLL_S: Final = 0.05
MOST_COMMAND_S: Final = 2.0
MOST_REST_S: Final = 7.0
MOST_CALL_S: Final = 5.0
MOST_CANCEL_S: Final = 10.0


class Obeyed(Struct, frozen=True):
    """One bucket that was paused, resumed and cancelled. Seconds after the wish was answered."""

    last_command_s: float
    at_rest_s: float
    last_call_s: float
    ended_s: float
    longest_call_s: float
    cancelled: int


async def measure(runs: int) -> list[Figure]:
    """Medians; the first bucket warms up and does not count."""
    with World() as world, world.database() as database:
        await seed(database, UNITS // COLUMNS, world.kek_file)
        world.start(SANDBOX)
        start_engine(world, max_inflight=IN_FLIGHT, rate_per_s=RATE_PER_S)
        found = [await _obeyed(world, database, f"obey{run}") for run in range(-1, runs)]
    return _figures(found[1:])


async def _obeyed(world: World, database: Database, name: str) -> Obeyed:
    accepted = await accept(database, BenchModule.WAITING, UNITS // COLUMNS, name)
    await begin(database, accepted)
    await asyncio.sleep(BEFORE_S)
    paused = await _wish(database, accepted.id, "pause", name)
    paused_s = time.time()
    await asyncio.sleep(WATCHED_S)
    last_command_s = await _last_command_s(world) - paused_s
    at_rest_s = await _until(lambda: _in_flight(database, accepted.id), paused_s)
    await _wish(database, accepted.id, "resume", name)
    clear_journal(world)
    await asyncio.sleep(BEFORE_S)
    await _wish(database, accepted.id, "cancel", name)
    cancelled_s = time.time()
    await _until(lambda: _open(database, accepted.id), cancelled_s)
    document = await _bucket(database, accepted.id)
    result, journal = document["results"][-1], _journal(world)
    _check(paused, document)
    return Obeyed(
        last_command_s=max(0.0, last_command_s),
        at_rest_s=at_rest_s,
        last_call_s=max(0.0, journal["last_start_s"] - cancelled_s),
        ended_s=result["at"] / 1000 - cancelled_s,
        longest_call_s=CALL_MS / 1000,
        cancelled=result["counts"]["c"],
    )


async def _wish(database: Database, bucket: str, kind: ControlKind, name: str) -> Controlled:
    controlling = Controlling(BucketStore(database), Wishes(database), lambda: datetime.now(UTC))
    return await controlling.act(TENANT, bucket, kind, key=f"{name}-{kind}", by="us_bench", reason=None)


async def _last_command_s(world: World) -> float:
    """When the broker took the newest command."""
    records = await read_topic(world.settings.kafka_bootstrap, COMMANDS.name)
    return max(int(record.timestamp) for record in records) / 1000


async def _in_flight(database: Database, bucket: str) -> int:
    totals = from_views(await BucketStore(database).views(TENANT, bucket), 0).totals
    return totals["d"] + totals["r"]


async def _open(database: Database, bucket: str) -> int:
    return int((await _bucket(database, bucket))["status"] == "RUNNING")


async def _bucket(database: Database, bucket: str) -> dict[str, Any]:
    document = await BucketStore(database).get(TENANT, bucket)
    if document is None:
        raise RuntimeError("the bucket of a benchmark is gone")
    return document


async def _until(left: Callable[[], Any], since_s: float) -> float:
    """Seconds until nothing is left. Raises after the deadline."""
    while await left():
        if time.time() - since_s > DEADLINE_S:
            raise TimeoutError(f"not at rest after {DEADLINE_S:g} s")
        await asyncio.sleep(POLL_S)
    return time.time() - since_s


def _journal(world: World) -> dict[str, Any]:
    address = f"{world.settings.sandbox_control_url}/control/v1/bench"
    journal: dict[str, Any] = httpx.get(address, trust_env=False).raise_for_status().json()
    return journal


def _check(paused: Controlled, document: dict[str, Any]) -> None:
    """A bucket that had ended by itself would say nothing."""
    waiting = paused.reading.totals["p"] + paused.reading.totals["w"]
    if not waiting or document["status"] != "CANCELLED":
        raise RuntimeError(f"{waiting} units waited at the pause, ended as {document['status']}: take more units")


def _figures(found: list[Obeyed]) -> list[Figure]:
    how = f"median of {len(found)} buckets of {UNITS:,} units with a call of {CALL_MS} ms, {IN_FLIGHT} at a time"
    stopped = median(one.cancelled for one in found)
    limit_s = MOST_CANCEL_S + found[0].longest_call_s
    return [
        _within("f4_last_command_after_pause", [one.last_command_s for one in found], MOST_COMMAND_S, how),
        _within("f4_at_rest_after_pause", [one.at_rest_s for one in found], MOST_REST_S, how),
        _within("f4_last_call_after_cancel", [one.last_call_s for one in found], MOST_CALL_S, how),
        _within("f4_cancel_until_ended", [one.ended_s for one in found], limit_s, f"{how}; {stopped:,.0f} cancelled"),
    ]


def _within(name: str, values_s: list[float], limit_s: float, how: str) -> Figure:
    value_s = median(values_s)
    return Figure(
        name, value_s, "s", f"{how}; ratio to the limit", f"<= {limit_s:g}", value_s / limit_s, value_s <= limit_s
    )

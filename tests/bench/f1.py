"""F1: a newcomer behind a tenant with 50,000 units and 20 busy ones, by the real way to the simulated portal.

The newcomer starts 5 units, again and again; then the same on the idle system. Beside it, how evenly the busy tenants
were served meanwhile. SB_BENCH_UNITS takes another number of units of the big tenant, for trying it; the busy ones then
have proportionally less.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from bucket_api.buckets.counters import from_views
from bucket_api.buckets.store import BucketStore
from bucket_api.dispatch.shares import evenness
from bucket_api.scope import TenantScope
from local_stack.programs import SANDBOX
from sync_runtime.mongo import Database

from tests.bench.buckets import COLUMNS, Accepted, BenchModule, accept, begin, completed, seed
from tests.bench.product import start_engine
from tests.bench.results import Figure
from tests.bench.world import World

UNITS: Final = int(os.environ.get("SB_BENCH_UNITS", "50000"))
RATE_PER_S: Final = 100
INTERVAL_S: Final = 1 / RATE_PER_S
"""The rate interval: the time between two permitted calls."""
BIG: Final = TenantScope("t_bench_big")
BUSY: Final = tuple(TenantScope(f"t_bench_{number:02}") for number in range(20))
NEWCOMER: Final = TenantScope("t_bench_new")
UNITS_OF_BUSY: Final = max(COLUMNS, UNITS // 25)
CLIENTS_OF_NEWCOMER: Final = 5
STARTS: Final = 5
MEASURED_S: Final = 20.0
WARM_UP_S: Final = 8.0
"""Longer than the line needs for a whole window."""
MOST_TIMES_IDLE: Final = 2.0
LEAST_EVENNESS: Final = 0.95


async def measure(runs: int) -> list[Figure]:
    """Medians over `runs` × 5 starts of the newcomer, each with its own peer on the idle system."""
    with World() as world, world.database() as database:
        await _seed(world, database)
        world.start(SANDBOX)
        start_engine(world, rate_per_s=str(RATE_PER_S))
        await newcomer(database, "warm")
        idle = [await newcomer(database, f"idle{n}") for n in range(runs * STARTS)]
        busy = [await accept(database, BenchModule.REGISTER, UNITS_OF_BUSY // COLUMNS, "busy", each) for each in BUSY]
        big = await accept(database, BenchModule.REGISTER, UNITS // COLUMNS, "big", BIG)
        for accepted in (big, *busy):
            await begin(database, accepted)
        await asyncio.sleep(WARM_UP_S)
        before, begun_s = await ended(database, (big, *busy)), time.monotonic()
        behind = [await newcomer(database, f"behind{n}") for n in range(runs * STARTS)]
        await asyncio.sleep(max(0.0, MEASURED_S - (time.monotonic() - begun_s)))
        after, took_s = await ended(database, (big, *busy)), time.monotonic() - begun_s
    return _figures(idle, behind, [end - start for start, end in zip(before, after, strict=True)], took_s)


async def _seed(world: World, database: Database) -> None:
    await seed(database, UNITS // COLUMNS, world.kek_file, BIG)
    await seed(database, CLIENTS_OF_NEWCOMER, world.kek_file, NEWCOMER)
    for tenant in BUSY:
        await seed(database, UNITS_OF_BUSY // COLUMNS, world.kek_file, tenant)


async def newcomer(database: Database, name: str) -> float:
    """Seconds from the acceptance of a bucket of 5 units to its completion."""
    accepted = await accept(database, BenchModule.REGISTER, CLIENTS_OF_NEWCOMER, name, NEWCOMER, columns=1)
    begun_s = time.time()
    await begin(database, accepted)
    document = await completed(database, accepted.id, tenant=NEWCOMER)
    return float(document["results"][-1]["at"] / 1000 - begun_s)


async def ended(database: Database, buckets: Sequence[Accepted]) -> list[int]:
    """Units of each bucket that have succeeded. Raises when one has no work left: then nothing is measured."""
    store, counts = BucketStore(database), []
    for accepted in buckets:
        totals = from_views(await store.views(accepted.tenant, accepted.id), 0).totals
        if totals["s"] == accepted.units:
            raise RuntimeError(f"the bucket of {accepted.tenant.tenant_id} has ended too early")
        counts.append(totals["s"])
    return counts


def _figures(idle: list[float], behind: list[float], served: list[int], took_s: float) -> list[Figure]:
    alone, crowded = median(idle), median(behind)
    limit_s = MOST_TIMES_IDLE * alone + INTERVAL_S
    worst = max(behind)
    evenly = evenness(served)
    how = (
        f"median of {len(behind)} buckets of 5 units beside 21 tenants at {RATE_PER_S} calls/s; "
        f"ratio to twice the idle latency and {INTERVAL_S:g} s, the time between two calls"
    )
    even = f"Jain's index of the units of 21 tenants in {took_s:.0f} s; ratio to the limit"
    rate = sum(served) / took_s
    return [
        Figure("f1_newcomer", crowded, "s", how, "ratio <= 1", crowded / limit_s, crowded <= limit_s),
        Figure("f1_newcomer_worst", worst, "s", "the slowest of them; ratio as above", ratio=worst / limit_s),
        Figure("f1_newcomer_idle", alone, "s", f"median of {len(idle)} on the idle system"),
        Figure(
            "f1_evenness", evenly, "", even, f">= {LEAST_EVENNESS}", evenly / LEAST_EVENNESS, evenly >= LEAST_EVENNESS
        ),
        Figure(
            "f1_rate",
            rate,
            "units/s",
            "of the 21 tenants together; ratio to the permitted calls",
            ratio=rate / RATE_PER_S,
        ),
    ]

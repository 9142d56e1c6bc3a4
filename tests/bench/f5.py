"""F5: the engine with 16 tenants beside the engine with one, 50,000 null units each, in turn on the same processes.

SB_BENCH_UNITS takes another number of units, for trying it.
"""

import os
import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from bucket_api.scope import TenantScope
from sync_runtime.mongo import Database

from tests.bench.buckets import COLUMNS, TENANT, Accepted, BenchModule, accept, begin, completed, seed
from tests.bench.processes import CpuMeter
from tests.bench.product import start_engine
from tests.bench.rates import Pass, median_of
from tests.bench.results import Figure
from tests.bench.world import World

UNITS: Final = int(os.environ.get("SB_BENCH_UNITS", "50000"))
MANY: Final = tuple(TenantScope(f"t_bench_{number:02}") for number in range(16))
LEAST_SHARE: Final = 0.9


async def measure(runs: int) -> list[Figure]:
    """Rates and CPU; the first run of both warms caches."""
    alone: list[Pass] = []
    together: list[Pass] = []
    with World() as world, world.database() as database:
        await seed(database, UNITS // COLUMNS, world.kek_file)
        for tenant in MANY:
            await seed(database, UNITS // COLUMNS // len(MANY), world.kek_file, tenant)
        start_engine(world)
        for run in range(-1, runs):
            alone.append(await timed(world, database, await buckets_of((TENANT,), database, run)))
            together.append(await timed(world, database, await buckets_of(MANY, database, run)))
    return _figures(alone[1:], together[1:])


async def buckets_of(tenants: Sequence[TenantScope], database: Database, run: int) -> list[Accepted]:
    """A bucket for each tenant, all of the same size."""
    clients = UNITS // COLUMNS // len(tenants)
    return [await accept(database, BenchModule.NULL, clients, f"null{run}", tenant) for tenant in tenants]


async def timed(world: World, database: Database, buckets: Sequence[Accepted]) -> Pass:
    """All buckets at once, from the first one's acceptance to the last one's completion."""
    meter, begun_s = CpuMeter(world.pids), time.time()
    for accepted in buckets:
        await begin(database, accepted)
    ended = [await completed(database, each.id, tenant=each.tenant) for each in buckets]  # one at a time: cheap polling
    last_s = max(document["results"][-1]["at"] for document in ended) / 1000
    return Pass(sum(each.units for each in buckets), last_s - begun_s, meter.used_s())


def _figures(alone: list[Pass], together: list[Pass]) -> list[Figure]:
    share = median(many.rate_per_s / one.rate_per_s for one, many in zip(alone, together, strict=True))
    one, many = (median_of(passes, lambda run: run.rate_per_s) for passes in (alone, together))
    cpu = median_of(together, lambda run: run.cpu_s_per_1000)
    cpu_share = cpu / median_of(alone, lambda run: run.cpu_s_per_1000)
    how = f"median of {len(together)} runs, {UNITS:,} null units of 16 tenants; ratio to one tenant just before"
    return [
        Figure("f5_rate_of_16_tenants", many, "units/s", how, f"ratio >= {LEAST_SHARE}", share, share >= LEAST_SHARE),
        Figure("f5_rate_of_one_tenant", one, "units/s", "the same units of one tenant"),
        Figure("f5_cpu_of_16_tenants", cpu, "CPU s/1000 units", "all processes; ratio to one tenant", ratio=cpu_share),
    ]

"""Runs the product's processes on a world's servers and carries buckets through them."""

import time
from typing import Final

from local_stack.programs import AGGREGATOR, DISPATCHER, WORKER
from sync_runtime.mongo import Database

from tests.bench.buckets import Accepted, begin, completed
from tests.bench.processes import CpuMeter
from tests.bench.rates import Pass
from tests.bench.world import World

MODULES: Final = "tests.bench.modules:all_modules"
ROLES: Final = ("dispatcher-0", "worker-0", "aggregator-0")
NO_RATE: Final = ""
"""No limit of calls per second: the window of the dispatcher is then 10,000 units."""


def start_engine(world: World, *, max_inflight: int | None = None, rate_per_s: str = NO_RATE) -> None:
    """One aggregator, one dispatcher, one worker that knows the benchmark's modules too.

    `rate_per_s` gives the line a rate, and thereby the dispatcher a window; the benchmark's modules ask for no permit.
    """
    world.start(AGGREGATOR)
    world.start(DISPATCHER)
    inflight = {} if max_inflight is None else {"SB_MAX_INFLIGHT": str(max_inflight)}
    world.start(WORKER, SB_WORKER_EXTRA_MODULES=MODULES, SB_PORTAL_RATE_PER_S=rate_per_s, **inflight)


async def product_pass(world: World, database: Database, accepted: Accepted) -> Pass:
    """One bucket, from its acceptance to its completion as the aggregator wrote it down."""
    meter, begun_s = CpuMeter(world.pids), time.time()
    await begin(database, accepted)
    document = await completed(database, accepted.id)
    cpu_s = meter.used_s()
    return Pass(accepted.units, document["results"][-1]["at"] / 1000 - begun_s, cpu_s)

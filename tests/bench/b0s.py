"""B0s, what every real unit does: a fence, one 2 kB dataset, an event; and how many database operations that takes."""

from statistics import median
from typing import Final

from tests.bench.b0 import per_process
from tests.bench.buckets import COLUMNS, BenchModule, accept, seed
from tests.bench.operations import OperationMeter
from tests.bench.product import product_pass, start_engine
from tests.bench.rates import Pass, median_of
from tests.bench.results import Figure
from tests.bench.world import World

UNITS: Final = 20_000
WARM_UP_UNITS: Final = 2_000
LEAST_RATE: Final = 1_500
MOST_OPERATIONS: Final = 400


async def measure(runs: int) -> list[Figure]:
    """Rate, CPU and database operations; each run stores new versions of the same datasets."""
    passes: list[Pass] = []
    operations: list[float] = []
    with World() as world, world.database() as database:
        await seed(database, UNITS // COLUMNS, world.kek_file)
        start_engine(world)
        for run in range(-1, runs):
            units = WARM_UP_UNITS if run < 0 else UNITS
            accepted = await accept(database, BenchModule.STORED, units // COLUMNS, f"stored{run}")
            meter = await OperationMeter.begin(database)
            passes.append(await product_pass(world, database, accepted))
            operations.append(sum((await meter.used()).values()) * 1000 / units)
    return _figures(passes[1:], median(operations[1:]))


def _figures(runs: list[Pass], operations: float) -> list[Figure]:
    rate, cpu = median_of(runs, lambda run: run.rate_per_s), median_of(runs, lambda run: run.cpu_s_per_1000)
    how = f"median of {len(runs)} buckets of {UNITS:,} units, each with a fence and 2 kB stored; ratio to the target"
    counted = "commands that the server carried out in a bucket, of all services; ratio to the limit"
    share = operations / MOST_OPERATIONS
    return [
        Figure("b0s_rate", rate, "units/s", how, f">= {LEAST_RATE}", rate / LEAST_RATE, rate >= LEAST_RATE),
        Figure("b0s_cpu", cpu, "CPU s/1000 units", how),
        *per_process("b0s", runs),
        Figure("b0s_operations", operations, "per 1000 units", counted, f"<= {MOST_OPERATIONS}", share, share <= 1),
    ]

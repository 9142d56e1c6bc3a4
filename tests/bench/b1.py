"""B1, waiting efficiency: 30,000 units of 200 ms at 500 in flight, by the sandbox's own journal of the calls."""

import math
from statistics import median
from typing import Any, Final

import httpx
from local_stack.programs import SANDBOX

from tests.bench.b0 import per_process
from tests.bench.buckets import COLUMNS, BenchModule, accept, seed
from tests.bench.modules import CALL_MS
from tests.bench.product import product_pass, start_engine
from tests.bench.rates import Pass, median_of
from tests.bench.results import Figure
from tests.bench.world import World

UNITS: Final = 30_000
WARM_UP_UNITS: Final = 2_500
IN_FLIGHT: Final = 500
IDEAL_S: Final = math.ceil(UNITS / IN_FLIGHT) * CALL_MS / 1000
LEAST_EFFICIENCY: Final = 0.97


async def measure(runs: int) -> list[Figure]:
    """Ideal time over the time from the first call's start to the last one's end."""
    journals: list[dict[str, Any]] = []
    passes: list[Pass] = []
    with World() as world, world.database() as database:
        await seed(database, UNITS // COLUMNS, world.kek_file)
        world.start(SANDBOX)
        start_engine(world, max_inflight=IN_FLIGHT)
        for run in range(-1, runs):
            clear_journal(world)
            units = WARM_UP_UNITS if run < 0 else UNITS
            accepted = await accept(database, BenchModule.WAITING, units // COLUMNS, f"waiting{run}")
            passes.append(await product_pass(world, database, accepted))
            journals.append(journal(world))
    return _figures(journals[1:], passes[1:])


def _figures(journals: list[dict[str, Any]], passes: list[Pass]) -> list[Figure]:
    if any(journal["calls"] != UNITS for journal in journals):
        raise RuntimeError(f"each unit makes one call: {journals}")
    efficiency = median(IDEAL_S / (journal["last_end_s"] - journal["first_start_s"]) for journal in journals)
    cpu = median_of(passes, lambda run: run.cpu_s_per_1000)
    most = max(journal["max_in_flight"] for journal in journals)
    how = f"median of {len(journals)} buckets of {UNITS:,} calls of {CALL_MS} ms, {most} in flight; ratio to the ideal"
    target, met = f">= {LEAST_EFFICIENCY}", efficiency >= LEAST_EFFICIENCY
    return [
        Figure("b1_efficiency", efficiency, "of the ideal time", how, target, efficiency, met),
        Figure("b1_cpu", cpu, "CPU s/1000 units", "the same, all processes, servers and the sandbox together"),
        *per_process("b1", passes),
    ]


def journal(world: World) -> dict[str, Any]:
    """Counters of the sandbox's benchmark route."""
    found: dict[str, Any] = httpx.get(_address(world), trust_env=False).raise_for_status().json()
    return found


def clear_journal(world: World) -> None:
    """Begin to count anew."""
    httpx.delete(_address(world), trust_env=False).raise_for_status()


def _address(world: World) -> str:
    return f"{world.settings.sandbox_control_url}/control/v1/bench"

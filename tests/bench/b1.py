"""B1, waiting efficiency: 30,000 units of 200 ms at 500 in flight, by the sandbox's own journal of the calls.

Beside it the same calls without an engine: what the client and two cores leave of the ideal on this machine, now.
"""

import math
import subprocess
import sys
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
DEADLINE_S: Final = 300


async def measure(runs: int) -> list[Figure]:
    """Ideal time over the time from the first call's start to the last one's end."""
    ours: list[float] = []
    peers: list[float] = []
    passes: list[Pass] = []
    with World() as world, world.database() as database:
        await seed(database, UNITS // COLUMNS, world.kek_file)
        world.start(SANDBOX)
        start_engine(world, max_inflight=IN_FLIGHT)
        for run in range(-1, runs):
            units = WARM_UP_UNITS if run < 0 else UNITS
            clear_journal(world)
            call_without_engine(world, units)
            peers.append(efficiency(world, units))
            clear_journal(world)
            accepted = await accept(database, BenchModule.WAITING, units // COLUMNS, f"waiting{run}")
            passes.append(await product_pass(world, database, accepted))
            ours.append(efficiency(world, units))
    return _figures(ours[1:], peers[1:], passes[1:])


def _figures(ours: list[float], peers: list[float], passes: list[Pass]) -> list[Figure]:
    share = median(own / peer for own, peer in zip(ours, peers, strict=True))
    own, cpu = median(ours), median_of(passes, lambda run: run.cpu_s_per_1000)
    how = f"median of {len(ours)} buckets of {UNITS:,} calls of {CALL_MS} ms at {IN_FLIGHT} in flight"
    target = f">= {LEAST_EFFICIENCY}"
    return [
        Figure("b1_efficiency", own, "of ideal", f"{how}; ratio to the peer", target, share, own >= LEAST_EFFICIENCY),
        Figure("b1_raw_efficiency", median(peers), "of ideal", "the same calls by the same client without an engine"),
        Figure("b1_cpu", cpu, "CPU s/1000 units", "all processes, servers and the sandbox together"),
        *per_process("b1", passes),
    ]


def call_without_engine(world: World, calls: int) -> None:
    """The peer, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.raw_calls", world.settings.sandbox_url, str(calls), str(IN_FLIGHT)]
    subprocess.run(command, check=True, timeout=DEADLINE_S)


def efficiency(world: World, calls: int) -> float:
    """Ideal time over the time that the sandbox's journal shows. Raises unless it shows exactly these calls."""
    journal: dict[str, Any] = httpx.get(_address(world), trust_env=False).raise_for_status().json()
    if journal["ended"] != calls:
        raise RuntimeError(f"{journal['ended']} calls, not {calls}")
    took_s = float(journal["last_end_s"] - journal["first_start_s"])
    return IDEAL_S * calls / UNITS / took_s


def clear_journal(world: World) -> None:
    """Begin to count anew."""
    httpx.delete(_address(world), trust_env=False).raise_for_status()


def _address(world: World) -> str:
    return f"{world.settings.sandbox_control_url}/control/v1/bench"

"""F2: how much of a line's rate is used, and whether it is ever exceeded, by the journal of the simulated portal.

A bucket of 10,000 units against a line of 100 calls a second. SB_BENCH_UNITS takes another number of units, for trying
it; the simulated portal refuses what is above rate and burst, and a refusal would lower the rate.
"""

import os
from contextlib import closing
from statistics import median
from typing import Final

from local_stack.programs import SANDBOX
from msgspec import Struct
from sync_runtime.mongo import Database

from tests.bench.buckets import COLUMNS, BenchModule, accept, begin, completed, seed
from tests.bench.product import start_engine
from tests.bench.results import Figure
from tests.bench.world import World
from tests.support.call_windows import most_in, needed_burst
from tests.support.sandbox_control import SandboxControl

UNITS: Final = int(os.environ.get("SB_BENCH_UNITS", "10000"))
RATE_PER_S: Final = 100
FROM_S: Final = 5.0
TO_SHARE: Final = 0.99
WINDOWS_S: Final = (0.1, 0.5, 1.0, 2.0)
LEAST_USE: Final = 0.98


class Seen(Struct, frozen=True):
    """What the portal saw of one bucket. `fullest`: of all windows, calls against what is tolerated in one."""

    calls: int
    refused: int
    use: float
    fullest: float
    burst: float


async def measure(runs: int) -> list[Figure]:
    """Medians over `runs` buckets."""
    with World() as world, world.database() as database:
        await seed(database, UNITS // COLUMNS, world.kek_file)
        world.start(SANDBOX)
        start_engine(world, rate_per_s=str(RATE_PER_S))
        tolerated = world.settings.portal_burst
        with closing(SandboxControl(world.settings.sandbox_control_url)) as sandbox:
            sandbox.limit(gsp_per_s=RATE_PER_S, gsp_burst=tolerated)
            seen = [await _bucket(database, sandbox, f"budget{run}", tolerated) for run in range(runs)]
    return _figures(seen, tolerated)


async def _bucket(database: Database, sandbox: SandboxControl, name: str, tolerated: float) -> Seen:
    since_s = sandbox.now()
    accepted = await accept(database, BenchModule.REGISTER, UNITS // COLUMNS, name)
    await begin(database, accepted)
    await completed(database, accepted.id)
    return judged([(call.at_s, call.http) for call in sandbox.calls(since_s=since_s)], tolerated)


def judged(calls: list[tuple[float, int]], tolerated: float) -> Seen:
    """Times (s) and HTTP statuses of calls against the rate; its use from the 5th second to the last hundredth."""
    times = sorted(at_s for at_s, _ in calls)
    counted = [at_s for at_s in times[: int(len(times) * TO_SHARE)] if at_s >= times[0] + FROM_S]
    took_s = counted[-1] - counted[0] if len(counted) > 1 else 0.0
    return Seen(
        calls=len(times),
        refused=sum(http != 200 for _, http in calls),
        use=(len(counted) - 1) / (took_s * RATE_PER_S) if took_s else 0.0,
        fullest=max(most_in(times, w) / (RATE_PER_S * w + tolerated) for w in WINDOWS_S),
        burst=needed_burst(times, RATE_PER_S),
    )


def _figures(seen: list[Seen], tolerated: float) -> list[Figure]:
    use, fullest, burst = median(run.use for run in seen), max(run.fullest for run in seen), max(r.burst for r in seen)
    refused = sum(run.refused for run in seen)
    how = f"median of {len(seen)} buckets of {UNITS:,} units at {RATE_PER_S} calls/s; ratio to the limit"
    windows = f"fullest window of {', '.join(f'{w:g}' for w in WINDOWS_S)} s: calls against rate × w + {tolerated:g}"
    all_windows = (
        f"burst needed so that every window of any length is within the rate; the line tolerates {tolerated:g}"
    )
    return [
        Figure("f2_use", use, "of the rate", how, f">= {LEAST_USE}", use / LEAST_USE, use >= LEAST_USE),
        Figure("f2_fullest_window", fullest, "of tolerated", windows, "<= 1", fullest, fullest <= 1),
        Figure("f2_burst", burst, "calls", all_windows, f"<= {tolerated:g}", burst / tolerated, burst <= tolerated),
        Figure("f2_refused", refused, "calls", "refused by the simulated portal", "0", None, refused == 0),
    ]

"""F3, recovery: what a kill -9 costs a bucket whose process the supervisor starts again in its place."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.results import Figure
from tests.chaos.load import Lane
from tests.chaos.scene import Scene, plain_scene, repeated
from tests.support.eventually import eventually_blocking
from tests.support.practices import share_ended

MOST_S: Final = {"worker-0": 5.0, "dispatcher-0": 10.0, "aggregator-0": 10.0}
KILLS: Final = 3
SHARE_DEADLINE_S: Final = 120.0
SPREAD: Final = 0.6
"""Kills lie in the first part of the bucket, so that what they cost is seen in its end."""


async def measure(runs: int) -> list[Figure]:
    """Seconds that each kill adds to a bucket, against undisturbed ones of the same size in the same stack."""
    return await asyncio.to_thread(_measured, runs)


def _measured(runs: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="sb-f3-") as folder, plain_scene(Path(folder)) as scene:
        lane = scene.load.lanes[0]
        _bucket(scene, lane, None)  # the first one warms up
        undisturbed_s = median(_bucket(scene, lane, None) for _ in range(runs))
        calls_before, _ = repeated([lane])
        figures = [_figure(scene, lane, name, undisturbed_s, runs) for name in MOST_S]
        extra = (repeated([lane])[0] - calls_before) / (runs * KILLS * len(MOST_S))
    how = "portal calls above one a unit, per kill; a worker has at most its share of the units that run"
    return [*figures, Figure("f3_extra_calls", extra, "calls/kill", how)]


def _figure(scene: Scene, lane: Lane, name: str, undisturbed_s: float, runs: int) -> Figure:
    took_s = median(_bucket(scene, lane, lambda: scene.running.kill9_and_await_return(name)) for _ in range(runs))
    added_s, most_s = (took_s - undisturbed_s) / KILLS, MOST_S[name]
    how = f"{KILLS} kills in each of {runs} buckets; medians; undisturbed {undisturbed_s:.1f} s; ratio to the limit"
    shown = f"f3_{name.partition('-')[0]}"
    return Figure(shown, added_s, "s/kill", how, f"<= {most_s:g}", added_s / most_s, added_s <= most_s)


def _await_share(lane: Lane, share: float) -> None:
    eventually_blocking(lambda: share_ended(lane.seen()) >= share, SHARE_DEADLINE_S, what=f"{share:.0%} has ended")


def _bucket(scene: Scene, lane: Lane, kill: Callable[[], None] | None) -> float:
    """Seconds from the start of a bucket to its end, killed evenly in its first part."""
    scene.wait_ready()
    lane.renew()
    began = time.monotonic()
    for number in range(1, KILLS + 1) if kill else ():
        _await_share(lane, number * SPREAD / KILLS)
        assert kill is not None
        kill()
    lane.ended()
    return time.monotonic() - began

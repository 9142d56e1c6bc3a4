"""A process dies and is not started again: the others of its group take its partitions over."""

import time
from functools import partial
from typing import Final

import httpx

from tests.chaos.guards import metrics_addresses
from tests.chaos.kills import DISPATCH_BATCH, IN_FLIGHT_OF_A_WORKER
from tests.chaos.scene import Family, Fault, Scene, plain_scene
from tests.support.eventually import eventually_blocking

SESSION_TIMEOUT_S: Final = 30.0
MOST_S: Final = SESSION_TIMEOUT_S + 5.0
"""F3: seconds until the others have the partitions. Observed and told; no run fails by it."""
DEADLINE_S: Final = 240.0
TAKEN: Final = ("sync_assignments_total{", "dispatcher_shards ")
"""Metrics that grow when a process is given more partitions."""


def gone(name: str, other: str, scene: Scene) -> None:
    """Kill a process and keep it away until the other one has its partitions and the buckets have ended."""
    before = _assignments(scene, other)
    scene.running.stack.kill9_and_hold(name)
    began = time.monotonic()
    try:
        eventually_blocking(
            lambda: _assignments(scene, other) > before, DEADLINE_S, what=f"{other} takes over from {name}"
        )
        took_s = time.monotonic() - began
        scene.load.end()
    finally:
        scene.running.stack.release(name)
    scene.notes.append(
        f"{name} not started again: {other} had its partitions after {took_s:.1f} s (bound {MOST_S:g} s"
        f"{', exceeded' if took_s > MOST_S else ''})"
    )


def _assignments(scene: Scene, name: str) -> float:
    """Grows when a process is given the partitions of another one."""
    text = httpx.get(metrics_addresses(scene.running.stack)[name], timeout=10, trust_env=False).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(TAKEN))


def faults(what: str) -> tuple[Fault, ...]:
    """The first process of each role is gone, the second one carries on; with the extra calls that it may cost."""
    return tuple(Fault(f"{role} {what}", 1, partial(gone, f"{role}-0", f"{role}-1"), extra) for role, extra in ROLES)


ROLES: Final = (("worker", IN_FLIGHT_OF_A_WORKER), ("dispatcher", 2 * DISPATCH_BATCH), ("aggregator", DISPATCH_BATCH))

FAMILY: Final = Family("gone", faults("not started again"), partial(plain_scene, dispatchers=2, aggregators=2))

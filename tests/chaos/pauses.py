"""Processes sleep longer than their group waits for them, others take over, then the sleepers wake up as zombies."""

import os
import signal
from functools import partial
from typing import Final

from tests.chaos.kills import DISPATCH_BATCH, IN_FLIGHT_OF_A_WORKER
from tests.chaos.scene import Family, Fault, Scene, plain_scene

PAUSE_S: Final = 45.0
"""Longer than the 30 s after which a group gives a silent member's partitions to the others."""
WAKES: Final = 3


def pause(name: str, scene: Scene, *, seconds: float = PAUSE_S) -> None:
    """Stop a process for so long, under load, then let it go on."""
    sleeper = scene.running.stack.pid(name)
    os.kill(sleeper, signal.SIGSTOP)
    try:
        scene.hold(seconds)
    finally:
        os.kill(sleeper, signal.SIGCONT)


FAMILY: Final = Family(
    "pauses",
    (
        Fault("worker asleep", WAKES, partial(pause, "worker-0"), 2 * IN_FLIGHT_OF_A_WORKER),
        Fault("dispatcher asleep", WAKES, partial(pause, "dispatcher-0"), 2 * DISPATCH_BATCH),
        Fault("aggregator asleep", WAKES, partial(pause, "aggregator-0"), 2 * DISPATCH_BATCH),
        Fault("api asleep", 1, partial(pause, "api", seconds=10.0)),
    ),
    partial(plain_scene, dispatchers=2, aggregators=2),
)

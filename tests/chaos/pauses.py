"""Processes sleep longer than their group waits for them, others take over, then the sleepers wake up as zombies."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

from tests.chaos.guards import done, metrics_addresses
from tests.chaos.kills import DISPATCH_BATCH, IN_FLIGHT_OF_A_WORKER
from tests.chaos.scene import Family, Fault, Scene, plain_scene

PAUSE_S: Final = 45.0
"""Longer than the 30 s after which a group gives a silent member's partitions to the others."""
WAKES: Final = 3
LOOKED_AT_S: Final = 1.5
SLOW_CALL_MS: Final = 3_000


@contextmanager
def asleep(name: str, scene: Scene) -> Iterator[None]:
    """A process is stopped until the end of the block."""
    sleeper = scene.running.stack.pid(name)
    os.kill(sleeper, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(sleeper, signal.SIGCONT)


def pause(name: str, scene: Scene, *, seconds: float = PAUSE_S) -> None:
    """Stop a process for so long, under load, then let it go on."""
    with asleep(name, scene):
        scene.hold(seconds)


def pause_busiest(role: str, scene: Scene) -> None:
    """The same for the process of a role that has done most lately: it sleeps in the middle of something."""
    pause(_busiest(role, scene), scene)


def pause_in_calls(scene: Scene) -> None:
    """The busiest worker falls asleep while it waits for the portal; whoever takes over need not wait long."""
    with ExitStack() as sleeping:
        with scene.running.sandbox.latency(p50_ms=SLOW_CALL_MS):
            sleeping.enter_context(asleep(_busiest("worker", scene), scene))
        scene.hold(PAUSE_S)


def _busiest(role: str, scene: Scene) -> str:
    scene.load.press()
    addresses = metrics_addresses(scene.running.stack)
    names = [name for name in addresses if name.startswith(f"{role}-")]
    before = {name: done(addresses[name]) for name in names}
    time.sleep(LOOKED_AT_S)
    return max(names, key=lambda name: done(addresses[name]) - before[name])


FAMILY: Final = Family(
    "pauses",
    (
        Fault("worker asleep", WAKES, pause_in_calls, 2 * IN_FLIGHT_OF_A_WORKER),
        Fault("dispatcher asleep", WAKES, partial(pause_busiest, "dispatcher"), 2 * DISPATCH_BATCH),
        Fault("aggregator asleep", WAKES, partial(pause_busiest, "aggregator"), 2 * DISPATCH_BATCH),
        Fault("api asleep", 1, partial(pause, "api", seconds=10.0)),
    ),
    partial(plain_scene, dispatchers=2, aggregators=2),
)

"""The broker dies and comes back, restarts cleanly, or stands still longer than its clients wait for an answer."""

from functools import partial
from typing import Final

from local_stack.servers import KAFKA

from tests.chaos.kills import DISPATCH_BATCH, IN_FLIGHT_OF_A_WORKER
from tests.chaos.network import await_calls
from tests.chaos.pauses import pause
from tests.chaos.scene import Family, Fault, Scene, plain_scene

STANDSTILL_S: Final = 40.0
"""Longer than the 30 s that a request waits, so a record may have been written although its send failed."""
REPEATS: Final = 4 * IN_FLIGHT_OF_A_WORKER + DISPATCH_BATCH


def _kill(scene: Scene) -> None:
    scene.running.kill9_and_await_return(KAFKA)
    await_calls(scene)


def _restart(scene: Scene) -> None:
    scene.running.stack.restart(KAFKA)
    await_calls(scene)


FAMILY: Final = Family(
    "kafka",
    (
        Fault("broker killed", 3, _kill, REPEATS),
        Fault("broker restarted", 3, _restart, REPEATS),
        Fault("broker stands still", 3, partial(pause, KAFKA, seconds=STANDSTILL_S), REPEATS),
    ),
    plain_scene,
)

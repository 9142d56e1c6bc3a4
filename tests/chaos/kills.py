"""Every kind of process is killed, again and again; the supervisor starts it again in its own slot."""

from functools import partial
from typing import Final

from tests.chaos.scene import Family, Fault, Scene, plain_scene

KILLS: Final = 15
IN_FLIGHT_OF_A_WORKER: Final = 64
DISPATCH_BATCH: Final = 100


def _kill(name: str, scene: Scene) -> None:
    scene.running.kill9_and_await_return(name)


FAMILY: Final = Family(
    "kills",
    (
        Fault("worker killed", KILLS, partial(_kill, "worker-0"), IN_FLIGHT_OF_A_WORKER),
        Fault("dispatcher killed", KILLS, partial(_kill, "dispatcher-0"), DISPATCH_BATCH),
        Fault("aggregator killed", KILLS, partial(_kill, "aggregator-0")),
        Fault("api killed", KILLS, partial(_kill, "api")),
    ),
    plain_scene,
)

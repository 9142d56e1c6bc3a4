"""Every kind of process is killed, again and again; the supervisor starts it again in its own slot."""

from functools import partial
from typing import Final

from tests.chaos.load import ENDED_DEADLINE_S
from tests.chaos.scene import Family, Fault, Scene, plain_scene
from tests.support.due_schedules import let_pass, schedule, told
from tests.support.registrations import registrations

KILLS: Final = 15
IN_FLIGHT_OF_A_WORKER: Final = 64
DISPATCH_BATCH: Final = 100
CLIENTS_OF_A_SCHEDULE: Final = 3


def _kill(name: str, scene: Scene) -> None:
    scene.running.kill9_and_await_return(name)


def _kill_scheduler(scene: Scene) -> None:
    """The scheduler dies just when a schedule is due: one bucket of that time starts all the same, and it ends."""
    practice = scene.running.practice("scheduled")
    practice.take_on(registrations(CLIENTS_OF_A_SCHEDULE), sessions=False)
    made = schedule(practice, "return_register")
    let_pass(scene.running, made, 1)
    scene.running.kill9_and_await_return("scheduler")
    (newest, *others) = told(practice, made, 1)
    started = list(practice.api.pages("/v1/buckets"))
    if newest["state"] != "started" or others or [bucket["id"] for bucket in started] != [newest["bucket_id"]]:
        scene.violations.append(f"a schedule was due once: {newest}, {others}, {len(started)} buckets")
    elif practice.ended(newest["bucket_id"], ENDED_DEADLINE_S)["verdict"] != "complete":
        scene.violations.append(f"the bucket of a schedule did not end well: {newest}")
    scene.counts["schedules started over a kill"] += 1


FAMILY: Final = Family(
    "kills",
    (
        Fault("worker killed", KILLS, partial(_kill, "worker-0"), IN_FLIGHT_OF_A_WORKER),
        Fault("dispatcher killed", KILLS, partial(_kill, "dispatcher-0"), DISPATCH_BATCH),
        Fault("aggregator killed", KILLS, partial(_kill, "aggregator-0")),
        Fault("api killed", KILLS, partial(_kill, "api")),
        Fault("scheduler killed", KILLS, _kill_scheduler),
    ),
    plain_scene,
)

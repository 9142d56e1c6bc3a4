"""F01 A1: a bucket of 50,000 units under a cap on memory, its workers killed every 30 s, the API restarted twice."""

import itertools
import os
import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from local_stack.settings import StackSettings

from tests.chaos.limits import SERVICES, peak_mib
from tests.chaos.load import Lane, Load
from tests.chaos.scene import Family, Fault, Scene, opened
from tests.support.practices import share_ended
from tests.support.registrations import registrations
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
UNITS: Final = int(os.environ.get("SB_CHAOS_UNITS", "50000"))
"""Another number is for trying it."""
COLUMNS: Final = 26
MONTHS: Final = COLUMNS - 2
"""Beside the 2B of so many months: notices and the register."""
CALLS_PER_S: Final = 400.0
KILL_EVERY_S: Final = 30.0
RESTART_API_AT: Final = (0.3, 0.6)
MOST_MIB: Final = 256
DEADLINE_S: Final = 1_200.0
PLACES_OF_A_WORKER: Final = 256
"""Calls that may run in a worker when it is killed: its default. At other families' pace far fewer do."""
SEED: Final = 3
LOG_IN_TRIES: Final = 3
"""Of so many clients on a busy machine some steps come too late."""
LOOK_EVERY_S: Final = 1.0
WORKERS: Final = ("worker-0", "worker-1")


def f01_a1(scene: Scene) -> None:
    """The bucket runs to its end with nobody watching but for one look a second."""
    lane, draw = scene.load.lanes[0], random.Random(SEED)
    restarts = iter(RESTART_API_AT)
    restart_at, kill_at = next(restarts), time.monotonic() + KILL_EVERY_S
    give_up_at = time.monotonic() + DEADLINE_S
    while (bucket := lane.seen())["verdict"] is None:
        assert time.monotonic() < give_up_at, f"the large bucket has not ended: {bucket['counters']}"
        _cap(scene)
        if time.monotonic() >= kill_at:
            kill_at = time.monotonic() + KILL_EVERY_S
            scene.running.kill9_and_await_return(draw.choice(WORKERS))
            scene.extra_calls += PLACES_OF_A_WORKER
            scene.counts["kills of workers"] += 1
        if share_ended(bucket) >= restart_at:
            restart_at = next(restarts, 2.0)
            scene.running.stack.restart("api")
            scene.counts["restarts of the API"] += 1
        time.sleep(LOOK_EVERY_S)
    scene.violations += list(_wrong(lane, bucket))


def _wrong(lane: Lane, bucket: Json) -> Iterator[str]:
    """Units that are not told exactly once, or are not done."""
    places = [unit["id"] for unit in lane.practice.units(bucket["id"])]
    if not len(places) == len(set(places)) == bucket["counters"]["total"] == bucket["counters"]["done"]:
        yield f"{len(places)} units are told, {len(set(places))} different ones: {bucket['counters']}"


def _cap(scene: Scene) -> None:
    """The kernel refuses a service what it would hold above the bound; a restarted process gets its own."""
    for name in SERVICES:
        process = scene.running.stack.pid(name)
        soft, hard = resource.prlimit(process, resource.RLIMIT_DATA)
        if soft == resource.RLIM_INFINITY:
            more_mib = MOST_MIB - _status_mib(process, "VmRSS")
            resource.prlimit(process, resource.RLIMIT_DATA, ((_status_mib(process, "VmData") + more_mib) << 20, hard))
            scene.counts["processes under a cap of memory"] += 1


def _status_mib(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{name}:"))


def memory_was_enough(scene: Scene) -> None:
    """No service was ever near the cap without anybody noticing: its peak is told, more than the cap is wrong."""
    for name in SERVICES:
        peak = peak_mib(scene.running.stack.pid(name))
        counted = f"most MiB of {name.partition('-')[0]}, large bucket"
        scene.counts[counted] = max(peak, scene.counts[counted])
        if peak > MOST_MIB:
            scene.violations.append(f"{name} has held {peak} MiB")


@contextmanager
def _scene(folder: Path) -> Iterator[Scene]:
    """One practice whose bucket has all units at once; a quicker line than the other families'."""
    with opened(StackSettings.on_free_ports(folder), load=_practice, calls_per_s=CALLS_PER_S) as scene:
        yield scene


def _practice(running: RunningStack) -> Load:
    running.sandbox.limit(gsp_per_s=2 * CALLS_PER_S, gsp_burst=2 * CALLS_PER_S)
    practice, clients = running.practice("large"), registrations(-(-UNITS // COLUMNS))
    practice.import_clients(clients)
    missing = [client.gstin for client in clients]
    for _ in range(LOG_IN_TRIES):
        missing = [gstin for gstin, asked in practice.log_in(missing).items() if asked["state"] != "accepted"]
    assert not missing, f"{len(missing)} clients have no session: the bucket cannot end well"
    months = itertools.cycle(f"{year}-{month:02}" for year in (2025, 2024) for month in range(12, 0, -1))
    return Load([Lane(running, practice, clients, MONTHS, months)])


FAMILY: Final = Family(
    "large",
    (Fault("50,000 units, workers killed, API restarted, memory capped", 1, f01_a1),),
    _scene,
    at_end=memory_was_enough,
)

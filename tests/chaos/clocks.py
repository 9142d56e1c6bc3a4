"""One process's clock leaps back or ahead for a while: nothing may go wrong, only times may."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from local_stack.settings import StackSettings
from local_stack.tools import checkout
from sync_contracts import commands
from sync_contracts.topics import COMMANDS

from tests.chaos.replay import WINDOW
from tests.chaos.scene import Family, Fault, Scene, opened
from tests.support.topic_reading import read_topic

WRONG_S: Final = 20.0
HOUR_S: Final = 3_600
OFFSETS_S: Final = {"10 minutes back": -600, "an hour back": -HOUR_S, "an hour ahead": HOUR_S}
"""The smallest first, as what is dated by it could not be told from what a larger one has dated."""
DISPATCHER: Final = "dispatcher-0"
PACKAGE: Final = "libfaketime"
SKEWED: Final = ("worker-0", "aggregator-0", DISPATCHER)
REPAIR_S: Final = HOUR_S + 100
"""The dispatcher's clock goes on by so much in the end: retries that a wrong clock has put off are due then."""


def wrong_clock(name: str, offset_s: int, scene: Scene) -> None:
    """The clock of a process is off for a while, then right again; what it dated meanwhile shows that it was off."""
    _set(scene, name, offset_s)
    try:
        scene.hold(WRONG_S)
    finally:
        _set(scene, name, 0)
    if name == DISPATCHER and offset_s < 0:
        return  # for it nothing is due: it has dispatched nothing that could be dated
    off = [dated - time.time() for dated in _dates(name, scene)]
    if not any(value > offset_s / 2 if offset_s > 0 else value < offset_s / 2 for value in off):
        scene.violations.append(f"nothing shows that the clock of {name} was off by {offset_s} s")


def put_off_no_longer(scene: Scene) -> None:
    """What was put off by a wrong clock is due for a dispatcher whose clock has gone on."""
    _set(scene, DISPATCHER, REPAIR_S)


def no_faketime() -> str:
    """Why no process can be given a wrong clock; empty: it can. Fetches Debian's package where that is possible."""
    if _faketime() is None and shutil.which("apt-get") and shutil.which("dpkg"):
        place = checkout() / ".local" / "faketime"
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", PACKAGE], cwd=place, capture_output=True, timeout=120, check=False)
        for package in place.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, place], capture_output=True, timeout=60, check=False)
    return "" if _faketime() else f"install {PACKAGE}"


def _dates(name: str, scene: Scene) -> Iterable[float]:
    """Times, in epoch seconds, that this kind of process has written down."""
    database = scene.running.database
    if name.startswith("worker"):
        return [d["fetched_at"].timestamp() for d in database["datasets"].find({"fetched_at": {"$exists": True}})]
    if name.startswith("aggregator"):
        return [row[5] / 1_000 for document in database["attempts"].find() for row in document["u"]]
    records = asyncio.run(read_topic(scene.running.settings.kafka_bootstrap, COMMANDS.name))
    return [commands.decode(record.value).issued_at / 1_000 for record in records]


def _set(scene: Scene, name: str, offset_s: int) -> None:
    """Exchange the file that the process reads its clock from, in one step."""
    clock = _file(scene.running.settings, name)
    fresh = clock.with_suffix(".new")
    fresh.write_text(f"{offset_s:+d}")
    fresh.rename(clock)


def _file(settings: StackSettings, name: str) -> Path:
    return settings.state_dir / f"clock-{name}"


def _faketime() -> Path | None:
    roots = (checkout() / ".local" / "faketime", Path("/"))
    return next((found for root in roots for found in root.glob("usr/lib/*/faketime/libfaketime.so.1")), None)


@contextmanager
def _scene(folder: Path) -> Iterator[Scene]:
    """The product with a clock of its own for each of three processes; all right until told otherwise."""
    settings = StackSettings.on_free_ports(folder)
    with opened(settings, slot_environment={} if no_faketime() else _environments(settings)) as scene:
        yield scene


def _environments(settings: StackSettings) -> Mapping[str, Mapping[str, str]]:
    found = {}
    for name in SKEWED:
        clock = _file(settings, name)
        clock.parent.mkdir(parents=True, exist_ok=True)
        clock.write_text("+0")
        found[name] = {
            "LD_PRELOAD": str(_faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    return found


FAMILY: Final = Family(
    "clocks",
    tuple(
        Fault(f"clock of {name} {leap}", 1, partial(wrong_clock, name, offset_s), WINDOW, no_faketime)
        for leap, offset_s in OFFSETS_S.items()
        for name in SKEWED  # a dispatcher whose clock went back waits until it is where it was
    ),
    _scene,
    before_end=put_off_no_longer,
    late_calls_are_wrong=False,
)

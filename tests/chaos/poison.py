"""Broken records among the load, and a command that kills whichever worker takes it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from local_stack.settings import StackSettings
from sync_contracts.topics import COMMANDS, DEAD_LETTERS, EVENTS
from sync_worker.modules.port import FilePortal, Parts, Request, Result, SyncModule
from sync_worker.modules.registry import gst_modules

from tests.chaos.kills import IN_FLIGHT_OF_A_WORKER
from tests.chaos.scene import Family, Fault, Scene, opened
from tests.support.eventually import eventually_blocking
from tests.support.raw_topics import RawTopics
from tests.support.registrations import registration, registrations

Value = bytes | None
TIMES: Final = 50
APART: Final = 160
"""Units that end between two handfuls, so that less than a tenth of what a consumer reads is broken."""
APART_DEADLINE_S: Final = 180.0
DEADLY_SIZE: Final = 7
DEADLY_MODULE: Final = "gstr2b"
DELIVERIES: Final = 15
"""Of the deadly command at most: three of each of its five attempts."""
CRASHES_DEADLINE_S: Final = 900.0
UNREADABLE: Final[dict[str, tuple[bytes, str]]] = {
    "bytes that no JSON begins with": (b"\xc3\x28" + bytes(range(256)), "UNDECODABLE"),
    "no bytes": (b"", "UNDECODABLE"),
    "a string cut off": (b'{"v":1,"tenant":"t_', "UNDECODABLE"),
    "no UTF-8": (b'{"v":1,"type":"SUCCEEDED","tenant":"\xff\xfe"}', "UNDECODABLE"),
    "a number": (b"42", "SCHEMA"),
    "another version": (b'{"v":99,"type":"SUCCEEDED"}', "SCHEMA"),
    "far too large": (b'{"v":1,"pad":"' + b"x" * 40_000 + b'"}', "TOO_LARGE"),
}
"""Values that neither topic can hold, with the reason of their dead letters."""
RARER: Final[dict[str, tuple[Value, str]]] = {
    "nothing": (None, "UNDECODABLE"),
    "deep": (b"[" * 20_000 + b"]" * 20_000, "TOO_LARGE"),
    "nearly a mebibyte": (b"x" * 900_000, "TOO_LARGE"),
}


class Deadly:
    """A module that kills its process when it meets a client of one kind; of no use to anybody else."""

    stores = True

    def __init__(self, inner: SyncModule) -> None:
        self._inner = inner
        self.name = inner.name

    async def sync(self, request: Request, portal: FilePortal, parts: Parts) -> Result:
        """As the module itself, or the end."""
        if request.gstin[8] == str(DEADLY_SIZE):
            os.kill(os.getpid(), signal.SIGKILL)
        return await self._inner.sync(request, portal, parts)


def modules() -> dict[str, SyncModule]:
    """For `SB_WORKER_EXTRA_MODULES`."""
    return {DEADLY_MODULE: Deadly(gst_modules()[DEADLY_MODULE])}


def handful(scene: Scene) -> None:
    """One of each kind into both topics; then the load goes on for a while."""
    topics = RawTopics(scene.running.settings.kafka_bootstrap)
    for topic in (COMMANDS.name, EVENTS.name):
        for name, (value, reason) in {**UNREADABLE, **RARER}.items():
            headers = [("note", b"\xff\xfe"), ("long", b"x" * 10_000)] if name == "deep" else []
            ((partition, offset),) = asyncio.run(topics.publish(topic, value, key=name.encode(), headers=headers))
            scene.refused[topic, partition, offset] = reason
    ended = _ended(scene)

    def further() -> bool:
        scene.load.renew()
        return _ended(scene) >= ended + APART

    eventually_blocking(further, APART_DEADLINE_S, what=f"{APART} more units end")


def deadly_command(scene: Scene) -> None:
    """A unit whose every attempt kills its worker fails as such; its neighbours do not."""
    practice, victim = scene.running.practice("deadly"), registration(size=DEADLY_SIZE)
    neighbours = registrations(5)
    practice.take_on([victim, *neighbours])
    bucket = practice.start(DEADLY_MODULE, options={"force": True})
    ended = practice.ended(bucket, CRASHES_DEADLINE_S)
    unit = practice.unit(bucket, victim, DEADLY_MODULE)
    scene.counts["units failed as poison"] += 1
    if (unit["state"], unit["reason"]["code"]) != ("failed", "crash_loop"):
        scene.violations.append(f"the deadly unit ended as {unit['state']}, {unit['reason']}")
    if ended["counters"]["done"] != len(neighbours):
        scene.violations.append(f"the neighbours of the deadly unit: {ended['counters']}")


def all_are_dead_letters(scene: Scene) -> None:
    """Each broken record is a dead letter with its reason, and nothing else is."""
    letters = asyncio.run(RawTopics(scene.running.settings.kafka_bootstrap).records(DEAD_LETTERS.name))
    told: dict[tuple[str, int, int], str] = {}
    for letter in letters:
        headers = dict(letter.headers)
        place = headers["dlq-topic"].decode(), int(headers["dlq-partition"]), int(headers["dlq-offset"])
        told[place] = headers["dlq-reason"].decode()
    wrong = {place: (reason, told.get(place)) for place, reason in scene.refused.items() if told.get(place) != reason}
    scene.violations += [f"record {place}: wanted {pair[0]}, is {pair[1]}" for place, pair in list(wrong.items())[:10]]
    if extra := len(told.keys() - scene.refused.keys()):
        scene.violations.append(f"{extra} dead letters that nobody broke")
    scene.counts["broken records"] += len(scene.refused)


def _ended(scene: Scene) -> int:
    """Units that have ended in all buckets of the load."""
    return sum(int(lane.seen(b)["counters"]["final"]) for lane in scene.load.lanes for b in lane.buckets)


@contextmanager
def _scene(folder: Path) -> Iterator[Scene]:
    extra = {"SB_WORKER_EXTRA_MODULES": "tests.chaos.poison:modules"}
    with opened(StackSettings.on_free_ports(folder), environment=extra) as scene:
        yield scene


FAMILY: Final = Family(
    "poison",
    (
        Fault("twenty broken records", TIMES, handful),
        Fault("a command that kills its worker", 1, deadly_command, DELIVERIES * IN_FLIGHT_OF_A_WORKER),
    ),
    _scene,
    at_end=all_are_dead_letters,
    dead_letters=True,
)

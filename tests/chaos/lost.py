"""Acknowledged records vanish: commands, marks and results. Deadlines and the memory's expiry bring every unit back."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from local_stack.settings import StackSettings
from sync_contracts.topics import COMMANDS, EVENTS

from tests.chaos.replay import WINDOW, stopped
from tests.chaos.scene import Family, Fault, Scene, opened
from tests.support import topic_surgery

SHORT: Final = {
    "SB_DISPATCHED_DEADLINE_MS": "20000",
    "SB_RUNNING_DEADLINE_MS": "20000",
    "SB_MEMORY_EXPIRY_S": "20",
}
"""An hour, a quarter of one and ten minutes in a real system."""
PARTITIONS: Final = 3
READERS: Final = ("worker-0", "worker-1", "aggregator-0")
GATHERING_S: Final = 4.0
PROVISION_DEADLINE_S: Final = 60


def commands_and_marks(scene: Scene) -> None:
    """A new bucket is dispatched, nobody reads; its commands and its DISPATCHED events are gone."""
    scene.load.end()
    stack = scene.running.stack
    for name in READERS:
        stack.kill9_and_hold(name)
    try:
        scene.load.renew()
        scene.hold(GATHERING_S)
        _delete(scene, COMMANDS.name)
        _delete(scene, EVENTS.name)
    finally:
        for name in READERS:
            stack.release(name)


def results(scene: Scene) -> None:
    """Workers tell their results while the aggregator is away; what they told is gone."""
    stack = scene.running.stack
    stack.kill9_and_hold("aggregator-0")
    try:
        scene.hold(GATHERING_S)
        _delete(scene, EVENTS.name)
    finally:
        stack.release("aggregator-0")


def recreated(scene: Scene) -> None:
    """Both topics are made anew, empty; the groups remember offsets of the old ones."""
    names = (*READERS, "dispatcher-0")
    with stopped(scene.running.stack, names):
        bootstrap = scene.running.settings.kafka_bootstrap
        for topic, records in asyncio.run(topic_surgery.delete_topics(bootstrap, (COMMANDS.name, EVENTS.name))).items():
            scene.keep(topic, records)
        _provision(scene)


def _delete(scene: Scene, topic: str) -> None:
    bootstrap = scene.running.settings.kafka_bootstrap
    records, partitions = asyncio.run(topic_surgery.delete_records(bootstrap, topic, PARTITIONS))
    assert partitions, f"{topic} was empty: nothing was lost"
    scene.keep(topic, records)


def _provision(scene: Scene) -> None:
    env = {**os.environ, **scene.running.stack.env, "SB_INSTANCE_ID": "provision"}
    command = [sys.executable, "-m", "sync_runtime", "provision"]
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=PROVISION_DEADLINE_S)


@contextmanager
def _scene(folder: Path) -> Iterator[Scene]:
    with opened(StackSettings.on_free_ports(folder), environment=SHORT) as scene:
        yield scene


FAMILY: Final = Family(
    "lost",
    (
        Fault("commands and marks lost", 1, commands_and_marks, WINDOW),
        Fault("results lost", 1, results, WINDOW),
        Fault("topics made anew", 1, recreated, WINDOW),
    ),
    _scene,
)

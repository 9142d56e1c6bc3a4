"""Processes of an earlier version run beside those of this one, as in a rolling release that is slow, or taken back."""

import asyncio
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from local_stack.settings import StackSettings
from local_stack.tools import checkout
from sync_contracts.topics import COMMANDS, EVENTS

from tests.chaos.gone import faults
from tests.chaos.kills import DISPATCH_BATCH, IN_FLIGHT_OF_A_WORKER
from tests.chaos.replay import WINDOW
from tests.chaos.scene import Family, Fault, Scene, opened
from tests.support.topic_surgery import copy_onto_itself

EARLIER: Final = "f179373"
"""A version that knows no retries, no pauses, no fair shares and no limits of API families."""
SOURCES: Final = (
    "shared/src",
    "services/bucket-api/src",
    "services/sync-worker/src",
    "services/status-aggregator/src",
)
OLD: Final = ("worker-1", "dispatcher-1", "aggregator-1")
SIDE_BY_SIDE_S: Final = 20.0
GIT_DEADLINE_S: Final = 60


def side_by_side(scene: Scene) -> None:
    """Both versions serve the same buckets; each process is killed once, and each version has its turn."""
    for name in OLD:
        scene.running.kill9_and_await_return(name)
        scene.running.kill9_and_await_return(f"{name[:-1]}0")
        scene.wait_ready()
        scene.hold(SIDE_BY_SIDE_S / len(OLD))


def of_a_later_version(scene: Scene) -> None:
    """Every command and event comes once more with a field that nobody here knows: what is known in it still counts."""
    for topic in (COMMANDS.name, EVENTS.name):
        copies = asyncio.run(copy_onto_itself(scene.running.settings.kafka_bootstrap, topic, _with_more))
        scene.counts["messages of a later version"] += copies


def _with_more(value: bytes | None) -> bytes | None:
    return None if value is None else json.dumps({**json.loads(value), "added_later": {"deep": [1]}}).encode()


def no_history() -> str:
    """Why the earlier version cannot be had here; empty: it can."""
    command = ["git", "cat-file", "-e", f"{EARLIER}^{{commit}}"]
    known = subprocess.run(command, cwd=checkout(), capture_output=True, timeout=GIT_DEADLINE_S, check=False)
    return "" if known.returncode == 0 else f"version {EARLIER} is not in this checkout's history"


def _earlier(folder: Path) -> str:
    """The earlier version's sources, as a PYTHONPATH; empty where they cannot be had."""
    if no_history():
        return ""
    command = ["git", "archive", EARLIER, *SOURCES]
    packed = subprocess.run(command, cwd=checkout(), capture_output=True, timeout=GIT_DEADLINE_S, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return ":".join(str(folder / source) for source in SOURCES)


@contextmanager
def _scene(folder: Path) -> Iterator[Scene]:
    earlier = _earlier(folder / "earlier")
    environments = {name: {"PYTHONPATH": earlier} for name in OLD} if earlier else {}
    settings = StackSettings.on_free_ports(folder / "state", dispatchers=2, aggregators=2)
    with opened(settings, slot_environment=environments) as scene:
        yield scene


FAMILY: Final = Family(
    "versions",
    (
        Fault(
            "two versions side by side",
            2,
            side_by_side,
            2 * (IN_FLIGHT_OF_A_WORKER + DISPATCH_BATCH),
            missing=no_history,
        ),
        Fault("messages of a later version", 1, of_a_later_version, WINDOW),
        *faults("of this version gone, the earlier one carries on"),
    ),
    _scene,
)

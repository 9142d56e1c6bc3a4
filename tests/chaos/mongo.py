"""A replica set of three loses its primary: asked to step down, killed, and killed with writes that are rolled back."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from local_stack.servers import member_names
from local_stack.settings import StackSettings
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.chaos.kills import DISPATCH_BATCH, IN_FLIGHT_OF_A_WORKER
from tests.chaos.scene import Family, Fault, Scene, opened
from tests.support.eventually import eventually_blocking

MEMBERS: Final = 3
ELECTION_DEADLINE_S: Final = 60.0
ALONE_S: Final = 1.5
"""How long the primary takes writes that nobody copies; after 2 s without the others it steps down."""
STEPPED_DOWN_S: Final = 10
REPEATS: Final = 4 * IN_FLIGHT_OF_A_WORKER + DISPATCH_BATCH
ROLLED_BACK: Final = "Rollback complete"


def step_down(scene: Scene) -> None:
    """The primary hands over to another member."""
    before = primary(scene)
    with _member(scene, before) as client, contextlib.suppress(PyMongoError):
        client.admin.command("replSetStepDown", STEPPED_DOWN_S, secondaryCatchUpPeriodSecs=5)
    _await_primary(scene)


def kill_primary(scene: Scene) -> None:
    """The primary dies; the others elect one of them; it comes back as a secondary."""
    before = primary(scene)
    scene.running.kill9_and_await_return(before)
    _await_primary(scene)
    _await_members(scene)


def double_kill(scene: Scene) -> None:
    """Both secondaries die, the primary writes on alone and dies, too; the secondaries come back without it.

    What it wrote alone is rolled back when it returns. Nobody was told that any of it was durable.
    """
    stack, first = scene.running.stack, primary(scene)
    others = [name for name in member_names(MEMBERS) if name != first]
    for name in others:
        stack.kill9_and_hold(name)
    scene.hold(ALONE_S)
    stack.kill9_and_hold(first)
    for name in others:
        stack.release(name)
    _await_primary(scene, others)
    before = rolled_back(scene, first)
    scene.hold(ALONE_S)  # the new history must be ahead of the old one
    stack.release(first)
    _await_members(scene)
    eventually_blocking(
        lambda: rolled_back(scene, first) > before, ELECTION_DEADLINE_S, what=f"{first} rolls its own writes back"
    )


def primary(scene: Scene, names: list[str] | None = None) -> str:
    """Name of the member that is the writable primary; empty when there is none."""
    for name in names or member_names(MEMBERS):
        with contextlib.suppress(PyMongoError), _member(scene, name) as client:
            if client.admin.command("hello")["isWritablePrimary"]:
                return name
    return ""


def rolled_back(scene: Scene, name: str) -> int:
    """How often a member has rolled back, as its log says."""
    log = scene.running.settings.logs_dir / f"{name}.log"
    return log.read_text(errors="replace").count(ROLLED_BACK)


def _await_primary(scene: Scene, names: list[str] | None = None) -> None:
    eventually_blocking(lambda: primary(scene, names), ELECTION_DEADLINE_S, what="a primary is elected")


def _await_members(scene: Scene) -> None:
    """All three copy again."""
    wanted = ["PRIMARY", "SECONDARY", "SECONDARY"]

    def whole() -> bool:
        with contextlib.suppress(PyMongoError), _member(scene, primary(scene)) as client:
            states = [member["stateStr"] for member in client.admin.command("replSetGetStatus")["members"]]
            return sorted(states) == wanted
        return False

    eventually_blocking(whole, ELECTION_DEADLINE_S, what="one primary and two secondaries")


def _member(scene: Scene, name: str) -> MongoClient[dict[str, Any]]:
    settings = scene.running.settings
    ports = dict(zip(member_names(MEMBERS), settings.mongo_ports, strict=True))
    return MongoClient(
        settings.host, ports[name or member_names(1)[0]], directConnection=True, serverSelectionTimeoutMS=1_000
    )


@contextmanager
def _scene(folder: Path) -> Iterator[Scene]:
    with opened(StackSettings.on_free_ports(folder, mongo_members=MEMBERS)) as scene:
        yield scene


FAMILY: Final = Family(
    "mongo",
    (
        Fault("primary steps down", 3, step_down, REPEATS),
        Fault("primary killed", 2, kill_primary, REPEATS),
        Fault("secondaries, then primary killed, roll-back", 1, double_kill, REPEATS),
    ),
    _scene,
)

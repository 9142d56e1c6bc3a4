"""The whole log is read again, copied onto itself, or spread over more partitions: nothing may happen twice."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from local_stack.stack import Stack
from sync_contracts.topics import AGGREGATOR_GROUP, COMMANDS, EVENTS, WORKER_GROUP

from tests.chaos.kills import IN_FLIGHT_OF_A_WORKER
from tests.chaos.load import ENDED_DEADLINE_S
from tests.chaos.scene import Family, Fault, Scene, plain_scene
from tests.support import topic_surgery
from tests.support.registrations import registrations

READERS: Final = ((WORKER_GROUP, COMMANDS.name), (AGGREGATOR_GROUP, EVENTS.name))
REPEATS: Final = 2 * IN_FLIGHT_OF_A_WORKER
WINDOW: Final = 500
"""Commands that may be in flight over all tenants: each may be carried out once more when it is read again."""
RETRIED: Final = 12
Json = dict[str, Any]


def offsets_to_zero(scene: Scene) -> None:
    """In mid-bucket both groups begin again with the first record."""
    with stopped(scene.running.stack, ("worker-0", "worker-1", "aggregator-0")):
        _set_back(scene)


def copy_topics(scene: Scene) -> None:
    """Every command and event there is comes once more."""
    bootstrap = scene.running.settings.kafka_bootstrap
    for _, topic in READERS:
        asyncio.run(topic_surgery.copy_onto_itself(bootstrap, topic))


def old_round(scene: Scene) -> None:
    """Units fail and are run again; meanwhile the commands of their first round come once more."""
    practice, clients = scene.running.practice("again"), registrations(RETRIED)
    practice.take_on(clients)
    with ExitStack() as refused:
        for client in clients:
            refused.enter_context(scene.running.sandbox.fault("wrong_total", gstin=client.gstin, action="GET2B"))
        bucket = practice.start("gstr2b", options={"force": True})
        practice.ended(bucket, ENDED_DEADLINE_S)
    practice.retry(bucket, all=True)
    copy_topics(scene)
    ended = practice.ended(bucket, ENDED_DEADLINE_S)
    if ended["verdict"] != "complete":
        scene.violations.append(f"a retried bucket ended as {ended['verdict']}: {ended['counters']}")


def double_partitions(scene: Scene) -> None:
    """Clients move to other partitions, so that two workers may have commands of the same one."""
    bootstrap = scene.running.settings.kafka_bootstrap
    for _, topic in READERS:
        asyncio.run(topic_surgery.double_partitions(bootstrap, topic))
    for name in ("dispatcher-0", "worker-0", "worker-1", "aggregator-0"):  # they would notice within five minutes
        scene.running.kill9_and_await_return(name)


def replayed_after_the_end(scene: Scene) -> None:
    """All is over; both groups read everything again: no document changes, the portal is not called."""
    bootstrap, running = scene.running.settings.kafka_bootstrap, scene.running
    with stopped(running.stack, ("worker-0", "worker-1", "aggregator-0")):
        before, calls = documents(scene), len(running.sandbox.data_calls())
        _set_back(scene)
    scene.wait_ready()
    for group, topic in READERS:
        asyncio.run(topic_surgery.consumed(bootstrap, group, topic))
    after = documents(scene)
    changed = [key for key, document in after.items() if before.get(key) != document]
    scene.violations += [f"the replay changed {key}" for key in changed[:10]]
    if before.keys() != after.keys():
        scene.violations.append("the replay made or removed documents")
    if more := len(running.sandbox.data_calls()) - calls:
        scene.violations.append(f"the replay called the portal {more} times")


def documents(scene: Scene) -> dict[str, Json]:
    """Every page, bucket and dataset as far as its content goes."""
    database, found = scene.running.database, {}
    for collection in ("buckets", "bucket_pages", "datasets"):
        for document in database[collection].find():
            told = {name: value for name, value in document.items() if name not in {"v", "touched", "rev"}}
            found[f"{collection} {document['_id']}"] = told
    return found


@contextmanager
def stopped(stack: Stack, names: tuple[str, ...]) -> Iterator[None]:
    """These processes are stopped cleanly, and started at the end."""
    stack.supervisor.stop_together(names)
    try:
        yield
    finally:
        for name in names:
            stack.release(name)


def _set_back(scene: Scene) -> None:
    for group, topic in READERS:
        asyncio.run(topic_surgery.set_back(scene.running.settings.kafka_bootstrap, group, topic))


FAMILY: Final = Family(
    "replay",
    (
        Fault("offsets set to zero", 1, offsets_to_zero, REPEATS),
        Fault("topics copied onto themselves", 1, copy_topics, WINDOW),
        Fault("commands of an earlier round come again", 1, old_round, WINDOW),
        Fault("partitions doubled", 1, double_partitions, REPEATS),
        Fault("offsets set to zero again", 1, offsets_to_zero, REPEATS),
    ),
    plain_scene,
    at_end=replayed_after_the_end,
)

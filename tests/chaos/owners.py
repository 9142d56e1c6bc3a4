"""Two aggregators own every shard all the time, one of them far from its database: versions and rounds must decide."""

import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from local_stack.ports import free_ports
from local_stack.process import ServerProcess
from local_stack.programs import AGGREGATOR, environment
from local_stack.settings import StackSettings
from local_stack.stack import answers_ok
from syncbucket_cli.client import Refused, Unreachable

from tests.chaos.scene import Family, Fault, Scene, opened
from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice, share_ended
from tests.support.proxy import Delay, Proxy
from tests.support.registrations import registrations

Json = dict[str, Any]
SECOND: Final = "aggregator-1"
FAR: Final = Delay(mean_ms=150, spread_ms=100)
"""In each direction: a query of the first aggregator takes a third of a second, of the second one a millisecond."""
START_DEADLINE_S: Final = 60.0
FINAL_DEADLINE_S: Final = 120.0
CLIENTS: Final = 6
RETRIES: Final = 12
LATEST_S: Final = 2.0
"""A retry comes so late after the last unit's end, so that it meets every step of the completion."""
SEED: Final = 5


def retried_at_the_end(scene: Scene) -> None:
    """A bucket whose units fail is run again and again, each time about when its completion is written."""
    practice, clients, draw = scene.running.practice("owned"), registrations(CLIENTS), random.Random(SEED)
    practice.take_on(clients)
    mongo = scene.proxies[AGGREGATOR.role]
    with ExitStack() as refused, mongo.bad(FAR):
        for client in clients:
            refused.enter_context(scene.running.sandbox.fault("wrong_total", gstin=client.gstin, action="GET2B"))
        bucket = practice.start("gstr2b", options={"force": True})
        for _ in range(max(1, round(scene.share * RETRIES))):
            eventually_blocking(
                lambda: _retried(practice, bucket, draw.uniform(0, LATEST_S)), FINAL_DEADLINE_S, what="a retry is taken"
            )
            scene.counts["retries about the end of a bucket"] += 1
            scene.load.renew()
        practice.ended(bucket, FINAL_DEADLINE_S)


def _retried(practice: Practice, bucket: str, later_s: float) -> bool:
    """Whether a retry was taken; none is while the units of the one before are not open yet."""
    _await_final(practice, bucket)
    time.sleep(later_s)
    with suppress(Refused, Unreachable):
        practice.retry(bucket, filter={"states": ["failed"]})
        return True
    return False


def _await_final(practice: Practice, bucket: str) -> None:
    """No unit is open, whether the bucket has ended or not."""

    def final() -> bool:
        with suppress(Refused, Unreachable):
            return share_ended(practice.bucket(bucket, fresh=True)) == 1
        return False

    eventually_blocking(final, FINAL_DEADLINE_S, what=f"every unit of {bucket} has ended")


@contextmanager
def second_owner(settings: StackSettings) -> Iterator[str]:
    """Start it and wait until it is ready; gives the address of its metrics."""
    port = settings.aggregator_health_port + 1
    env = {**os.environ, **environment(AGGREGATOR, settings, 1), "SB_INSTANCE_ID": SECOND}
    process = ServerProcess(
        [sys.executable, "-m", "tests.chaos.second_aggregator"], log=settings.logs_dir / "second.log", env=env
    )
    address = f"http://{settings.host}:{port}"
    process.start(lambda: answers_ok(f"{address}/readyz"), START_DEADLINE_S)
    try:
        yield f"{address}/metrics"
    finally:
        process.stop(START_DEADLINE_S)


@contextmanager
def _scene(folder: Path) -> Iterator[Scene]:
    settings = StackSettings.on_free_ports(folder)
    (port,) = free_ports(1)
    far = {"SB_MONGO_URL": f"mongodb://{settings.host}:{port}/?directConnection=true"}
    with ExitStack() as started:
        proxy = started.enter_context(Proxy(port, settings.mongo_port))
        scene = started.enter_context(
            opened(settings, proxies={AGGREGATOR.role: proxy}, slot_environment={"aggregator-0": far})
        )
        scene.sampler.also[SECOND] = started.enter_context(second_owner(settings))
        yield scene


FAMILY: Final = Family(
    "owners",
    (Fault("two owners of every shard, retries at the end", 2, retried_at_the_end),),
    _scene,
    verdicts=frozenset({"complete"}),
)

"""The loop around the dispatcher's step."""

import asyncio
from collections.abc import Sequence

from bucket_api.dispatch.backlog import ActiveBucket
from bucket_api.dispatch.loop import Tick
from bucket_api.dispatch.running import run_dispatcher
from bucket_api.dispatch.store import StoreUnavailable

from tests.support.eventually import PATIENCE_S, eventually
from tests.support.page_world import PageWorld, dispatcher_in


class AwayAtFirst(PageWorld):
    """A database that answers only from the second question on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def active_buckets(self) -> list[ActiveBucket]:
        self.asked += 1
        if self.asked == 1:
            raise StoreUnavailable
        return await super().active_buckets()


def dispatched(seen: Sequence[Tick | None]) -> int:
    return sum(tick.dispatched for tick in seen if tick is not None)


async def test_work_goes_on_after_an_outage_and_is_told_from_idleness() -> None:
    world = AwayAtFirst()
    world.add("b_1", clients=900)
    seen: list[Tick | None] = []
    stopped = asyncio.Event()
    loop = asyncio.create_task(run_dispatcher(dispatcher_in(world), lambda: world.now_ms, seen.append, stopped))
    await eventually(lambda: dispatched(seen) == 900)
    stopped.set()
    await asyncio.wait_for(loop, PATIENCE_S)
    assert seen[0] is None
    assert None not in seen[1:]

"""Decisions that must not rest on a write which may be rolled back: a dataset's write overtaken, a selection applied,
a fence held. And that the primary alone computes a fence.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pymongo import WriteConcern
from status_aggregator.store import MongoBuckets
from sync_contracts.pages import page_document
from sync_contracts.units import Unit
from sync_worker.datasets.store import DatasetStore, Stale, Written
from sync_worker.datasets.versions import Write
from sync_worker.execution.fence import FenceStore, Take

from tests.simulation.log import as_any
from tests.simulation.network import GIVE_UP_S, Process, Simulation
from tests.simulation.replica import Replica
from tests.simulation.store import SimulatedDatabase
from tests.support.planted import Plan

STALLED_S = 60.0
LOOK_S = 0.0001
"""Far shorter than the way of any answer."""
WORKERS, TAKES = 5, 20


def while_stalled(act: Callable[[Replica, Any], Awaitable[Any]]) -> Any:
    """What comes of an act while the secondaries have fallen behind."""
    sim = Simulation(1)
    replica = Replica(sim)
    database = as_any(SimulatedDatabase(sim, replica, Process("test", "test")))

    async def main() -> Any:
        replica.stall(STALLED_S)
        return await act(replica, database)

    return sim.loop.run(main())


def test_a_data_write_refused_by_one_that_is_rolled_back_is_written_and_not_taken_for_overtaken() -> None:
    async def act(replica: Replica, database: Any) -> Any:
        newer = database["datasets"].with_options(write_concern=WriteConcern(1))
        await newer.insert_one({"_id": "d", "tenant_id": "t", "fence": 4, "ver": "b.2.4"})
        lose = GIVE_UP_S + 1.0
        replica._sim.loop.in_world(lose, lambda: replica.fail_over(rolls_back=True, away_s=0.0))
        wanted = {"_id": "d", "tenant_id": "t", "fence": {"$lte": 3}}
        return await DatasetStore(database).write(Write(wanted, {"$set": {"fence": 3, "ver": "b.1.3"}}, 3))

    assert while_stalled(act) == Written()


def test_a_write_on_an_old_base_is_stale_though_a_newer_one_is_there_that_no_majority_has() -> None:
    async def act(replica: Replica, database: Any) -> Any:
        present = {"_id": "d", "tenant_id": "t", "fence": 3, "ver": "b.1.3"}
        replica.plant("datasets", [present])

        def overtake_when_refused() -> None:
            if replica._sim.guards["datasets: write refused"]:
                replica.primary.put("datasets", "d", {**present, "fence": 4, "ver": "b.2.4"}, "another")
            else:
                replica._sim.loop.in_world(LOOK_S, overtake_when_refused)

        overtake_when_refused()
        wanted = {"_id": "d", "tenant_id": "t", "fence": {"$lte": 3}, "ver": "b.1.2"}
        return await DatasetStore(database).write(Write(wanted, {"$set": {"fence": 3, "ver": "b.1.4"}}, 3))

    assert while_stalled(act) == Stale()


def test_a_fence_is_held_when_a_majority_has_it() -> None:
    async def act(_replica: Replica, database: Any) -> Any:
        store, take = FenceStore(database), Take("t_1", "c_1", "log:0:1", by=11)
        await store.raise_fences([take])
        return await store.held([take])

    assert while_stalled(act) == [None]


def test_no_two_of_many_takes_hold_one_fence() -> None:
    sim = Simulation(1)
    replica, held = Replica(sim), list[int]()

    async def worker(number: int) -> None:
        database = as_any(SimulatedDatabase(sim, replica, Process(f"worker {number}", "worker")))
        store = FenceStore(database)
        for n in range(TAKES):
            take = Take("t_1", "c_1", f"log:{number}:{n}", by=number * TAKES + n)
            await store.raise_fences([take])
            held.extend(fence.value for fence in await store.held([take]) if fence)

    async def main() -> None:
        await asyncio.gather(*(worker(number) for number in range(WORKERS)))

    sim.loop.run(main())
    assert len(held) > WORKERS
    assert len(held) == len(set(held))


def test_that_a_page_has_applied_a_retry_is_known_when_a_majority_has_the_page() -> None:
    async def act(replica: Replica, database: Any) -> Any:
        (page,) = Plan("b_0", "t_one", 1, 1, 1).pages(Unit("F", 1))
        replica.plant("bucket_pages", [page_document(page)])
        pages = database["bucket_pages"].with_options(write_concern=WriteConcern(1))
        await pages.update_one({"_id": page.id}, {"$set": {"r": 1}, "$inc": {"v": 1}})
        return [view.r for view in (await MongoBuckets(database).views(["b_0"]))["b_0"]]

    assert while_stalled(act) == [0]

"""Decisions that must not rest on a write which is rolled back: a dataset's write overtaken, a selection applied."""

from collections.abc import Awaitable, Callable
from typing import Any

from pymongo import WriteConcern
from status_aggregator.store import MongoBuckets
from sync_contracts.pages import page_document
from sync_contracts.units import Unit
from sync_worker.datasets.store import DatasetStore, Written
from sync_worker.datasets.versions import Write

from tests.simulation.log import as_any
from tests.simulation.network import GIVE_UP_S, Process, Simulation
from tests.simulation.replica import Replica
from tests.simulation.store import SimulatedDatabase
from tests.support.planted import Plan

STALLED_S = 60.0


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


def test_that_a_page_has_applied_a_retry_is_known_when_a_majority_has_the_page() -> None:
    async def act(replica: Replica, database: Any) -> Any:
        (page,) = Plan("b_0", "t_one", 1, 1, 1).pages(Unit("F", 1))
        replica.plant("bucket_pages", [page_document(page)])
        pages = database["bucket_pages"].with_options(write_concern=WriteConcern(1))
        await pages.update_one({"_id": page.id}, {"$set": {"r": 1}, "$inc": {"v": 1}})
        return [view.r for view in (await MongoBuckets(database).views(["b_0"]))["b_0"]]

    assert while_stalled(act) == [0]

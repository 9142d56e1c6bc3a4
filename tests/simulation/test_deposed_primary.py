"""What a worker makes of the answers of a primary that was deposed and does not know it yet."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sync_contracts.buckets import shard_of
from sync_contracts.commands import Command
from sync_contracts.pages import page_document
from sync_contracts.units import Unit
from sync_worker.execution.preflight import Drop, Go, Preflight
from sync_worker.execution.sights import Sights
from sync_worker.execution.store import UnitStore

from tests.simulation.log import as_any
from tests.simulation.network import Process, Simulation
from tests.simulation.replica import Replica
from tests.simulation.store import SimulatedDatabase
from tests.support.planted import Plan

PLAN = Plan("b_0", "t_one", 1, 1, 1, client_prefix="c_")
DEPOSED_S = 5.0


class Ending:
    """A unit ends in round 0, the primary is deposed, and at the new one the unit is retried."""

    def __init__(self, ended: Unit) -> None:
        self.sim = Simulation(1)
        self.replica = Replica(self.sim)
        self.worker, self.other = (self._database(name) for name in ("worker", "other"))
        self.sights = Sights(UnitStore(as_any(self.worker)), self.sim.loop.time)
        (page,) = PLAN.pages(ended)
        self.replica.plant("bucket_pages", [page_document(page)])
        self.replica.plant("buckets", [PLAN.document() | {"control": "CANCEL"}])

    def _database(self, name: str) -> SimulatedDatabase:
        return SimulatedDatabase(self.sim, self.replica, Process(name, name))

    def run(self, ask: Callable[[Sights], Awaitable[Any]]) -> Any:
        """What the worker is told, which still talks to the old primary."""

        async def main() -> Any:
            self.replica.depose(["worker"], away_s=0.0, lasts_s=DEPOSED_S)
            again = {"c.0.m.0": {"s": "W", "a": 1000, "f": 0, "t": 0}, "r": 1}
            await self.other["buckets"].update_one({"_id": "b_0"}, {"$set": {"round": 1, "control": "RUN"}})
            await self.other["bucket_pages"].update_one({"b": "b_0"}, {"$set": again, "$inc": {"v": 1}})
            return await ask(self.sights)

        return self.sim.loop.run(main())


def command(attempt: int) -> Command:
    """A command of the one unit."""
    shard = shard_of("t_one")
    place: dict[str, Any] = {"tenant": "t_one", "bucket": "b_0", "client": "c_0", "page": 0, "ci": 0, "mi": 0}
    return Command(**place, attempt=attempt, module="m0", shard=shard, issued_at=0)


@pytest.mark.parametrize("ended", [Unit("F", 2), Unit("C", 1)])
def test_a_retried_unit_runs_although_a_deposed_primary_still_shows_its_end(ended: Unit) -> None:
    ending = Ending(ended)

    verdict: Preflight = ending.run(lambda sights: sights.look(command(1001)))

    assert isinstance(verdict, Go)
    assert (verdict.unit.a, verdict.bucket.round, verdict.bucket.control) == (1000, 1, "RUN")


def test_a_cancel_that_only_a_deposed_primary_shows_stops_no_unit_of_a_later_round() -> None:
    assert Ending(Unit("F", 2)).run(lambda sights: sights.is_cancelled(command(1001))) is False


def test_a_command_of_the_round_that_ended_is_dropped_without_waiting_for_a_newer_primary() -> None:
    ending = Ending(Unit("F", 2))
    began_s = ending.sim.loop.time()

    assert ending.run(lambda sights: sights.look(command(2))) == Drop("ended")
    assert ending.sim.loop.time() - began_s < DEPOSED_S

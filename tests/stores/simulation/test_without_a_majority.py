"""While no majority answers: a real primary of three members and the simulated one answer the same at once."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from local_stack.mongod import MongoServer
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import UpdateOne, WriteConcern
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from sync_runtime.mongo import CLIENT

from tests.simulation.network import Process, Simulation
from tests.simulation.replica import Replica
from tests.simulation.store import SimulatedDatabase

AT_ONCE_S = 0.5
"""Shorter than an election, longer than any answer that waits for nobody."""
HEALED_S = 30.0


def asked(things: Any) -> dict[str, Coroutine[Any, Any, Any]]:
    """Operations on document 2, which only the primary has, as version 5."""
    too_old = {"_id": 2, "fence": {"$lte": 4}}
    local = things.with_options(read_concern=ReadConcern("local"))
    newest = things.with_options(read_concern=ReadConcern("linearizable"))
    return {
        "local read": local.find_one({"_id": 2}),
        "majority read": things.find_one({"_id": 2}),
        "linearizable read": newest.find_one({"_id": 2}),
        "insert of what is there": things.insert_one({"_id": 2}),
        "upsert that is refused": things.update_one(too_old, {"$set": {"x": 1}}, upsert=True),
        "bulk that is refused": things.bulk_write([UpdateOne(too_old, {"$set": {"x": 1}}, upsert=True)], ordered=False),
        "update of nothing": things.update_one({"_id": 2, "fence": 9}, {"$set": {"x": 1}}),
        "update that changes nothing": things.update_one({"_id": 2}, {"$set": {"fence": 5}}),
        "insert": things.insert_one({"_id": 3}),
    }


async def answers(database: Any, stall: Callable[[], None], heal: Callable[[], None]) -> dict[str, Any]:
    """What is answered at once, by name of the operation; nothing is left under way."""
    things = database.get_collection("things")
    await things.insert_one({"_id": 1})
    stall()
    try:
        await things.with_options(write_concern=WriteConcern(1)).insert_one({"_id": 2, "fence": 5})
        tasks = {name: asyncio.ensure_future(one) for name, one in asked(things).items()}
        done, _ = await asyncio.wait(tasks.values(), timeout=AT_ONCE_S)
        found = {name: task.result() for name, task in tasks.items() if task in done}
    finally:
        heal()
    await asyncio.wait(tasks.values(), timeout=HEALED_S)
    return found


async def of_a_real_set(folder: Path) -> dict[str, Any]:
    """Three members; the two that are not primary are stopped meanwhile."""
    with MongoServer(folder, members=3) as mongo:
        client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(mongo.url, **CLIENT)
        primary = await asyncio.to_thread(mongo.primary)
        others = [mongo.pid(n) for n in range(3) if n != primary]

        def send(sign: signal.Signals) -> None:
            for pid in others:
                os.kill(pid, sign)

        try:
            return await answers(client["db"], lambda: send(signal.SIGSTOP), lambda: send(signal.SIGCONT))
        finally:
            client.close()


def of_the_simulation() -> dict[str, Any]:
    """The same operations there."""
    sim = Simulation(1)
    replica = Replica(sim)
    database = SimulatedDatabase(sim, replica, Process("test", "test"))

    async def main() -> dict[str, Any]:
        return await answers(database, lambda: replica.stall(2.0), lambda: None)

    return sim.loop.run(main())


async def test_only_reads_that_rest_on_nobody_else_are_answered_without_a_majority(tmp_path: Path) -> None:
    simulated = of_the_simulation()

    assert simulated == {"local read": {"_id": 2, "fence": 5}, "majority read": None}
    assert await of_a_real_set(tmp_path) == simulated


def refused(make: Callable[[Any], Awaitable[Any]], *, stalled_s: float, deposed: bool) -> Any:
    """What comes of an operation on document 2, which a fail-over or the client's patience ends."""
    sim = Simulation(1)
    replica = Replica(sim)
    database = SimulatedDatabase(sim, replica, Process("test", "test"))

    async def main() -> Any:
        replica.stall(stalled_s)
        things = database.get_collection("things")
        await things.with_options(write_concern=WriteConcern(1)).insert_one({"_id": 2})
        if deposed:
            sim.loop.in_world(0.1, lambda: replica.fail_over(rolls_back=True, away_s=0.0))
        return await make(things)

    return sim.loop.run(main())


def test_a_refusal_may_rest_on_what_no_majority_has_when_the_clients_time_is_over() -> None:
    with pytest.raises(DuplicateKeyError):
        refused(lambda things: things.insert_one({"_id": 2}), stalled_s=60.0, deposed=False)


def test_what_refused_a_write_is_rolled_back_and_the_driver_asks_the_new_primary() -> None:
    assert refused(lambda things: things.insert_one({"_id": 2}), stalled_s=60.0, deposed=True).inserted_id == 2

"""The simulation's database and a real mongod: the same operations give the same answers and the same documents."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import ReturnDocument, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.read_concern import ReadConcern
from sync_contracts import collections
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database

from tests.simulation.network import Process, Simulation
from tests.simulation.replica import Replica
from tests.simulation.store import SimulatedDatabase

Answers = list[Any]
Script = Callable[[Any], Awaitable[Answers]]
BUCKET = {"tenant_id": "t", "idem_key": "k", "plan_sha": "p", "active": True, "status": "RUNNING", "round": 0}


async def filters(db: Any) -> Answers:
    """Comparisons, existence, lists and elements, with projections."""
    pages = db["pages"]
    await pages.insert_many(
        [
            {"_id": 1, "b": "x", "v": 1, "dl": 5, "c": [{"id": "a", "m": [1, 2]}, {"id": "b", "m": [3]}]},
            {"_id": 2, "b": "x", "v": 7, "results": [{"round": 0}, {"round": 2}]},
            {"_id": 3, "b": "y", "tags": ["t1", "t2"], "summary": {"seq": 3}, "at": datetime(2026, 1, 1, tzinfo=UTC)},
        ]
    )
    queries: list[dict[str, Any]] = [
        {"b": {"$in": ["x", "z"]}},
        {"dl": {"$lte": 5}},
        {"dl": {"$exists": False}},
        {"v": {"$gt": 1, "$lt": 9}},
        {"tags": "t2"},
        {"tags": {"$ne": "t2"}},
        {"results.round": 2},
        {"results": {"$not": {"$elemMatch": {"round": {"$gt": 1}}}}},
        {"results": {"$elemMatch": {"round": {"$gt": 1}}}},
        {"summary.seq": {"$lt": 4}},
        {"$or": [{"v": 1}, {"summary.seq": 3}]},
        {"$and": [{"b": "x"}, {"v": {"$gte": 7}}]},
        {"dl": None},
        {"at": {"$lt": datetime(2026, 2, 1, tzinfo=UTC)}},
        {"v": {"$lt": "9"}},
        {"$expr": {"$lte": [{"$ifNull": ["$dl", 9]}, 5]}},
    ]
    found = [sorted(document["_id"] for document in await pages.find(query).to_list(None)) for query in queries]
    return [
        *found,
        await pages.find_one({"_id": 1}, {"c": {"$slice": [1, 1]}}),
        await pages.find_one({"_id": 2}, ("v", "results.round")),
        await pages.find_one({"_id": 3}, {"_id": 0, "summary.seq": 1}),
        await pages.find_one({"_id": 1}, {"c": 0}),
        await pages.find({}, {"_id": 1}).sort("_id", -1).limit(2).to_list(5),
        await pages.count_documents({"b": "x"}),
    ]


async def updates(db: Any) -> Answers:
    """Operators, positions, array filters, and what they say of themselves."""
    things = db["things"]
    await things.insert_one({"_id": 1, "n": 1, "c": [{"m": [{"s": "W"}, {"s": "D"}]}], "log": [1, 2]})
    said = []
    changes: list[dict[str, Any]] = [
        {"$set": {"c.0.m.1": {"s": "S"}, "x.y": 1}, "$inc": {"n": 2, "rev": 1}},
        {"$set": {"n": 3}},
        {"$unset": {"x.y": "", "nothing": ""}, "$max": {"n": 9, "top": 4}},
        {"$push": {"log": {"$each": [3, 4], "$slice": -3}}},
        {"$push": {"retries": {"round": 1, "sel": {"0": b"1"}}}},
        {"$push": {"retries": {"round": 2, "sel": {"0": b"2"}}}},
    ]
    for change in changes:
        result = await things.update_one({"_id": 1}, change)
        said.append((result.matched_count, result.modified_count))
    removed = {"$unset": {"retries.$[applied].sel": ""}, "$inc": {"rev": 1}}
    await things.update_one({"_id": 1}, removed, array_filters=[{"applied.round": {"$in": [1]}}])
    first = await things.find_one({"_id": 1})
    await things.update_one({"_id": 1}, {"$unset": {"retries.$[].sel": ""}})
    missed = await things.update_one({"_id": 1, "n": 0}, {"$set": {"n": 5}})
    after = await things.find_one_and_update(
        {"_id": 1, "n": 9}, {"$inc": {"n": 1}}, projection={"n": 1}, return_document=ReturnDocument.AFTER
    )
    before = await things.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}})
    none = await things.find_one_and_update({"_id": 2}, {"$inc": {"n": 1}})
    return [*said, first, missed.matched_count, after, before, none, await things.find_one({"_id": 1})]


async def upserts(db: Any) -> Answers:
    """What an upsert makes, and how it meets the key of a document that it does not match."""
    data = db["data"]
    where = {"_id": "d", "tenant_id": "t", "fence": {"$lte": 5}}
    await data.update_one(where, {"$set": {"fence": 5, "ver": "a"}, "$setOnInsert": {"made": 1}}, upsert=True)
    await data.update_one(where, {"$set": {"ver": "b"}, "$setOnInsert": {"made": 2}}, upsert=True)
    writes = [
        UpdateOne({"_id": "d", "fence": {"$lte": 4}}, {"$set": {"ver": "old"}}, upsert=True),
        UpdateOne({"_id": "e", "fence": {"$lte": 4}}, {"$set": {"fence": 4}}, upsert=True),
        UpdateOne({"_id": "d", "v": 9}, {"$set": {"ver": "none"}}),
    ]
    try:
        await data.bulk_write(writes, ordered=False)
        refused = []
    except BulkWriteError as error:
        refused = [(one["index"], one["code"]) for one in (error.details or {})["writeErrors"]]
    clean = await data.bulk_write(
        [UpdateOne({"_id": "d"}, {"$set": {"ver": "c"}}), UpdateOne({"_id": "z"}, {"$inc": {"v": 1}})]
    )
    return [refused, clean.matched_count, await data.find({}).sort("_id", 1).to_list(9)]


async def pipelines(db: Any) -> Answers:
    """The fence's update: computed by the database, whatever was there."""
    sessions = db["portal_sessions"]
    said = []
    for record, by in (("r1", 1), ("r1", 2), ("r2", 3)):
        deliveries = {"$cond": [{"$eq": ["$run.rec", record]}, {"$add": ["$run.d", 1]}, 1]}
        run = {"rec": record, "d": deliveries, "by": by}
        take = [{"$set": {"fence": {"$add": [{"$ifNull": ["$fence", 0]}, 1]}, "run": run}}]
        await sessions.update_one({"_id": "t:c"}, take, upsert=True)
        said.append(await sessions.find_one({"_id": "t:c"}))
    return said


async def uniqueness(db: Any) -> Answers:
    """One bucket per key, one active bucket per plan."""
    buckets = db["buckets"]
    await buckets.insert_one({"_id": "b1", **BUCKET})
    said: list[Any] = []
    for document in (
        {"_id": "b1", **BUCKET, "idem_key": "k2", "plan_sha": "p2"},
        {"_id": "b2", **BUCKET, "plan_sha": "p2"},
        {"_id": "b2", **BUCKET, "idem_key": "k2"},
        {"_id": "b2", **{name: value for name, value in BUCKET.items() if name != "active"}, "idem_key": "k2"},
    ):
        try:
            await buckets.insert_one(document)
            said.append("inserted")
        except DuplicateKeyError as taken:
            said.append(dict((taken.details or {})["keyPattern"]))
    try:
        await buckets.update_one({"_id": "b2"}, {"$set": {"active": True}})
    except DuplicateKeyError:
        said.append("active twice")
    removed = await buckets.delete_many({"tenant_id": "t"})
    return [*said, removed.deleted_count]


async def concerns(db: Any) -> Answers:
    """Acknowledged by a majority means readable by all who ask a majority, and by linearizable readers."""
    pages = db.get_collection("p", write_concern=WriteConcern("majority"), read_concern=ReadConcern("majority"))
    await pages.insert_one({"_id": 1, "v": 1})
    await pages.update_one({"_id": 1, "v": 1}, {"$set": {"v": 2}})
    newest = pages.with_options(read_concern=ReadConcern("linearizable"))
    local = pages.with_options(read_concern=ReadConcern("local"))
    return [await pages.find_one({"_id": 1}), await newest.find_one({"_id": 1}), await local.find_one({"_id": 1})]


SCRIPTS = (filters, updates, upserts, pipelines, uniqueness, concerns)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
async def test_the_double_answers_as_the_database_does(script: Script, mongo_db: Database) -> None:
    await create_missing(mongo_db, (collections.BUCKETS,))

    real = await script(mongo_db)

    assert simulated(script) == real


def simulated(script: Script) -> Answers:
    """The script's answers over the double."""
    sim = Simulation(1)
    database = SimulatedDatabase(sim, Replica(sim), Process("test", "test"))

    async def main() -> Answers:
        return await script(database)

    return sim.loop.run(main())


def test_an_unacknowledged_write_is_seen_locally_and_rolled_back_by_a_fail_over() -> None:
    sim = Simulation(1)
    replica = Replica(sim)
    database = SimulatedDatabase(sim, replica, Process("test", "test"))

    async def main() -> list[Any]:
        things = database["things"].with_options(write_concern=WriteConcern(1))
        await things.insert_one({"_id": 1, "v": 1})
        await sim_sleep(1.0)
        replica.stall(10.0)
        await things.update_one({"_id": 1}, {"$set": {"v": 2}})
        local = await things.with_options(read_concern=ReadConcern("local")).find_one({"_id": 1})
        durable = await things.find_one({"_id": 1})
        replica.fail_over(rolls_back=True, away_s=0.0)
        after = await things.with_options(read_concern=ReadConcern("local")).find_one({"_id": 1})
        return [local, durable, after]

    async def sim_sleep(seconds: float) -> None:
        future = sim.loop.create_future()
        sim.loop.call_later(seconds, future.set_result, None)
        await future

    assert sim.loop.run(main()) == [{"_id": 1, "v": 2}, {"_id": 1, "v": 1}, {"_id": 1, "v": 1}]

"""F40 A1 on a real database: asked again once it is published, in a small bucket, linked both ways, and not again."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from bucket_api.buckets.creation import Creation, Start, Started
from bucket_api.buckets.planning import Period
from bucket_api.buckets.selection import Selection
from bucket_api.schedules.calendar import INDIA
from bucket_api.schedules.holding import Holding
from bucket_api.schedules.rearming import Rearming
from bucket_api.schedules.schedule import moment
from bucket_api.schedules.watches import Watch
from bucket_api.scope import TenantScope
from sync_contracts.catalogue import Module
from sync_contracts.outcomes import Code
from sync_contracts.pages import unit_document
from sync_contracts.units import Unit
from sync_runtime.mongo import Database

from tests.stores.schedules.world import DONE, TENANT, World
from tests.unit.schedules.schedules import DAY_MS, PLAN

NOT_YET = Unit("S", a=1, e=Code.NOT_YET)
PERIOD = "2026-11"
MISSING = {"c_one_2", "c_one_4"}


@pytest.fixture
async def world(mongo_db: Database) -> World:
    return await World.made(mongo_db)


async def started(world: World, key: str = "k1", **changes: Any) -> str:
    """A bucket for the month that is not published before the 14th of December."""
    values: dict[str, Any] = {
        "key": key,
        "body": {"key": key},
        "asked": PLAN,
        "selection": Selection(everyone=True),
        "modules": (Module.GSTR2B, Module.NOTICES),
        "period": Period("months", (PERIOD,)),
        "options": {"auto_resume": True},
        "name": None,
        "note": None,
        "by": "us_anja",
        "by_name": "Anja",
        "trace": None,
    }
    made = await world.creation.start(TENANT, Start(**{**values, **changes}))
    assert isinstance(made, Started)
    return str(made.bucket["_id"])


def two_missing(client: str, module: str) -> Unit:
    return NOT_YET if module == "gstr2b" and client in MISSING else DONE


async def watch_of(world: World, bucket: str) -> Watch:
    (document,) = await world.database["rearm_watches"].find({"bucket": bucket}).to_list(None)
    found = await world.stores.watches.get(TENANT, document["_id"])
    assert found is not None
    return found


async def watched(world: World) -> tuple[str, Watch]:
    """A bucket that ended without two clients' 2B, and its watch."""
    bucket = await started(world)
    await world.end(bucket, two_missing)
    await world.scheduler().tick()
    return bucket, await watch_of(world, bucket)


async def retried(world: World, bucket: str, client: str) -> None:
    """Its next round has begun for a client, as the API and the aggregator leave it."""
    change = {"$inc": {"round": 1}, "$set": {"status": "RUNNING", "active": True}, "$unset": {"rearm_looked": ""}}
    await world.database["buckets"].update_one({"_id": bucket}, change)
    again = {"c.$[one].m": [unit_document(Unit("W", a=1_000))] * 2}
    only = [{"one.id": client}]
    await world.database["bucket_pages"].update_one({"b": bucket}, {"$set": again}, array_filters=only)


async def again_of(world: World, bucket: str) -> list[dict[str, Any]]:
    return [found for found in await world.buckets() if found["origin"].get("bucket_id") == bucket]


async def test_f40_a1_what_was_not_there_is_asked_for_once_it_is_published_in_a_small_linked_bucket(
    world: World,
) -> None:
    bucket, watch = await watched(world)
    assert moment(watch.next_at).astimezone(INDIA).date() == date(2026, 12, 14)
    world.at = watch.next_at - 1
    await world.scheduler().tick()
    assert await again_of(world, bucket) == []

    world.at = watch.next_at
    for _ in range(3):
        await world.scheduler().tick()

    (small,) = await again_of(world, bucket)
    assert small["origin"] == {"kind": "rearm", "bucket_id": bucket, "by_name": "Anja"}
    assert small["idem_key"] == f"rearm:{bucket}:1:2026-12-14"
    assert {client for client, _ in await world.units(small["_id"])} == MISSING
    assert small["columns"] == [{"module": "gstr2b", "period": PERIOD}]
    first = next(found for found in await world.buckets() if found["_id"] == bucket)
    assert (first["linked"], small["linked"]) == ([small["_id"]], [bucket])


async def test_f40_a1_what_was_obtained_is_not_asked_for_again(world: World) -> None:
    bucket, watch = await watched(world)
    world.at = watch.next_at
    await world.scheduler().tick()
    (small,) = await again_of(world, bucket)
    await world.end(small["_id"])

    for _ in range(40):
        world.at += DAY_MS
        await world.scheduler().tick()

    assert len(await world.buckets()) == 2
    assert (await watch_of(world, bucket)).state == "done"


async def test_f40_a1_what_is_still_not_there_is_asked_for_daily_until_the_window_ends(world: World) -> None:
    bucket, watch = await watched(world)
    days = []
    for _ in range(40):
        world.at = max(world.at, (await watch_of(world, bucket)).next_at)
        await world.scheduler().tick()
        for small in await again_of(world, bucket):
            if small.get("active"):
                days.append(small["idem_key"].rsplit(":", 1)[1])
                await world.end(small["_id"], two_missing)
        await world.scheduler().tick()

    assert days == [f"{date(2026, 12, 14) + timedelta(days=n)}" for n in range(31)]
    assert (await watch_of(world, bucket)).state == "ended"
    assert watch.until > watch.next_at


async def test_only_who_is_still_missing_is_asked_for_the_next_day(world: World) -> None:
    bucket, watch = await watched(world)
    world.at = watch.next_at
    await world.scheduler().tick()
    (small,) = await again_of(world, bucket)
    await world.end(small["_id"], lambda client, _: NOT_YET if client == "c_one_4" else DONE)
    await world.scheduler().tick()
    world.at = (await watch_of(world, bucket)).next_at

    await world.scheduler().tick()

    newest = (await again_of(world, bucket))[-1]
    assert newest["_id"] != small["_id"]
    assert {client for client, _ in await world.units(newest["_id"])} == {"c_one_4"}


async def test_who_is_missing_by_a_later_round_is_asked_for_after_the_try_that_is_on_its_way(world: World) -> None:
    bucket, watch = await watched(world)
    world.at = watch.next_at
    await world.scheduler().tick()
    (small,) = await again_of(world, bucket)
    await retried(world, bucket, "c_one_1")
    await world.end(bucket, lambda client, _: NOT_YET if client == "c_one_1" else DONE)
    await world.scheduler().tick()
    during = await watch_of(world, bucket)
    assert (during.state, set(during.also)) == ("asking", {"c_one_1", *MISSING})
    there = {"_id": f"t_one:c_one_2:gstr2b:{PERIOD}", "tenant_id": "t_one", "client": "c_one_2", "ver": "1"}
    await world.database["datasets"].insert_one(there)
    await world.end(small["_id"], lambda client, _: NOT_YET if client == "c_one_4" else DONE)

    await world.scheduler().tick()
    world.at = (await watch_of(world, bucket)).next_at
    await world.scheduler().tick()

    newest = (await again_of(world, bucket))[-1]
    assert {client for client, _ in await world.units(newest["_id"])} == {"c_one_1", "c_one_4"}


async def test_ended_buckets_that_were_looked_at_are_not_read_to_find_those_that_were_not(world: World) -> None:
    template = (await world.database["buckets"].find_one({"_id": await started(world)})) or {}
    await world.database["buckets"].delete_many({})
    for number in range(60):
        fields = {"_id": f"b_{number}", "idem_key": f"k_{number}", "plan_sha": f"p_{number}", "status": "COMPLETED"}
        looked = {"rearm_looked": True} if number % 20 else {}
        await world.database["buckets"].insert_one({**template, **fields, "active": False, **looked})

    found = await world.stores.watches.ended_buckets(world.at, 20)

    assert {bucket["_id"] for bucket in found} == {"b_0", "b_20", "b_40"}
    query = {"rearm_looked": None, "status": {"$in": ["COMPLETED", "PARTIAL"]}, "rearm_until": {"$gt": world.at}}
    stats = await world.database.command("explain", {"find": "buckets", "filter": query}, verbosity="executionStats")
    assert stats["executionStats"]["totalDocsExamined"] == 3


async def test_what_another_bucket_has_obtained_meanwhile_is_not_asked_for(world: World) -> None:
    bucket, watch = await watched(world)
    for client in MISSING:
        dataset = {"_id": f"t_one:{client}:gstr2b:{PERIOD}", "tenant_id": "t_one", "client": client, "ver": "v"}
        await world.database["datasets"].insert_one(dataset)
    world.at = watch.next_at

    await world.scheduler().tick()

    assert await again_of(world, bucket) == []
    assert (await watch_of(world, bucket)).state == "done"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"options": {"auto_resume": False}}, "COMPLETED"),
        ({}, "CANCELLED"),
        ({"modules": (Module.NOTICES,)}, "COMPLETED"),
    ],
)
async def test_a_bucket_that_shall_not_go_on_by_itself_is_not_watched(
    world: World, changes: dict[str, Any], status: str
) -> None:
    bucket = await started(world, **changes)
    await world.end(bucket, two_missing, status)

    await world.scheduler().tick()

    assert await world.database["rearm_watches"].count_documents({}) == 0


async def test_a_later_round_adds_what_was_not_there_in_it(world: World) -> None:
    bucket, watch = await watched(world)
    change = {"$set": {"round": 1, "status": "RUNNING"}, "$unset": {"rearm_looked": ""}}
    await world.database["buckets"].update_one({"_id": bucket}, change)
    page = await world.database["bucket_pages"].find_one({"b": bucket})
    assert page is not None
    change = {"$set": {"c.0.m.1": {"s": "W", "a": 1000, "f": 0, "t": 0}}}
    await world.database["bucket_pages"].update_one({"_id": page["_id"]}, change)
    await world.end(bucket, lambda _client, _module: NOT_YET)

    await world.scheduler().tick()

    assert set((await watch_of(world, bucket)).clients) == {*watch.clients, page["c"][0]["id"]}


async def test_schedulers_that_act_at_once_ask_once(world: World) -> None:
    bucket, watch = await watched(world)
    world.at = watch.next_at

    await asyncio.gather(*(world.scheduler().tick() for _ in range(4)))

    assert len(await again_of(world, bucket)) == 1


async def test_a_scheduler_that_slept_takes_no_watch_back(world: World) -> None:
    """It wakes with a watch whose bucket has been made, has ended and was counted by another one."""
    bucket, watch = await watched(world)
    world.at = watch.next_at
    await world.scheduler().tick()
    (small,) = await again_of(world, bucket)
    await world.end(small["_id"])
    await world.scheduler().tick()

    sleeper = Rearming(world.stores, world.creation, Holding(world.now_ms), world.now_ms)
    await sleeper._ask_again(watch)

    assert (await watch_of(world, bucket)).state == "done"
    assert len(await again_of(world, bucket)) == 1


class KilledError(BaseException):
    """The process is gone."""


class DyingCreation:
    """Dies after the bucket is created."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def start(self, tenant: TenantScope, start: Start) -> Creation:
        await self._world.creation.start(tenant, start)
        raise KilledError


async def test_a_scheduler_that_dies_while_it_asks_is_followed_by_one_that_links(world: World) -> None:
    bucket, watch = await watched(world)
    world.at = watch.next_at
    dying = Rearming(world.stores, DyingCreation(world), Holding(world.now_ms), world.now_ms)  # type: ignore[arg-type]
    with pytest.raises(KilledError):
        await dying.ask()

    await world.scheduler().tick()

    (small,) = await again_of(world, bucket)
    first = next(found for found in await world.buckets() if found["_id"] == bucket)
    assert (first["linked"], small["linked"]) == ([small["_id"]], [bucket])


async def test_an_error_in_one_watch_does_not_stop_the_others(world: World) -> None:
    bucket, watch = await watched(world)
    other = await started(world, "k2", selection=Selection(add=("c_one_1",)), period=Period())
    await world.end(other, lambda _client, _module: NOT_YET)
    await world.scheduler().tick()
    await world.database["rearm_watches"].update_one({"_id": watch.id}, {"$set": {"module": "of_no_release"}})
    await world.database["rearm_watches"].update_many({}, {"$set": {"next_at": world.at}})

    tick = await world.scheduler().tick()

    assert tick.failed == 1
    assert await again_of(world, bucket) == []
    assert len(await again_of(world, other)) == 1


async def test_a_watch_that_only_a_newer_version_can_read_stops_no_other(world: World) -> None:
    bucket, watch = await watched(world)
    theirs = {"_id": "b_newer:0", "tenant_id": "t_one", "state": "watching", "next_at": 1, "clients": "all"}
    await world.database["rearm_watches"].insert_one(dict(theirs))
    world.at = watch.next_at

    await world.scheduler().tick()

    assert len(await again_of(world, bucket)) == 1
    assert await world.database["rearm_watches"].find_one({"_id": "b_newer:0"}) == theirs


async def test_f34_a4_a_moved_publication_moves_the_try(world: World) -> None:
    bucket, watch = await watched(world)
    day = await world.stores.calendars.put(
        TENANT, "gstr2b_published", PERIOD, date(2026, 12, 17), note="Announced", by="us_anja", at=world.at
    )
    assert (await watch_of(world, bucket)).next_at == watch.next_at

    await world.scheduler().tick()

    moved = await watch_of(world, bucket)
    assert (moved.next_at, moved.until) == (watch.next_at + 3 * DAY_MS, watch.until + 3 * DAY_MS)
    assert await world.stores.calendars.unapplied(10) == []
    assert day.on == date(2026, 12, 17)


async def test_buckets_leave_the_index_when_their_window_is_over(world: World) -> None:
    bucket = await started(world)
    await world.end(bucket)
    world.at += 90 * DAY_MS

    await world.scheduler().tick()

    (found,) = await world.buckets()
    assert "rearm_until" not in found

"""F34 A4 on a real database: a moved day moves the schedules that follow it, whoever is killed in between."""

from datetime import date

import pytest
from bucket_api.schedules.schedule import Schedule
from bucket_api.schedules.when import CalendarEvent, Daily
from bucket_api.scope import TenantScope
from sync_runtime.mongo import Database

from tests.stores.schedules.world import TENANT, World
from tests.unit.schedules.schedules import DAY_MS

FROM_THE_14TH = CalendarEvent("gstr2b_published", 360, True)


@pytest.fixture
async def world(mongo_db: Database) -> World:
    return await World.made(mongo_db)


async def move(world: World, on: date | None, tenant: TenantScope = TENANT) -> None:
    await world.stores.calendars.put(tenant, "gstr2b_published", "2026-11", on, note=None, by="us_anja", at=world.at)


async def starts(world: World, *schedules: Schedule) -> list[int | None]:
    return [(await world.again(one)).next_at for one in schedules]


async def test_f34_a4_a_moved_day_moves_the_schedules_of_the_firm_and_no_others(world: World) -> None:
    mine = await world.schedule(when=FROM_THE_14TH, window_s=7_200)
    others = [
        await world.schedule(when=CalendarEvent("gstr1_due")),
        await world.schedule(when=Daily("07:00")),
        await world.schedule(TenantScope("t_two"), when=FROM_THE_14TH),
    ]
    before, of_others = await starts(world, mine), await starts(world, *others)

    await move(world, date(2026, 12, 17))
    await world.scheduler().tick()

    assert await starts(world, mine) == [(before[0] or 0) + 3 * DAY_MS]
    assert await starts(world, *others) == of_others
    await move(world, None)
    await world.scheduler().tick()
    assert await starts(world, mine) == before
    assert await world.database["calendar_days"].count_documents({}) == 0


async def test_a_day_that_cannot_be_followed_holds_no_other_firm_and_no_schedule(world: World) -> None:
    """One schedule of theirs has been written in a way that nobody here can read."""
    mine, theirs = await world.schedule(when=FROM_THE_14TH), TenantScope("t_two")
    broken = await world.schedule(theirs, when=FROM_THE_14TH)
    await world.database["schedules"].update_one({"_id": broken.id}, {"$set": {"window_s": "two hours"}})
    before = await starts(world, mine)
    await move(world, date(2026, 12, 17), theirs)
    await move(world, date(2026, 12, 17))

    tick = await world.scheduler().tick()

    assert tick.failed == 1
    assert await starts(world, mine) == [(before[0] or 0) + 3 * DAY_MS]
    assert [day.tenant_id for day in await world.stores.calendars.unapplied(10)] == ["t_two"], "it is tried again"


async def test_a_day_that_was_moved_again_while_schedules_followed_is_followed_again(world: World) -> None:
    mine = await world.schedule(when=FROM_THE_14TH)
    before = await starts(world, mine)
    await move(world, date(2026, 12, 17))
    (seen,) = await world.stores.calendars.unapplied(10)
    await move(world, date(2026, 12, 18))

    await world.stores.calendars.applied(TENANT, seen)
    await world.scheduler().tick()

    assert await starts(world, mine) == [(before[0] or 0) + 4 * DAY_MS]


async def test_a_day_that_is_moved_to_the_past_starts_the_schedule_once(world: World) -> None:
    mine = await world.schedule(when=CalendarEvent("gstr2b_published", 360))
    world.at += 10 * DAY_MS
    await move(world, date(2026, 11, 30))

    for _ in range(3):
        await world.scheduler().tick()

    (bucket,) = await world.buckets()
    assert [one.bucket_id for one in (await world.again(mine)).occurrences] == [bucket["_id"]]


async def test_a_start_that_waits_to_be_made_again_is_not_moved(world: World) -> None:
    """Its time is that of the next try; only the slot behind it moves."""
    mine = await world.schedule(when=FROM_THE_14TH)
    await world.until_next(mine)
    await world.database["schedules"].update_one(
        {"_id": mine.id}, {"$set": {"pending": {"slot": mine.slot, "since": world.at}, "passed": mine.slot}}
    )
    await move(world, date(2026, 12, 17))

    await world.scheduler().tick()

    (bucket,) = await world.buckets()
    assert bucket["idem_key"] == f"schedule:{mine.id}:{mine.slot}"

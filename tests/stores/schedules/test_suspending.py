"""F34 A3 on a real database: counted from ended buckets, once each; left out; re-armed by whatever mends the access."""

from datetime import timedelta

import pytest
from bucket_api.refusal import Refusal
from bucket_api.schedules.schedule import Schedule, moment
from bucket_api.schedules.streaks import Streak, after_run
from bucket_api.schedules.when import Cron
from bucket_api.scope import TenantScope
from sync_contracts.outcomes import Code
from sync_contracts.units import Unit
from sync_runtime.mongo import Database

from tests.stores.schedules.world import DONE, TENANT, World
from tests.unit.schedules.schedules import DAY_MS

FAILING = ("c_one_2", "notices")
NO_OTP = Unit("F", a=1, e=Code.OTP_REQUIRED)


@pytest.fixture
async def world(mongo_db: Database) -> World:
    return await World.made(mongo_db)


def one_fails(client: str, module: str) -> Unit:
    return NO_OTP if (client, module) == FAILING else DONE


async def run_once(world: World, schedule: Schedule) -> str:
    """The next slot's bucket, ended and counted."""
    await world.until_next(schedule)
    scheduler = world.scheduler()
    await scheduler.tick()
    bucket = (await world.again(schedule)).last_bucket_id
    assert bucket is not None
    await world.end(bucket, one_fails)
    await world.scheduler().tick()
    return bucket


async def suspended(world: World, schedule: Schedule) -> dict[str, tuple[str, ...]]:
    return await world.stores.streaks.suspended(TENANT, schedule.id)


async def failed_ten_times(world: World) -> Schedule:
    made = await world.schedule()
    for _ in range(10):
        await run_once(world, made)
    return made


async def test_f34_a3_a_failing_client_module_is_warned_of_then_left_out_and_the_schedule_goes_on(world: World) -> None:
    made = await world.schedule()
    states = []
    for _ in range(10):
        await run_once(world, made)
        shown, total, _ = await world.stores.streaks.shown(TENANT, made.id, None, 10)
        states += [shown[0]["state"] if total else "–"]

    bucket = await run_once(world, made)

    assert states == ["–"] * 4 + ["warned"] * 5 + ["suspended"]
    units = await world.units(bucket)
    left_out = {place: unit.e for place, unit in units.items() if unit.s == "F"}
    assert left_out == {FAILING: Code.SUSPENDED}
    assert sum(unit.s == "S" for unit in units.values()) == 7
    assert await suspended(world, made) == {"c_one_2": ("notices",)}


async def test_f34_a3_a_warning_and_a_suspension_are_told_with_the_schedule_each_once(world: World) -> None:
    made = await world.schedule()
    buckets = [await run_once(world, made) for _ in range(11)]

    told = (await world.again(made)).told

    assert [(one.state, one.places, one.bucket_id) for one in told] == [
        ("warned", 1, buckets[4]),
        ("suspended", 1, buckets[9]),
    ]


async def test_rows_that_a_run_has_counted_after_its_schedule_was_deleted_go(world: World) -> None:
    made, kept = await world.schedule(), await world.schedule(name="Another")
    rows = {FAILING: Streak(1, world.at, world.at, 1, "counting", "otp_required")}
    await world.book().delete(TENANT, made.id, made.etag)
    for schedule in (made, kept):
        await world.stores.streaks.save(TENANT, schedule.id, rows, {})

    assert await world.stores.streaks.forget_unused() == 1

    assert await world.stores.streaks.of(TENANT, made.id) == {}
    assert await world.stores.streaks.of(TENANT, kept.id) == rows
    assert await world.stores.streaks.forget_unused() == 0


async def test_f34_a3_another_portal_user_re_arms(world: World) -> None:
    made = await failed_ten_times(world)
    await world.scheduler().tick()
    assert await suspended(world, made)
    changed = {"$set": {"changed_at": moment(world.at) + timedelta(hours=1)}}
    await world.database["credentials"].update_one({"client": FAILING[0]}, changed)

    tick = await world.scheduler().tick()

    assert tick.released == 1
    assert await suspended(world, made) == {}
    assert (await world.units(await run_once(world, made)))[FAILING] == NO_OTP, "it takes part again"


async def test_f34_a3_a_new_one_time_password_re_arms(world: World) -> None:
    made = await failed_ten_times(world)
    request = {"_id": "otp_1", "tenant_id": "t_one", "client": FAILING[0], "state": "accepted"}
    await world.database["otp_requests"].insert_one({**request, "created_at": moment(world.at - 2 * DAY_MS)})
    await world.scheduler().tick()
    assert await suspended(world, made), "that was before the newest failure"
    await world.database["otp_requests"].insert_one(
        {**request, "_id": "otp_2", "created_at": moment(world.at) + timedelta(seconds=1)}
    )

    await world.scheduler().tick()

    assert await suspended(world, made) == {}


async def test_f34_a3_data_that_came_since_by_whatever_bucket_re_arms(world: World) -> None:
    """A person retried it, and it went well."""
    made = await failed_ten_times(world)
    other = {"_id": "t_one:c_one_2:gstr2b:2026-10", "module": "gstr2b", "fetched_at": moment(world.at + DAY_MS)}
    same = {"tenant_id": "t_one", "client": FAILING[0]}
    await world.database["datasets"].insert_one({**same, **other})
    await world.scheduler().tick()
    assert await suspended(world, made), "that was another module"

    mended = {"_id": "t_one:c_one_2:notices:-", "module": "notices", "fetched_at": moment(world.at + 1)}
    await world.database["datasets"].insert_one({**same, **mended})
    await world.scheduler().tick()

    assert await suspended(world, made) == {}


async def test_f34_a3_somebody_re_arms_by_hand(world: World) -> None:
    made = await failed_ten_times(world)

    assert await world.stores.streaks.release(TenantScope("t_two"), made.id, FAILING[0]) == 0
    assert await world.stores.streaks.release(TENANT, made.id, FAILING[0], "gstr2b") == 0
    assert await world.stores.streaks.release(TENANT, made.id, FAILING[0]) == 1

    assert await suspended(world, made) == {}


async def test_f34_a3_a_re_arm_while_a_run_is_being_counted_is_not_undone(world: World) -> None:
    made = await failed_ten_times(world)
    seen = await world.stores.streaks.of(TENANT, made.id)
    counted = after_run(seen, {FAILING: "otp_required"}, seen[FAILING].run + 1, world.at)
    assert counted[FAILING].state == "suspended"
    await world.stores.streaks.release(TENANT, made.id, FAILING[0])

    await world.stores.streaks.save(TENANT, made.id, counted, seen)

    assert await suspended(world, made) == {}
    assert (await world.stores.streaks.of(TENANT, made.id))[FAILING].n == 0


async def test_a_success_in_between_begins_the_row_anew(world: World) -> None:
    made = await world.schedule()
    for _ in range(9):
        await run_once(world, made)
    await world.until_next(made)
    await world.scheduler().tick()
    await world.end((await world.again(made)).last_bucket_id or "")
    await world.scheduler().tick()

    await run_once(world, made)

    assert (await world.stores.streaks.of(TENANT, made.id))[FAILING].n == 1


async def test_a_bucket_is_counted_once_however_many_schedulers_see_it_end(world: World) -> None:
    """Also by one that dies after it has counted, and by one that read the schedule long before."""
    made = await world.until_next(await world.schedule())
    await world.scheduler().tick()
    running = await world.again(made)
    await world.end(running.last_bucket_id or "", one_fails)

    for _ in range(3):
        await world.runs().settle(running)

    assert (await world.stores.streaks.of(TENANT, made.id))[FAILING].n == 1
    assert (await world.again(made)).running is None


async def test_a_row_that_counts_a_newer_run_is_not_written_over(world: World) -> None:
    """Also not by a failure that was told before a success ended the row."""
    streaks, place = world.stores.streaks, FAILING
    newer = Streak(0, 1, 2, 5, "clear", None)
    await streaks.save(TENANT, "sc_1", {place: newer}, {})
    late = {place: Streak(3, 1, 2, 4, "counting", "otp_required"), ("c_1", "x"): newer}

    await streaks.save(TENANT, "sc_1", late, {})

    assert await streaks.of(TENANT, "sc_1") == {place: newer, ("c_1", "x"): newer}


async def test_a_bucket_whose_details_are_gone_counts_nothing_and_blocks_nothing(world: World) -> None:
    made = await world.until_next(await world.schedule())
    await world.scheduler().tick()
    await world.database["buckets"].delete_many({})

    await world.until_next(made)
    await world.scheduler().tick()

    assert len(await world.buckets()) == 1
    assert await world.stores.streaks.of(TENANT, made.id) == {}


async def test_a_start_by_hand_between_two_slots_counts_in_the_order_of_the_runs(world: World) -> None:
    """A slot is the moment of its rule, its start may be later: runs are counted by when they were decided."""
    made = await world.schedule(window_s=86_399, when=Cron("0 */6 * * *"))
    await world.until_next(made)
    world.at -= 1
    by_hand = await world.runs().by_hand(await world.again(made), key="k", by="us_anja", by_name=None)
    assert by_hand is not None
    await world.end(by_hand.last_bucket_id or "", one_fails)
    await run_once(world, made)

    assert (await world.stores.streaks.of(TENANT, made.id))[FAILING].n == 2


async def test_deleting_a_schedule_forgets_what_it_counted(world: World) -> None:
    made = await world.schedule()
    await run_once(world, made)

    await world.book().delete(TENANT, made.id, 1)

    assert await world.database["schedule_streaks"].count_documents({}) == 0
    with pytest.raises(Refusal):
        await world.again(made)

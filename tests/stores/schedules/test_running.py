"""Schedules on a real database: crashes between any two steps, two schedulers at once, limits, policies."""

import asyncio
from typing import Any

import pytest
from bucket_api.buckets.creation import Creation, Start
from bucket_api.refusal import Refusal
from bucket_api.schedules.loop import STARTS_AT_ONCE
from bucket_api.schedules.running import ScheduleRuns
from bucket_api.schedules.schedule import Schedule
from bucket_api.schedules.when import CalendarEvent
from bucket_api.scope import TenantScope
from sync_runtime.mongo import Database

from tests.component.api.firm import firm_of
from tests.stores.schedules.world import TENANT, World
from tests.unit.schedules.schedules import DAY_MS, HOUR_MS, PLAN


@pytest.fixture
async def world(mongo_db: Database) -> World:
    return await World.made(mongo_db)


def told(schedule: Schedule) -> list[tuple[str, str | None, str | None]]:
    return [(one.state, one.reason, one.bucket_id) for one in schedule.occurrences]


async def test_a_slot_starts_a_bucket_in_the_name_of_who_made_the_schedule(world: World) -> None:
    made = await world.until_next(await world.schedule(window_s=7_200))

    tick = await world.scheduler().tick()

    (bucket,) = await world.buckets()
    after = await world.again(made)
    assert (tick.advanced, tick.failed) == (1, 0)
    assert bucket["idem_key"] == f"schedule:{made.id}:{made.slot}"
    assert bucket["origin"] == {"kind": "schedule", "schedule_id": made.id, "by_name": "Anja"}
    assert (bucket["created_by"], bucket["name"], bucket["n_units"]) == ("us_anja", "Daily at seven", 8)
    assert (after.last_bucket_id, told(after)) == (bucket["_id"], [("started", None, bucket["_id"])])
    assert after.slot == (made.slot or 0) + DAY_MS
    assert after.next_at == after.start_of(after.slot)


async def test_f34_a1_schedules_of_many_firms_start_at_the_times_that_were_told(world: World) -> None:
    """Spread over the window: the clock goes on by a minute until the window is over."""
    firms = [TenantScope(f"t_firm{n}") for n in range(25)]
    told_at = {}
    for firm in firms:
        await firm_of(world.database, 1, firm.tenant_id)
        made = await world.schedule(firm, when=CalendarEvent("gstr2b_published", 360), window_s=3_600)
        assert made.next_at is not None
        told_at[firm.tenant_id] = made.next_at
    world.at = min(told_at.values()) - 60_000
    while world.at < max(told_at.values()) + 60_000:
        world.at += 60_000
        await world.scheduler().tick()

    started_at = {bucket["tenant_id"]: bucket["created_at"] for bucket in await world.buckets()}
    assert started_at.keys() == told_at.keys()
    assert all(0 <= started_at[firm] - told_at[firm] < 60_000 for firm in told_at)
    assert max(told_at.values()) - min(told_at.values()) > 1_800_000


async def test_nothing_starts_before_its_time_nor_when_it_is_switched_off(world: World) -> None:
    made = await world.until_next(await world.schedule())
    world.at -= 1
    assert (await world.scheduler().tick()).advanced == 0
    await world.book().change(TENANT, made.id, 1, {"enabled": False})
    world.at += HOUR_MS

    assert (await world.scheduler().tick()).advanced == 0
    assert await world.buckets() == []


async def test_two_schedulers_at_once_start_one_bucket_a_slot(world: World) -> None:
    """Ten schedules, a slot after the other; whoever comes second meets the same bucket or a changed schedule."""
    made = [await world.schedule(name=f"n{n}", plan={**PLAN, "options": {"n": n}}) for n in range(6)]
    for day in range(1, 4):
        await world.until_next(made[0])
        ticks = await asyncio.gather(*(world.scheduler().tick() for _ in range(3)))
        assert [tick.failed for tick in ticks] == [0, 0, 0]
        found = await world.buckets()
        assert len(found) == len({bucket["idem_key"] for bucket in found}) == 6 * day
        for bucket in found:
            if bucket.get("active"):
                await world.end(bucket["_id"])
    for one in made:
        assert [state for state, _, _ in told(await world.again(one))] == ["started"] * 3


async def test_a_scheduler_that_slept_changes_nothing(world: World) -> None:
    """It wakes with a schedule that another one has taken further, two days later."""
    seen = await world.until_next(await world.schedule())
    await world.scheduler().tick()
    (bucket,) = await world.buckets()
    await world.end(bucket["_id"])
    await world.scheduler().tick()
    before = await world.again(seen)
    world.at += 2 * DAY_MS

    assert await world.runs().advance(seen) is None

    assert await world.again(seen) == before
    assert len(await world.buckets()) == 1


async def test_what_a_person_changes_while_the_scheduler_acts_is_kept(world: World) -> None:
    seen = await world.until_next(await world.schedule())
    off = await world.book().change(TENANT, seen.id, 1, {"enabled": False, "name": "Off"})

    assert await world.runs().advance(seen) is None

    assert await world.again(seen) == off
    assert await world.buckets() == []


class KilledError(BaseException):
    """The process is gone."""


class DyingCreation:
    """Dies before or after the bucket is created, as a killed process does."""

    def __init__(self, world: World, *, after: bool) -> None:
        self._creation = world.creation
        self._after = after

    async def start(self, tenant: TenantScope, start: Start) -> Creation:
        if self._after:
            await self._creation.start(tenant, start)
        raise KilledError


@pytest.mark.parametrize("after", [False, True], ids=["before the bucket", "after the bucket"])
async def test_a_scheduler_that_dies_while_it_starts_a_bucket_is_followed_by_one_that_ends_it(
    world: World, after: bool
) -> None:
    """Even days later: the slot that was decided is the one that is started, and the later ones do not stack on it."""
    made = await world.until_next(await world.schedule())
    dying = ScheduleRuns(world.stores, DyingCreation(world, after=after), world.now_ms)  # type: ignore[arg-type]
    with pytest.raises(KilledError):
        await dying.advance(made)
    world.at += 2 * DAY_MS

    await world.scheduler().tick()

    (bucket,) = await world.buckets()
    assert bucket["idem_key"] == f"schedule:{made.id}:{made.slot}"
    await world.scheduler().tick()
    assert told(await world.again(made)) == [
        ("started", None, bucket["_id"]),
        ("coalesced", "missed", None),
        ("skipped", "overlap", bucket["_id"]),
    ]


async def test_f34_a2_a_paused_week_yields_one_run_and_the_others_are_listed(world: World) -> None:
    made = await world.schedule()
    off = await world.book().change(TENANT, made.id, 1, {"enabled": False})
    world.at += 7 * DAY_MS
    await world.scheduler().tick()
    await world.book().change(TENANT, made.id, off.etag, {"enabled": True})

    for _ in range(3):
        await world.scheduler().tick()

    (bucket,) = await world.buckets()
    assert told(await world.again(made)) == [*[("coalesced", "missed", None)] * 6, ("started", None, bucket["_id"])]


@pytest.mark.parametrize(("overlap", "state"), [("skip", ("skipped", "overlap")), ("attach", ("started", "attached"))])
async def test_f34_a5_a_schedule_never_stacks(world: World, overlap: str, state: tuple[str, str]) -> None:
    made = await world.schedule(overlap=overlap)
    for _ in range(3):
        await world.until_next(made)
        await world.scheduler().tick()
    (first,) = await world.buckets()
    assert told(await world.again(made)) == [("started", None, first["_id"]), *[(*state, first["_id"])] * 2]

    await world.end(first["_id"])
    await world.until_next(made)
    await world.scheduler().tick()

    assert len(await world.buckets()) == 2


async def test_a_bucket_of_the_same_plan_that_somebody_started_is_joined(world: World) -> None:
    made = await world.schedule()
    by_hand = await world.runs().by_hand(made, key=None, by="us_anja", by_name=None)
    assert by_hand is not None
    other = await world.schedule(name="The same plan")
    await world.until_next(other)

    await world.scheduler().tick()

    (bucket,) = await world.buckets()
    assert told(await world.again(other)) == [("started", "attached", bucket["_id"])]


async def test_what_the_firms_limits_refuse_is_started_when_there_is_room(world: World) -> None:
    made = await world.until_next(await world.schedule())
    refusing = _Refusing("too_many_active_buckets")
    runs = ScheduleRuns(world.stores, refusing, world.now_ms)  # type: ignore[arg-type]
    await runs.advance(made)
    waiting = await world.again(made)
    assert (waiting.next_at, waiting.occurrences) == (world.at + 60_000, [])

    world.at += 60_000
    await world.scheduler().tick()

    (bucket,) = await world.buckets()
    assert bucket["idem_key"] == f"schedule:{made.id}:{made.slot}"


async def test_a_start_that_cannot_be_is_skipped_with_its_reason_and_the_next_slot_comes(world: World) -> None:
    nobody = {**PLAN, "selection": {"all": False, "filter": {"tag": ["nobody"]}, "add": [], "exclude": []}}
    made = await world.until_next(await world.schedule(plan=nobody))

    await world.scheduler().tick()

    after = await world.again(made)
    assert told(after) == [("skipped", "selection_empty", None)]
    assert after.next_at == (made.next_at or 0) + DAY_MS


async def test_an_error_in_one_schedule_does_not_stop_the_others(world: World) -> None:
    broken, fine = await world.schedule(name="Broken"), await world.schedule(name="Fine", plan={**PLAN, "options": {}})
    await world.database["schedules"].update_one({"_id": broken.id}, {"$set": {"plan": {}}})
    await world.until_next(fine)
    scheduler = world.scheduler()

    first, second = await scheduler.tick(), await scheduler.tick()

    assert (first.failed, second.failed) == (1, 0), "left alone for a minute"
    (bucket,) = await world.buckets()
    assert bucket["name"] == "Fine"


async def test_a_schedule_that_only_a_newer_version_can_read_is_left_to_it(world: World) -> None:
    newer, fine = await world.schedule(name="Newer"), await world.schedule(name="Fine", plan={**PLAN, "options": {}})
    await world.database["schedules"].update_one({"_id": newer.id}, {"$set": {"when": {"kind": "at_full_moon"}}})
    await world.until_next(fine)

    tick = await world.scheduler().tick()

    assert (tick.advanced, tick.failed) == (1, 0)
    assert [bucket["name"] for bucket in await world.buckets()] == ["Fine"]


async def test_many_broken_schedules_do_not_keep_the_others_waiting(world: World) -> None:
    broken = await world.schedule(name="Broken", plan={**PLAN, "selection": {}})
    document = await world.database["schedules"].find_one({"_id": broken.id})
    assert document is not None
    await world.database["schedules"].insert_many([{**document, "_id": f"sc_{n}"} for n in range(STARTS_AT_ONCE)])
    fine = await world.schedule(name="Fine", window_s=0)
    await world.database["schedules"].update_one({"_id": fine.id}, {"$inc": {"next_at": 1}})
    await world.until_next(fine)
    scheduler = world.scheduler()

    await scheduler.tick()
    assert await world.buckets() == []
    await scheduler.tick()

    assert [bucket["name"] for bucket in await world.buckets()] == ["Fine"]


async def test_a_start_by_hand_beyond_the_limits_is_refused_and_not_kept(world: World) -> None:
    made = await world.schedule()
    refusing = ScheduleRuns(world.stores, _Refusing("too_many_queued_units"), world.now_ms)  # type: ignore[arg-type]

    with pytest.raises(Refusal) as refused:
        await refusing.by_hand(made, key="k", by="us_anja", by_name=None)
    await world.scheduler().tick()

    assert refused.value.code == "too_many_queued_units"
    assert told(await world.again(made)) == [("skipped", "too_many_queued_units", None)]
    assert await world.buckets() == []


async def test_a_change_of_the_rule_counts_from_now_and_a_pending_start_goes_on(world: World) -> None:
    made = await world.until_next(await world.schedule())
    dying = ScheduleRuns(world.stores, DyingCreation(world, after=True), world.now_ms)  # type: ignore[arg-type]
    with pytest.raises(KilledError):
        await dying.advance(made)

    changed = await world.book().change(
        TENANT, made.id, 1, {"when": CalendarEvent("gstr2b_published", 360), "plan": {**PLAN, "modules": ["notices"]}}
    )
    await world.scheduler().tick()

    (bucket,) = await world.buckets()
    after = await world.again(made)
    assert bucket["idem_key"] == f"schedule:{made.id}:{made.slot}"
    assert told(after) == [("started", None, bucket["_id"])]
    assert after.slot == changed.slot
    assert after.next_at == after.start_of(after.slot or 0)


async def test_a_schedule_of_another_tenant_cannot_be_read_changed_or_deleted(world: World) -> None:
    await firm_of(world.database, 1, "t_two")
    made = await world.schedule(TenantScope("t_two"))
    for act in (
        world.book().get(TENANT, made.id),
        world.book().change(TENANT, made.id, 1, {"enabled": False}),
        world.book().delete(TENANT, made.id, 1),
    ):
        with pytest.raises(Refusal) as refused:
            await act
        assert refused.value.code == "not_found"
    await world.until_next(made)
    await world.scheduler().tick()

    (bucket,) = await world.buckets()
    assert (bucket["tenant_id"], bucket["n_units"]) == ("t_two", 2)


class _Refusing:
    def __init__(self, code: Any) -> None:
        self._code = code

    async def start(self, _tenant: TenantScope, _start: Start) -> Creation:
        raise Refusal(self._code)

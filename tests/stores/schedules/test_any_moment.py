"""A scheduler that dies before or after any of its writes, and two whose steps interleave: the end is always the same.

The story: a schedule starts, one client fails, another's 2B is not there yet, which is asked for on the next day; a day
of the calendar is moved meanwhile. Whatever happens to the schedulers, it ends as when nothing happens.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest
from bucket_api.schedules.stores import Stores
from bucket_api.schedules.when import CalendarEvent
from sync_contracts.collections import COLLECTIONS
from sync_contracts.outcomes import Code
from sync_contracts.units import Unit
from sync_runtime.mongo import Database

from tests.stores.schedules.world import DONE, TENANT, World
from tests.unit.schedules.schedules import NOW_MS, PLAN

WRITES = {"save", "put", "applied", "release", "insert", "looked_at", "link", "start"}
TICKS = 4
SEEDS = 12
Step = Callable[[str], Awaitable[None]]


class KilledError(BaseException):
    """The process is gone."""


class Watched:
    """A store whose writes tell that they begin and that they are done."""

    def __init__(self, store: Any, before: Step, after: Step) -> None:
        self._store, self._before, self._after = store, before, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in WRITES:
            return method

        async def told(*arguments: Any, **named: Any) -> Any:
            await self._before(name)
            value = await method(*arguments, **named)
            await self._after(name)
            return value

        return told


def watched(stores: Stores, before: Step, after: Step) -> Stores:
    names = ("schedules", "calendars", "streaks", "watches")
    proxies: dict[str, Any] = {name: Watched(getattr(stores, name), before, after) for name in names}
    return replace(stores, **proxies)


class Death:
    """Comes at the n-th write of all, before or after it; once."""

    def __init__(self, n: int, *, after: bool) -> None:
        self.left, self._after = n, after

    async def before(self, _name: str) -> None:
        self.left -= 1
        if self.left == 0 and not self._after:
            raise KilledError

    async def after(self, _name: str) -> None:
        if self.left == 0 and self._after:
            self.left = -1
            raise KilledError


async def ticks(world: World, death: Death) -> None:
    """Some steps; a scheduler that dies is started again."""
    for _ in range(TICKS):
        creation = Watched(world.creation, death.before, death.after)
        try:
            await world.scheduler(watched(world.stores, death.before, death.after), creation).tick()
        except KilledError:
            continue


def ends(client: str, module: str) -> Unit:
    if (client, module) == ("c_one_1", "notices"):
        return Unit("F", a=1, e=Code.OTP_REQUIRED)
    return Unit("S", a=1, e=Code.NOT_YET) if (client, module) == ("c_one_2", "gstr2b") else DONE


async def story(world: World, advance: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    """From the start of a schedule to the end of what was asked for again; what is left of it."""
    for collection in COLLECTIONS:
        if collection.name not in ("clients", "credentials", "tenants"):
            await world.database[collection.name].delete_many({})
    world.at = NOW_MS
    made = await world.schedule(when=CalendarEvent("gstr2b_published", 360, True), plan=PLAN)
    moved, calendars = date(2026, 12, 16), world.stores.calendars
    await calendars.put(TENANT, "gstr2b_published", "2026-11", moved, note=None, by="us_anja", at=world.at)
    await advance()
    await world.until_next(made)
    await advance()
    (first,) = await world.buckets()
    await world.end(first["_id"], ends)
    await advance()
    (watch,) = await world.database["rearm_watches"].find({}).to_list(None)
    await world.database["schedules"].update_one({}, {"$set": {"enabled": False}, "$inc": {"rev": 1}})
    world.at = watch["next_at"]
    await advance()
    await world.end((await world.buckets())[-1]["_id"])
    await advance()
    return await left(world)


async def left(world: World) -> dict[str, Any]:
    """What the story ends with, without what differs from run to run: ids and versions."""
    numbers = {bucket["_id"]: n for n, bucket in enumerate(await world.buckets())}
    (schedule,) = await world.database["schedules"].find({}).to_list(None)
    streaks = await world.database["schedule_streaks"].find({}).to_list(None)
    watches = await world.database["rearm_watches"].find({}).to_list(None)
    days = await world.database["calendar_days"].find({}).to_list(None)
    return {
        "buckets": [
            (b["idem_key"].rpartition(":")[2], b["origin"]["kind"], [numbers[o] for o in b["linked"]], b["n_units"])
            for b in await world.buckets()
        ],
        "occurrences": [(o["slot"], o["state"], numbers[o["bucket_id"]]) for o in schedule["occurrences"]],
        "schedule": (schedule["passed"], schedule["slot"], schedule.get("pending"), schedule.get("running")),
        "streaks": [(s["client"], s["module"], s["n"], s["state"]) for s in streaks],
        "watches": [(w["state"], w.get("tries"), numbers[w["asked"]], w["clients"]) for w in watches],
        "days": [(d["on"], "unapplied" in d) for d in days],
    }


@pytest.fixture
async def world(mongo_db: Database) -> World:
    return await World.made(mongo_db, 2)


async def test_a_scheduler_may_die_before_or_after_any_of_its_writes(world: World) -> None:
    never = Death(-1, after=False)
    undisturbed = await story(world, lambda: ticks(world, never))
    assert len(undisturbed["buckets"]) == 2
    writes = -1 - never.left
    assert writes >= 14

    for n in range(1, writes + 1):
        for after in (False, True):
            death = Death(n, after=after)
            assert await story(world, partial(ticks, world, death)) == undisturbed, (n, after)
            assert death.left <= 0, "it came"


async def test_two_schedulers_may_take_turns_in_any_order(world: World) -> None:
    undisturbed = await story(world, lambda: ticks(world, Death(-1, after=False)))

    for seed in range(SEEDS):
        dice = random.Random(seed)

        async def pause(_name: str, dice: random.Random = dice) -> None:
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)

        async def both(pause: Step = pause) -> None:
            for _ in range(TICKS):
                creation = Watched(world.creation, pause, pause)
                pair = [world.scheduler(watched(world.stores, pause, pause), creation) for _ in range(2)]
                await asyncio.gather(*(one.tick() for one in pair))

        assert await story(world, both) == undisturbed, seed

"""The scheduler as one object with an explicit step. No clock, no task: its owner calls `tick`, about once a second.

What a schedule or watch does is stored before it is acted on, so two schedulers at once do no harm.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from bucket_api.schedules.following import Following
from bucket_api.schedules.holding import Holding
from bucket_api.schedules.rearming import Rearming
from bucket_api.schedules.releasing import Releasing
from bucket_api.schedules.running import ScheduleRuns
from bucket_api.schedules.stores import Stores

STARTS_AT_ONCE: Final = 50
STARTS_FOR_MS: Final = 10_000
"""Schedules in one step, and the time that they may take; more that are due wait for the next one."""
RELEASE_EVERY_MS: Final = 15_000
WINDOWS_EVERY_MS: Final = 600_000
SETTLE_EVERY_MS: Final = 2_000


class Tick(Struct, frozen=True):
    """What a step did. `failed`: what could not be processed, by an error of ours."""

    advanced: int = 0
    asked_again: int = 0
    released: int = 0
    failed: int = 0


class Scheduler:
    """Schedules and watches of all tenants. `now_ms`: epoch."""

    def __init__(
        self,
        stores: Stores,
        *,
        runs: ScheduleRuns,
        rearming: Rearming,
        following: Following,
        releasing: Releasing,
        holding: Holding,
        now_ms: Callable[[], int],
    ) -> None:
        self._stores = stores
        self._runs = runs
        self._rearming = rearming
        self._following = following
        self._releasing = releasing
        self._holding = holding
        self._now_ms = now_ms
        self._next: dict[str, int] = {}

    async def tick(self) -> Tick:
        """One step. Raises `PyMongoError` while the database is away; nothing is half done then."""
        failed = self._holding.failed
        await self._following.follow(self._holding)
        released = await self._releasing.release() if self._is_time("release", RELEASE_EVERY_MS) else 0
        if self._is_time("settle", SETTLE_EVERY_MS):
            await self._settle()
        advanced = await self._advance()
        await self._rearming.look()
        await self._rearming.settle()
        asked = await self._rearming.ask()
        if self._is_time("windows", WINDOWS_EVERY_MS):
            await self._stores.watches.close_windows(self._now_ms())
            await self._stores.streaks.forget_unused()
        return Tick(advanced, asked, released, self._holding.failed - failed)

    async def _advance(self) -> int:
        """Do what is due, for some seconds at most; how many schedules."""
        begun_ms, advanced = self._now_ms(), 0
        for schedule in await self._stores.schedules.due(begun_ms, STARTS_AT_ONCE, self._holding.ids()):
            if self._now_ms() - begun_ms > STARTS_FOR_MS:
                break
            await self._holding.guarded(schedule.id, self._runs.advance(schedule))
            advanced += 1
        return advanced

    async def _settle(self) -> None:
        """Count the results of buckets that have ended."""
        found = await self._stores.schedules.running(self._holding.ids())
        still = await self._stores.watches.running_among([one.running.bucket for one in found if one.running])
        for schedule in found:
            if schedule.running and schedule.running.bucket not in still:
                await self._holding.guarded(schedule.id, self._runs.settle(schedule))

    def _is_time(self, what: str, every_ms: int) -> bool:
        now_ms = self._now_ms()
        if now_ms < self._next.get(what, 0):
            return False
        self._next[what] = now_ms + every_ms
        return True

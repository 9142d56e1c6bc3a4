"""The scheduler as one object with an explicit step. No clock, no task: its owner calls `tick`, about once a second.

What a schedule or watch does is stored before it is acted on, so two schedulers at once do no harm.
"""

import logging
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from pymongo.errors import PyMongoError

from bucket_api.schedules.following import Following
from bucket_api.schedules.rearming import Rearming
from bucket_api.schedules.releasing import Releasing
from bucket_api.schedules.running import ScheduleRuns
from bucket_api.schedules.schedule import Schedule
from bucket_api.schedules.stores import Stores

log = logging.getLogger(__name__)

STARTS_AT_ONCE: Final = 50
"""Schedules in one step; more that are due wait for the next one."""
RELEASE_EVERY_MS: Final = 15_000
WINDOWS_EVERY_MS: Final = 600_000
SETTLE_EVERY_MS: Final = 2_000
HELD_MS: Final = 60_000
"""How long a schedule is left alone that could not be processed."""


class Tick(Struct, frozen=True):
    """What a step did. `failed`: schedules that could not be processed, by an error of ours."""

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
        now_ms: Callable[[], int],
    ) -> None:
        self._stores = stores
        self._runs = runs
        self._rearming = rearming
        self._following = following
        self._releasing = releasing
        self._now_ms = now_ms
        self._next: dict[str, int] = {}
        self._held: dict[str, int] = {}

    async def tick(self) -> Tick:
        """One step. Raises `PyMongoError` while the database is away; nothing is half done then."""
        await self._following.follow()
        released = await self._releasing.release() if self._is_time("release", RELEASE_EVERY_MS) else 0
        failed = await self._settle() if self._is_time("settle", SETTLE_EVERY_MS) else 0
        due = await self._stores.schedules.due(self._now_ms(), STARTS_AT_ONCE)
        failed += sum([not await self._guarded(schedule) for schedule in due])
        await self._rearming.look()
        await self._rearming.settle()
        asked = await self._rearming.ask()
        if self._is_time("windows", WINDOWS_EVERY_MS):
            await self._stores.watches.close_windows(self._now_ms())
        return Tick(len(due) - failed, asked, released, failed)

    async def _settle(self) -> int:
        """Count the results of buckets that have ended; how many schedules could not be processed."""
        failed = 0
        for schedule in await self._stores.schedules.running():
            failed += not await self._guarded(schedule, only_settle=True)
        return failed

    async def _guarded(self, schedule: Schedule, *, only_settle: bool = False) -> bool:
        """An error of ours in one schedule does not stop the others; it is tried again after a minute."""
        if self._held.get(schedule.id, 0) > self._now_ms():
            return True
        try:
            await (self._runs.settle(schedule) if only_settle else self._runs.advance(schedule))
        except (PyMongoError, ConnectionError):
            raise
        except Exception:
            log.exception("schedule cannot be processed", extra={"action": "hold", "schedule": schedule.id})
            self._held[schedule.id] = self._now_ms() + HELD_MS
            return False
        self._held.pop(schedule.id, None)
        return True

    def _is_time(self, what: str, every_ms: int) -> bool:
        now_ms = self._now_ms()
        if now_ms < self._next.get(what, 0):
            return False
        self._next[what] = now_ms + every_ms
        return True

"""A start by hand, told once for a key, whoever else changes the schedule meanwhile."""

from typing import Final
from uuid import uuid4

from bucket_api.refusal import Refusal, not_found
from bucket_api.schedules.running import ScheduleRuns
from bucket_api.schedules.schedule import Occurrence, Schedule
from bucket_api.schedules.store import ScheduleStore
from bucket_api.scope import TenantScope

TRIES: Final = 5


class StartByHand:
    """Starts schedules when people ask."""

    def __init__(self, schedules: ScheduleStore, runs: ScheduleRuns) -> None:
        self._schedules = schedules
        self._runs = runs

    async def start(
        self, tenant: TenantScope, schedule_id: str, *, key: str | None, by: str, by_name: str | None
    ) -> tuple[Occurrence, bool]:
        """What became of it, and whether that was told before. Raises `Refusal`."""
        own = key or uuid4().hex
        for tries in range(TRIES):
            schedule = await self._schedules.get(tenant, schedule_id)
            if schedule is None:
                raise not_found()
            if known := by_key(schedule, own):
                return known, tries == 0
            done = await self._runs.by_hand(schedule, key=own, by=by, by_name=by_name)
            if done and (noted := by_key(done, own)):
                return noted, False
        raise Refusal("idempotency_in_progress")


def by_key(schedule: Schedule, key: str) -> Occurrence | None:
    """What became of a start by hand with this key."""
    return next((one for one in schedule.occurrences if one.key == key), None)

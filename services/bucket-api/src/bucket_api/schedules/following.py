"""Moved days of the tax calendar: schedules and watches follow them. May be repeated."""

from typing import Final

from msgspec.structs import replace

from bucket_api.schedules import decisions, watches
from bucket_api.schedules.calendar import Calendar
from bucket_api.schedules.calendar_store import MovedDay
from bucket_api.schedules.holding import Holding
from bucket_api.schedules.schedule import Schedule
from bucket_api.schedules.store import tenant_of
from bucket_api.schedules.stores import Stores
from bucket_api.scope import TenantScope

AT_ONCE: Final = 20
TRIES: Final = 5


class Following:
    """Applies moved days, from the API at once and from the scheduler whatever was left."""

    def __init__(self, stores: Stores) -> None:
        self._calendars = stores.calendars
        self._schedules = stores.schedules
        self._watches = stores.watches

    async def follow(self, holding: Holding) -> int:
        """Apply some days that were not; how many."""
        found = await self._calendars.unapplied(AT_ONCE, holding.ids())
        for day in found:
            await holding.guarded(day.id, self.apply(day))
        return len(found)

    async def apply(self, day: MovedDay) -> None:
        """Everything of the tenant that this day decides gets its new time."""
        tenant = TenantScope(day.tenant_id)
        calendar = await self._calendars.of(tenant)
        events = {day.event} | ({"gstr2b_published"} if day.event == "gstr3b_due" else set())
        for event in sorted(events):
            for schedule in await self._schedules.of_calendar(tenant, event):
                await self._reschedule(tenant, schedule, calendar)
        await self._move_watches(tenant, day, calendar)
        await self._calendars.applied(tenant, day)

    async def _reschedule(self, tenant: TenantScope, schedule: Schedule, calendar: Calendar) -> None:
        """A schedule that changes meanwhile is read again."""
        current: Schedule | None = schedule
        for _ in range(TRIES):
            if current is None:
                return
            moved = decisions.rescheduled(current, calendar)
            if (moved.slot, moved.next_at) == (current.slot, current.next_at):
                return
            new = replace(current, slot=moved.slot, next_at=moved.next_at, rev=current.rev + 1)
            if await self._schedules.save(tenant_of(current), current, new):
                return
            current = await self._schedules.get(tenant, schedule.id)

    async def _move_watches(self, tenant: TenantScope, day: MovedDay, calendar: Calendar) -> None:
        """A watch that has not asked yet asks from the new day on; each watch ends by the new day."""
        for watch in await self._watches.of_period(tenant, day.period):
            event = watches.event_of({"module": watch.module, "period": watch.period})
            if event != day.event:
                continue
            until = watches.end_of(calendar, event, watch.period)
            next_at = watches.next_try(watch.id, calendar, event, watch.period, watch.since)
            moved = replace(watch, until=until, next_at=watch.next_at if watch.tries else next_at, rev=watch.rev + 1)
            await self._watches.save(tenant, watch, moved)

"""The schedules of a tenant as people write them: created, changed, deleted, each change against the version seen."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any, Final
from uuid import uuid4, uuid5
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.buckets import BUCKET_NAMESPACE, digest

from bucket_api.refusal import FieldError, Refusal, not_found
from bucket_api.schedules.calendar import Calendar
from bucket_api.schedules.schedule import MOST_SCHEDULES, Missed, Overlap, Schedule, milliseconds, moment, to_document
from bucket_api.schedules.slots import is_cron, is_too_often, next_slot, slots, spread_s
from bucket_api.schedules.stores import Stores
from bucket_api.schedules.when import Cron, When
from bucket_api.scope import TenantScope

TRIES: Final = 5
NEXT_SHOWN: Final = 10
MOST_WINDOW: Final = timedelta(days=1)


class Draft(Struct, frozen=True, kw_only=True):
    """A schedule as it is asked for. `plan`: the plan as given, already checked."""

    name: str
    enabled: bool
    plan: dict[str, Any]
    when: When
    window_s: int
    time_zone: str
    missed: Missed
    overlap: Overlap


class ScheduleBook:
    """Create, change, delete. `now_ms`: epoch."""

    def __init__(self, stores: Stores, now_ms: Callable[[], int]) -> None:
        self._stores = stores
        self._now_ms = now_ms

    async def create(
        self, tenant: TenantScope, draft: Draft, *, by: str, by_name: str | None, key: str | None = None
    ) -> Schedule:
        """The new schedule, stored; with a key that was used for the same draft, the one that it made.

        Raises `Refusal`.
        """
        now_ms, calendar = self._now_ms(), await self._stores.calendars.of(tenant)
        schedule_id, sha = _id_of(tenant, key), digest(to_document(draft))
        if key and (made := await self._stores.schedules.get(tenant, schedule_id)):
            return _same(made, sha)
        check(draft.when, draft.time_zone, calendar, now_ms)
        if await self._stores.schedules.count(tenant) >= MOST_SCHEDULES:
            detail = f"At most {MOST_SCHEDULES} schedules."
            raise Refusal("validation_failed", detail, errors=[FieldError("", "too_many", detail)])
        slot = next_slot(draft.when, ZoneInfo(draft.time_zone), calendar, moment(now_ms))
        made = Schedule(
            id=schedule_id,
            tenant_id=tenant.tenant_id,
            **{name: getattr(draft, name) for name in draft.__struct_fields__},
            created_at=now_ms,
            created_by=by,
            created_by_name=by_name,
            req_sha256=sha,
            etag=1,
            rev=1,
            passed=now_ms,
            slot=milliseconds(slot) if slot else None,
            next_at=milliseconds(slot) + spread_s(schedule_id, draft.window_s) * 1000 if slot else None,
        )
        if await self._stores.schedules.insert(tenant, made):
            return made
        return _same(await self.get(tenant, schedule_id), sha)

    async def get(self, tenant: TenantScope, schedule_id: str) -> Schedule:
        """The schedule. Raises `not_found`."""
        found = await self._stores.schedules.get(tenant, schedule_id)
        if found is None:
            raise not_found()
        return found

    async def change(self, tenant: TenantScope, schedule_id: str, etag: int, changes: Mapping[str, Any]) -> Schedule:
        """The changed schedule. Another rule, zone or window counts from now; what the scheduler does goes on."""
        calendar = await self._stores.calendars.of(tenant)
        for _ in range(TRIES):
            old = await self.get(tenant, schedule_id)
            if old.etag != etag:
                raise Refusal("version_conflict")
            new = self._changed(old, changes, calendar)
            if await self._stores.schedules.save(tenant, old, new):
                return new
        raise Refusal("version_conflict")

    async def delete(self, tenant: TenantScope, schedule_id: str, etag: int) -> None:
        """Delete it with its suspensions; buckets that it started stay."""
        await self.get(tenant, schedule_id)
        if not await self._stores.schedules.delete(tenant, schedule_id, etag):
            raise Refusal("version_conflict")
        await self._stores.streaks.forget(tenant, schedule_id)

    async def next(self, tenant: TenantScope, schedule: Schedule) -> list[int]:
        """The next slots, if it is enabled."""
        if not schedule.enabled:
            return []
        calendar = await self._stores.calendars.of(tenant)
        after = moment(max(schedule.passed, self._now_ms() - schedule.spread_s * 1000))
        return [milliseconds(s) for s in islice(slots(schedule.when, schedule.zone, calendar, after), NEXT_SHOWN)]

    def _changed(self, old: Schedule, changes: Mapping[str, Any], calendar: Calendar) -> Schedule:
        new = replace(old, **changes, etag=old.etag + 1, rev=old.rev + 1)
        if (new.when, new.time_zone, new.window_s) == (old.when, old.time_zone, old.window_s):
            return new
        now_ms = self._now_ms()
        check(new.when, new.time_zone, calendar, now_ms)
        slot = new.slot_after(calendar, now_ms)
        next_at = new.next_at if new.pending else new.start_of(slot) if slot else None
        return replace(new, passed=now_ms, slot=slot, next_at=next_at)


def check(when: When, time_zone: str, calendar: Calendar, now_ms: int) -> None:
    """Raises `Refusal` for a rule that cannot be followed: unreadable, without a slot, or too often."""
    if isinstance(when, Cron) and not is_cron(when.expression):
        raise _refused("/when/expression", "invalid", "Five fields: minute, hour, day, month, day of the week.")
    zone, after = ZoneInfo(time_zone), moment(now_ms)
    if next_slot(when, zone, calendar, after) is None:
        raise _refused("/when", "invalid", "This never comes.")
    if is_too_often(when, zone, calendar, after):
        raise _refused("/when", "invalid", "At most once in 15 minutes.")


def _id_of(tenant: TenantScope, key: str | None) -> str:
    """A new id; with a key always the same."""
    return f"sc_{(uuid5(BUCKET_NAMESPACE, f'schedule:{tenant.tenant_id}:{key}') if key else uuid4()).hex}"


def _same(made: Schedule, sha: str) -> Schedule:
    if made.req_sha256 != sha:
        raise Refusal("idempotency_key_reused")
    return made


def _refused(pointer: str, code: str, detail: str) -> Refusal:
    return Refusal("validation_failed", detail, errors=[FieldError(pointer, code, detail)])

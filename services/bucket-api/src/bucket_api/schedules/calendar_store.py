"""Days of the tax calendar that a tenant has moved, in MongoDB. A moved day is stored first, then schedules follow."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from msgspec import Struct, field
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError
from sync_contracts import collections

from bucket_api.schedules.calendar import Calendar, Event
from bucket_api.schedules.schedule import from_document
from bucket_api.scope import TenantScope

MOST_MOVED_DAYS: Final = 500


class MovedDay(Struct, frozen=True):
    """`calendar_days`, id `tenant:event:period`. `on`: None when the usual day counts again; `rev` grows."""

    id: str = field(name="_id")
    tenant_id: str
    event: Event
    period: str
    on: date | None
    note: str | None
    by: str
    at: int
    rev: int


class CalendarStore:
    """`calendar_days`."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._days = database[collections.CALENDAR_DAYS.name]

    async def of(self, tenant: TenantScope) -> Calendar:
        """The calendar as the tenant has it."""
        return Calendar({(day.event, day.period): day.on for day in await self.moved(tenant) if day.on})

    async def moved(self, tenant: TenantScope) -> list[MovedDay]:
        """The days that were moved."""
        found = await self._days.find(tenant.only({"on": {"$ne": None}})).to_list(MOST_MOVED_DAYS)
        return [from_document(document, MovedDay) for document in found]

    async def put(
        self, tenant: TenantScope, event: Event, period: str, on: date | None, *, note: str | None, by: str, at: int
    ) -> MovedDay:
        """Move a day, or with None give it back; schedules have not followed yet."""
        fields = {"event": event, "period": period, "on": on.isoformat() if on else None, "note": note, "by": by}
        wanted = tenant.only({"_id": f"{tenant.tenant_id}:{event}:{period}"})
        change = {"$set": {**fields, "at": at, "unapplied": True}, "$inc": {"rev": 1}}
        try:
            stored = await self._changed(wanted, change)
        except DuplicateKeyError:  # two people moved it for the first time at once
            stored = await self._changed(wanted, change)
        return from_document(stored, MovedDay)

    async def _changed(self, wanted: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
        stored: dict[str, Any] = await self._days.find_one_and_update(
            wanted, change, upsert=True, return_document=ReturnDocument.AFTER
        )
        return stored

    async def unapplied(self, limit: int, held: Sequence[str] = ()) -> list[MovedDay]:
        """Moved days of all tenants that schedules have not followed, without those that are held."""
        wanted = {"unapplied": True, "_id": {"$nin": list(held)}}
        found = await self._days.find(wanted).limit(limit).to_list(limit)
        return [from_document(document, MovedDay) for document in found]

    async def applied(self, tenant: TenantScope, day: MovedDay) -> None:
        """Schedules follow the day as it was read; one that was moved again stays to be done."""
        wanted = tenant.only({"_id": day.id, "rev": day.rev})
        if day.on is None:
            await self._days.delete_one(wanted)
        else:
            await self._days.update_one(wanted, {"$unset": {"unapplied": ""}})

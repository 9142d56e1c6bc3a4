"""Schedules in MongoDB: changed by compare-and-set on `rev`, found by the time at which something is to be done."""

import logging
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from motor.motor_asyncio import AsyncIOMotorDatabase
from msgspec import ValidationError
from pymongo.errors import DuplicateKeyError
from sync_contracts import collections

from bucket_api.schedules.schedule import Schedule, from_document, to_document
from bucket_api.scope import TenantScope

log = logging.getLogger(__name__)

Database = AsyncIOMotorDatabase[dict[str, Any]]
RUNNING_AT_ONCE: Final = 1_000
T = TypeVar("T")


class ScheduleStore:
    """`schedules`."""

    def __init__(self, database: Database) -> None:
        self._schedules = database[collections.SCHEDULES.name]

    async def count(self, tenant: TenantScope) -> int:
        """How many a tenant has."""
        return await self._schedules.count_documents(tenant.only())

    async def insert(self, tenant: TenantScope, schedule: Schedule) -> bool:
        """Store a new one; False when its id is there already."""
        try:
            await self._schedules.insert_one(tenant.owned(to_document(schedule)))
        except DuplicateKeyError:
            return False
        return True

    async def get(self, tenant: TenantScope, schedule_id: str) -> Schedule | None:
        """The schedule, None when this tenant has none of that id."""
        found = await self._schedules.find_one(tenant.only({"_id": schedule_id}))
        return from_document(found, Schedule) if found else None

    async def page(self, tenant: TenantScope, after: str | None, size: int) -> tuple[list[Schedule], int, bool]:
        """Schedules in the order of their ids; the exact number of all; whether more follow."""
        total = await self.count(tenant)
        query = tenant.only({"_id": {"$gt": after}} if after else {})
        found = await self._schedules.find(query).sort("_id", 1).limit(size + 1).to_list(size + 1)
        return [from_document(document, Schedule) for document in found[:size]], total, len(found) > size

    async def of_calendar(self, tenant: TenantScope, event: str) -> list[Schedule]:
        """Schedules that follow an event of the tax calendar."""
        query = tenant.only({"when.kind": "calendar_event", "when.event": event})
        return [from_document(document, Schedule) async for document in self._schedules.find(query)]

    async def save(self, tenant: TenantScope, old: Schedule, new: Schedule) -> bool:
        """Put `new` (with the next `rev`) in the place of `old`; False when somebody was quicker."""
        document = tenant.owned(to_document(new))
        found = await self._schedules.replace_one(tenant.only({"_id": old.id, "rev": old.rev}), document)
        return found.matched_count == 1

    async def delete(self, tenant: TenantScope, schedule_id: str, etag: int) -> bool:
        """Delete it as people saw it; False when it was changed or is gone."""
        return (await self._schedules.delete_one(tenant.only({"_id": schedule_id, "etag": etag}))).deleted_count == 1

    async def due(self, now_ms: int, limit: int, held: Sequence[str] = ()) -> list[Schedule]:
        """Schedules of all tenants with something to do, the oldest first, without those that are held."""
        wanted = {"next_at": {"$lte": now_ms}, "_id": {"$nin": list(held)}}
        query = {**wanted, "$or": [{"enabled": True}, {"pending": {"$exists": True}}]}
        return readable(await self._schedules.find(query).sort("next_at", 1).limit(limit).to_list(limit), Schedule)

    async def running(self, held: Sequence[str] = ()) -> list[Schedule]:
        """Schedules of all tenants with a bucket whose results are not counted, without those that are held."""
        query = {"running.bucket": {"$exists": True}, "_id": {"$nin": list(held)}}
        found = await self._schedules.find(query).limit(RUNNING_AT_ONCE).to_list(RUNNING_AT_ONCE)
        return readable(found, Schedule)


def readable(documents: Sequence[dict[str, Any]], kind: type[T]) -> list[T]:
    """What a newer version has written in a way unknown here is left to that version."""
    found = []
    for document in documents:
        try:
            found.append(from_document(document, kind))
        except ValidationError:
            log.warning("unreadable", extra={"action": "leave", "left": document["_id"]})
    return found


def tenant_of(schedule: Schedule) -> TenantScope:
    """The tenant that a stored schedule belongs to."""
    return TenantScope(schedule.tenant_id)

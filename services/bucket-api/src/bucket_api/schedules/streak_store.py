"""Failures in a row of a schedule's clients and modules, in MongoDB."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from msgspec import Struct
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError
from sync_contracts import collections

from bucket_api.schedules.schedule import from_document, to_document
from bucket_api.schedules.streaks import Place, Streak
from bucket_api.scope import TenantScope

BATCH: Final = 1_000
SHOWN: Final = ("warned", "suspended")
_DUPLICATE: Final = 11_000


class Suspended(Struct, frozen=True):
    """A suspended client and module of some schedule, with the time of its newest failure."""

    tenant_id: str
    schedule: str
    client: str
    module: str
    last_at: int


class StreakStore:
    """`schedule_streaks`, id `schedule:client:module`; of `datasets` when they were fetched."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._streaks = database[collections.SCHEDULE_STREAKS.name]
        self._datasets = database[collections.DATASETS.name]

    async def of(self, tenant: TenantScope, schedule: str) -> dict[Place, Streak]:
        """Every row of a schedule."""
        found = self._streaks.find(tenant.only({"schedule": schedule}))
        return {(d["client"], d["module"]): from_document(d, Streak) async for d in found}

    async def save(
        self, tenant: TenantScope, schedule: str, streaks: Mapping[Place, Streak], seen: Mapping[Place, Streak]
    ) -> None:
        """Store rows, each unless a newer run was counted in it, or it was re-armed since it was `seen`."""
        writes = [_write(tenant, schedule, place, streak, seen.get(place)) for place, streak in streaks.items()]
        for start in range(0, len(writes), BATCH):
            try:
                await self._streaks.bulk_write(writes[start : start + BATCH], ordered=False)
            except BulkWriteError as error:
                if any(failure["code"] != _DUPLICATE for failure in error.details["writeErrors"]):
                    raise

    async def suspended(self, tenant: TenantScope, schedule: str) -> dict[str, tuple[str, ...]]:
        """Suspended modules by client id, sorted."""
        found: dict[str, list[str]] = {}
        query = tenant.only({"schedule": schedule, "state": "suspended"})
        async for document in self._streaks.find(query, {"client": 1, "module": 1}):
            found.setdefault(document["client"], []).append(document["module"])
        return {client: tuple(sorted(modules)) for client, modules in sorted(found.items())}

    async def shown(
        self, tenant: TenantScope, schedule: str, after: str | None, size: int
    ) -> tuple[list[dict[str, Any]], int, bool]:
        """Warned and suspended, in the order of clients and modules; the number of all; whether more follow."""
        query = tenant.only({"schedule": schedule, "state": {"$in": list(SHOWN)}})
        total = await self._streaks.count_documents(query)
        found = self._streaks.find({**query, "_id": {"$gt": after}} if after else query).sort("_id", 1)
        documents = await found.limit(size + 1).to_list(size + 1)
        return documents[:size], total, len(documents) > size

    async def counts(self, tenant: TenantScope, schedules: Iterable[str]) -> dict[str, int]:
        """Clients with a suspended module, by schedule."""
        query = tenant.only({"schedule": {"$in": list(schedules)}, "state": "suspended"})
        pairs = {"$group": {"_id": {"schedule": "$schedule", "client": "$client"}}}
        summed = {"$group": {"_id": "$_id.schedule", "n": {"$sum": 1}}}
        found = await self._streaks.aggregate([{"$match": query}, pairs, summed]).to_list(None)
        return {document["_id"]: document["n"] for document in found}

    async def release(self, tenant: TenantScope, schedule: str, client: str, module: str | None = None) -> int:
        """End warnings and suspensions of a client, of one module or all; how many there were. Counting begins anew."""
        query = {"schedule": schedule, "client": client, "state": {"$in": list(SHOWN)}}
        query |= {"module": module} if module else {}
        cleared = {"state": "clear", "n": 0, "reason": None}
        return (await self._streaks.update_many(tenant.only(query), {"$set": cleared})).modified_count

    async def all_suspended(self, limit: int, after: str | None) -> tuple[list[Suspended], str | None]:
        """Suspensions of all tenants after an id, and the id to go on with; None at the end."""
        query: dict[str, Any] = {"state": "suspended"} | ({"_id": {"$gt": after}} if after else {})
        found = await self._streaks.find(query).sort("_id", 1).limit(limit).to_list(limit)
        last = found[-1]["_id"] if len(found) == limit else None
        return [from_document(document, Suspended) for document in found], last

    async def fetched_at(self, tenant: TenantScope, clients: Sequence[str]) -> dict[Place, datetime]:
        """When data of clients' modules was obtained last."""
        query = tenant.only({"client": {"$in": list(clients)}, "fetched_at": {"$exists": True}})
        newest = {"$group": {"_id": {"client": "$client", "module": "$module"}, "at": {"$max": "$fetched_at"}}}
        found = await self._datasets.aggregate([{"$match": query}, newest]).to_list(None)
        return {(document["_id"]["client"], document["_id"]["module"]): document["at"] for document in found}

    async def forget_unused(self) -> int:
        """Delete rows of schedules of all tenants that are not there any more; of how many schedules.

        A run that ends while its schedule is deleted counts its results afterwards.
        """
        named: dict[str, Any] = {"$group": {"_id": {"tenant": "$tenant_id", "schedule": "$schedule"}}}
        known = {"from": collections.SCHEDULES.name, "localField": "_id.schedule", "foreignField": "_id", "as": "known"}
        unused: list[dict[str, Any]] = [named, {"$lookup": known}, {"$match": {"known": []}}, {"$limit": BATCH}]
        found = await self._streaks.aggregate(unused).to_list(None)
        for document in found:
            await self.forget(TenantScope(document["_id"]["tenant"]), document["_id"]["schedule"])
        return len(found)

    async def forget(self, tenant: TenantScope, schedule: str) -> None:
        """Delete the rows of a schedule."""
        await self._streaks.delete_many(tenant.only({"schedule": schedule}))


def _write(tenant: TenantScope, schedule: str, place: Place, streak: Streak, seen: Streak | None) -> UpdateOne:
    """An insert meets the id of a row that counts a newer run or begins anew, and fails."""
    client, module = place
    fields = {**to_document(streak), "schedule": schedule, "client": client, "module": module}
    same = {"n": seen.n, "state": seen.state} if seen else {}
    wanted = tenant.only({"_id": f"{schedule}:{client}:{module}", "run": {"$lt": streak.run}, **same})
    return UpdateOne(wanted, {"$set": fields}, upsert=True)

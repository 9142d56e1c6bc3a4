"""Watches for what was not on the portal yet, and the ended buckets in which such units are looked for, in MongoDB."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import DuplicateKeyError
from sync_contracts import collections
from sync_contracts.buckets import Status
from sync_contracts.outcomes import Code

from bucket_api.schedules.schedule import from_document, to_document
from bucket_api.schedules.store import readable
from bucket_api.schedules.watches import Watch, WatchState
from bucket_api.scope import TenantScope

KEPT: Final = timedelta(days=60)
"""How long after its window a watch can be read."""
BATCH: Final = 500
ASKING_AT_ONCE: Final = 1_000
_ENDED: Final[tuple[Status, ...]] = ("COMPLETED", "PARTIAL", "FAILED")
"""A bucket that somebody cancelled is not asked for again."""
_FIELDS: Final = ("tenant_id", "columns", "round", "created_by", "origin.by_name", "results.at", "n_pages")


class WatchStore:
    """`rearm_watches`, and of `buckets` the fields `linked`, `rearm_until` and `rearm_looked`."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._watches = database[collections.REARM_WATCHES.name]
        self._buckets = database[collections.BUCKETS.name]
        self._datasets = database[collections.DATASETS.name]

    async def ended_buckets(self, now_ms: int, limit: int, held: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Buckets of all tenants with an ended round that was not looked at, inside their window."""
        unseen = {"rearm_looked": None, "_id": {"$nin": list(held)}}
        query = {**unseen, "status": {"$in": list(_ENDED)}, "rearm_until": {"$gt": now_ms}}
        return await self._buckets.find(query, dict.fromkeys(_FIELDS, 1)).limit(limit).to_list(limit)

    async def looked_at(self, tenant: TenantScope, bucket: str, round_: int) -> None:
        """This round of the bucket needs no further look; a retry begins one that does."""
        wanted = tenant.only({"_id": bucket, "round": round_, "rearm_until": {"$exists": True}})
        await self._buckets.update_one(wanted, {"$set": {"rearm_looked": True}})

    async def close_windows(self, now_ms: int) -> int:
        """Take buckets whose window is over out of the index."""
        found = self._buckets.find({"rearm_until": {"$lte": now_ms}}, {"_id": 1}).limit(BATCH)
        ids = [bucket["_id"] async for bucket in found]
        change = {"$unset": {"rearm_until": "", "rearm_looked": ""}}
        return (await self._buckets.update_many({"_id": {"$in": ids}}, change)).modified_count if ids else 0

    async def link(self, tenant: TenantScope, bucket: str, other: str) -> None:
        """Let a bucket name another one."""
        wanted = tenant.only({"_id": bucket, "linked": {"$ne": other}})
        await self._buckets.update_one(wanted, {"$addToSet": {"linked": other}, "$inc": {"rev": 1}})

    async def insert(self, tenant: TenantScope, watch: Watch) -> bool:
        """Begin to watch; False when a watch of this bucket and column is there."""
        document = {**tenant.owned(to_document(watch)), "expires_at": _expiry(watch)}
        wanted = tenant.only({"_id": watch.id})
        try:
            done = await self._watches.update_one(wanted, {"$setOnInsert": document}, upsert=True)
        except DuplicateKeyError:  # another scheduler inserted it between the server's look and its insert
            return False
        return done.upserted_id is not None

    async def get(self, tenant: TenantScope, watch_id: str) -> Watch | None:
        """The watch, None when this tenant has none of that id."""
        found = await self._watches.find_one(tenant.only({"_id": watch_id}))
        return from_document(found, Watch) if found else None

    async def save(self, tenant: TenantScope, old: Watch, new: Watch) -> bool:
        """Put `new` (with the next `rev`) in the place of `old`; False when somebody was quicker."""
        document = {**tenant.owned(to_document(new)), "expires_at": _expiry(new)}
        found = await self._watches.replace_one(tenant.only({"_id": old.id, "rev": old.rev}), document)
        return found.matched_count == 1

    async def due(self, now_ms: int, limit: int, held: Sequence[str] = ()) -> list[Watch]:
        """Watches of all tenants whose next try has come."""
        return await self._in_state("watching", {"next_at": {"$lte": now_ms}, "_id": {"$nin": list(held)}}, limit)

    async def asking(self, held: Sequence[str] = ()) -> list[Watch]:
        """Watches of all tenants whose try does not run any more."""
        found = await self._in_state("asking", {"_id": {"$nin": list(held)}}, ASKING_AT_ONCE)
        running = await self.running_among([watch.asked for watch in found if watch.asked])
        return [watch for watch in found if watch.asked not in running]

    async def running_among(self, buckets: Sequence[str]) -> set[str]:
        """Those of some buckets that have not ended."""
        if not buckets:
            return set()
        found = self._buckets.find({"_id": {"$in": list(buckets)}, "status": "RUNNING"}, {"_id": 1})
        return {bucket["_id"] async for bucket in found}

    async def of_period(self, tenant: TenantScope, period: str) -> list[Watch]:
        """Open watches of a tenant for a month."""
        query = tenant.only({"period": period, "state": {"$in": ["watching", "asking"]}})
        return [from_document(document, Watch) async for document in self._watches.find(query)]

    async def obtained(self, tenant: TenantScope, watch: Watch) -> set[str]:
        """Clients whose data is there meanwhile, by whatever bucket."""
        prefix, suffix = f"{tenant.tenant_id}:", f":{watch.module}:{watch.period}"
        ids = [f"{prefix}{client}{suffix}" for client in watch.clients]
        there = {"$or": [{"ver": {"$exists": True}}, {"obs.code": Code.EMPTY.value}]}
        query = tenant.only({"_id": {"$in": ids}, **there})
        found = self._datasets.find(query, {"client": 1})
        return {document["client"] async for document in found}

    async def _in_state(self, state: WatchState, more: dict[str, Any], limit: int) -> list[Watch]:
        found = await self._watches.find({"state": state, **more}).sort("next_at", 1).limit(limit).to_list(limit)
        return readable(found, Watch)


def _expiry(watch: Watch) -> datetime:
    return datetime.fromtimestamp(watch.until / 1000, UTC) + KEPT

"""Buckets and their pages in MongoDB: created pages first, bucket last; changed by compare-and-set; read by majority.

Existing pages are never written here: they belong to the aggregator.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError
from sync_contracts import collections

from bucket_api.buckets.admission import Load, Usage
from bucket_api.scope import TenantScope

PAGES_PER_WRITE: Final = 50
PAGES_PER_READ: Final = 20
ALSO_KEYS: Final = 50
CONTROLS: Final = 50
_OPEN: Final = ("p", "w", "d", "r")
_LOAD_FIELDS: Final = {"summary": 1, "created_at": 1, "retries.at": 1, "retries.n": 1, "n_units": 1}

Inserted = Literal["inserted", "key_taken", "plan_taken"]


class BucketStore:
    """`buckets` and `bucket_pages` of one tenant at a time."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._buckets = database[collections.BUCKETS.name]
        self._pages = database[collections.BUCKET_PAGES.name]

    async def by_key(self, tenant: TenantScope, key: str) -> dict[str, Any] | None:
        """The bucket that an idempotency key made or opened."""
        return await self._buckets.find_one(tenant.only({"$or": [{"idem_key": key}, {"also_keys.key": key}]}))

    async def active_of_plan(self, tenant: TenantScope, plan_sha: str) -> dict[str, Any] | None:
        """The running bucket of a plan."""
        return await self._buckets.find_one(tenant.only({"plan_sha": plan_sha, "active": True}))

    async def also(self, tenant: TenantScope, bucket: str, key: str, sha: str) -> bool:
        """Remember the key of a later start that opened this bucket; only the newest fifty are kept.

        False when the bucket has this key already, as its own or as a later one.
        """
        wanted = tenant.only({"_id": bucket, "idem_key": {"$ne": key}, "also_keys.key": {"$ne": key}})
        push = {"also_keys": {"$each": [{"key": key, "sha": sha}], "$slice": -ALSO_KEYS}}
        return (await self._buckets.update_one(wanted, {"$push": push, "$inc": {"rev": 1}})).matched_count == 1

    async def usage(self, tenant: TenantScope, now_ms: int) -> Usage:
        """Active buckets and their units, by summaries at most a second old."""
        found = await self._buckets.find(tenant.only({"active": True}), _LOAD_FIELDS).to_list(None)
        return Usage([_load(bucket, now_ms) for bucket in found])

    async def write_pages(self, pages: Iterable[Mapping[str, Any]], now_ms: int) -> None:
        """Insert the pages that are not there; durable on return. Without their bucket they count for nothing."""
        remaining = iter(pages)
        while batch := list(islice(remaining, PAGES_PER_WRITE)):
            writes = [
                UpdateOne({"_id": page["_id"]}, {"$setOnInsert": page, "$max": {"touched": now_ms}}, upsert=True)
                for page in batch
            ]
            await self._pages.bulk_write(writes, ordered=False)

    async def insert(self, tenant: TenantScope, bucket: Mapping[str, Any]) -> Inserted:
        """Insert the bucket, after all its pages. Says which uniqueness stood in the way, if any."""
        try:
            await self._buckets.insert_one(tenant.owned(bucket))
        except DuplicateKeyError as taken:
            pattern = (taken.details or {}).get("keyPattern", {})
            return "plan_taken" if "plan_sha" in pattern else "key_taken"
        return "inserted"

    async def get(self, tenant: TenantScope, bucket: str) -> dict[str, Any] | None:
        """The bucket, None when this tenant has none of that id."""
        return await self._buckets.find_one(tenant.only({"_id": bucket}))

    async def not_begun_before(self, tenant: TenantScope, bucket: Mapping[str, Any]) -> int:
        """Running buckets of the same line that were started before this one and have not begun either."""
        begun = dict.fromkeys(("summary.w", "summary.d", "summary.r"), 0)
        running = {"active": True, "control": "RUN", "round": 0, "line_id": bucket.get("line_id")}
        wanted = {**running, **begun, "summary.p": {"$gt": 0}, "created_at": {"$lt": bucket["created_at"]}}
        return await self._buckets.count_documents(tenant.only(wanted))

    async def page(
        self, tenant: TenantScope, wanted: Mapping[str, Any], after: str | None, size: int
    ) -> tuple[list[dict[str, Any]], int, bool]:
        """Buckets, newest first; the exact number of matches; whether more follow."""
        query: dict[str, Any] = dict(wanted)
        total = await self._buckets.count_documents(tenant.only(query))
        if after is not None and (last := await self.get(tenant, after)):
            at = last["created_at"]
            query = {"$and": [query, {"$or": [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$gt": after}}]}]}
        projection = {"also_keys": 0, "retries.sel": 0}
        found = self._buckets.find(tenant.only(query), projection).sort([("created_at", -1), ("_id", 1)])
        documents = await found.limit(size + 1).to_list(size + 1)
        return documents[:size], total, len(documents) > size

    async def views(self, tenant: TenantScope, bucket: str) -> list[dict[str, Any]]:
        """Versions and counters of all pages, from the index alone; none of a bucket that is not this tenant's."""
        if await self._buckets.find_one(tenant.only({"_id": bucket}), {"_id": 1}) is None:
            return []
        projection = {"_id": 0, **dict.fromkeys(collections.PAGE_VIEW, 1)}
        return await self._pages.find({"b": bucket}, projection).hint("view").to_list(None)

    async def pages(self, tenant: TenantScope, bucket: str) -> AsyncIterator[dict[str, Any]]:
        """Whole pages in plan order, a few in memory at a time."""
        found = self._pages.find(tenant.only({"b": bucket})).sort("p", 1).batch_size(PAGES_PER_READ)
        async for document in found:
            yield document

    async def page_numbers(self, tenant: TenantScope, bucket: str, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Some pages by number."""
        ids = [f"{bucket}:{number:05d}" for number in sorted(set(numbers))]
        found = await self._pages.find(tenant.only({"_id": {"$in": ids}})).to_list(None)
        return {document["p"]: document for document in found}


def _load(bucket: Mapping[str, Any], now_ms: int) -> Load:
    """Of its newest run: units that had ended before it began tell nothing of its pace."""
    summary = bucket["summary"]
    newest = bucket["retries"][-1] if bucket["retries"] else {"at": bucket["created_at"], "n": bucket["n_units"]}
    open_units = sum(summary[name] for name in _OPEN)
    return Load(open_units, max(0, newest["n"] - open_units), max(0, now_ms - newest["at"]) / 1000)

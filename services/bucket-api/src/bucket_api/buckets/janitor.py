"""Housekeeping of buckets, once a day in any API process: what nobody needs any more goes, and nothing else is lost.

Every step may be repeated and may run in several processes at once.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid5

from motor.motor_asyncio import AsyncIOMotorDatabase
from msgspec import Struct
from pymongo.errors import PyMongoError
from sync_contracts import collections
from sync_contracts.buckets import BUCKET_NAMESPACE

from bucket_api.buckets.store import CONTROLS

log = logging.getLogger(__name__)

ORPHAN_AGE: Final = timedelta(hours=24)
"""Pages without a bucket; a request that creates one is stopped after a minute."""
BUCKET_AGE: Final = timedelta(days=365)
PAUSED_AGE: Final = timedelta(days=30)
BATCH: Final = 500
EVERY_S: Final = 86_400.0
FIRST_AFTER_S: Final = 300.0
NAME: Final = "janitor"
FORGOTTEN: Final = "paused for 30 days"
NO_KEY: Final = ""
"""Callers' keys have at least one character."""
TERMINAL: Final = {"$in": ["COMPLETED", "PARTIAL", "FAILED", "CANCELLED"]}


class Swept(Struct, frozen=True):
    """What one round did."""

    orphan_pages: int
    purged_buckets: int
    deleted_buckets: int
    cancelled_buckets: int


class Janitor:
    """Works over all tenants: it reads and answers nothing of them."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]], now: Callable[[], datetime]) -> None:
        self._buckets = database[collections.BUCKETS.name]
        self._pages = database[collections.BUCKET_PAGES.name]
        self._attempts = database[collections.ATTEMPTS.name]
        self._now = now

    async def run(self, *, first_after_s: float = FIRST_AFTER_S, every_s: float = EVERY_S) -> None:
        """Sweep again and again until cancelled. Whatever goes wrong is logged and tried again: requests come first."""
        await asyncio.sleep(first_after_s)
        while True:
            try:
                swept = await self.sweep()
                log.info("swept %s", swept, extra={"action": "sweep"})
            except PyMongoError as error:
                log.warning("sweep failed", extra={"action": "sweep_failed", "cause": type(error).__name__})
            except Exception:
                log.exception("sweep failed", extra={"action": "sweep_failed"})
            await asyncio.sleep(every_s)

    async def sweep(self) -> Swept:
        """One round."""
        return Swept(
            orphan_pages=await self._delete_orphans(),
            purged_buckets=await self._purge(),
            deleted_buckets=await self._delete_old(),
            cancelled_buckets=await self._cancel_forgotten(),
        )

    async def _delete_orphans(self) -> int:
        """Pages of starts that never came to a bucket."""
        deleted = 0
        batch: list[str] = []
        async for group in self._pages.aggregate([{"$group": {"_id": "$b"}}], allowDiskUse=True, batchSize=BATCH):
            batch.append(group["_id"])
            if len(batch) == BATCH:
                deleted += await self._delete_orphans_of(batch)
                batch = []
        return deleted + await self._delete_orphans_of(batch)

    async def _delete_orphans_of(self, batch: Sequence[str]) -> int:
        """The delete repeats the age: a start may be going on."""
        known = {bucket["_id"] async for bucket in self._buckets.find({"_id": {"$in": list(batch)}}, {"_id": 1})}
        deleted = 0
        for orphan in sorted(set(batch) - known):
            wanted = {"b": orphan, "touched": {"$lt": self._ago_ms(ORPHAN_AGE)}}
            deleted += (await self._pages.delete_many(wanted)).deleted_count
        return deleted

    async def _purge(self) -> int:
        """Details of buckets whose time is over. The mark comes first: from then on no retry can begin."""
        due = {"purge_at": {"$lt": self._ago_ms(timedelta())}, "status": TERMINAL}
        found = [bucket["_id"] async for bucket in self._buckets.find(due, {"_id": 1}).limit(BATCH)]
        purged = 0
        for bucket in found:
            change = {"$set": {"pages_purged_at": self._ago_ms(timedelta())}, "$inc": {"rev": 1}}
            if (await self._buckets.update_one({"_id": bucket, **due}, change)).modified_count:
                purged += 1
                await self._delete_details(bucket)
        return purged

    async def _delete_details(self, bucket: str) -> None:
        await self._attempts.delete_many({"b": bucket})
        await self._pages.delete_many({"b": bucket})
        await self._buckets.update_one(
            {"_id": bucket, "pages_purged_at": {"$exists": True}}, {"$unset": {"purge_at": ""}}
        )

    async def _delete_old(self) -> int:
        """Buckets a year after their end, when their details are gone."""
        wanted = {
            "status": TERMINAL,
            "pages_purged_at": {"$exists": True},
            "purge_at": {"$exists": False},
            "results.at": {"$lt": self._ago_ms(BUCKET_AGE)},
            "results": {"$not": {"$elemMatch": {"at": {"$gte": self._ago_ms(BUCKET_AGE)}}}},
        }
        return (await self._buckets.delete_many(wanted)).deleted_count

    async def _cancel_forgotten(self) -> int:
        """Buckets that were paused a month ago, each in the round in which it was found."""
        wanted = {"status": "RUNNING", "control": "PAUSE", "control_at": {"$lt": self._ago_ms(PAUSED_AGE)}}
        found = await self._buckets.find(wanted, {"round": 1}).limit(BATCH).to_list(BATCH)
        cancelled = 0
        for bucket in found:
            change = self._cancel_of(bucket["_id"])
            same = {"_id": bucket["_id"], "round": bucket["round"], **wanted}
            cancelled += (await self._buckets.update_one(same, change)).modified_count
        return cancelled

    def _cancel_of(self, bucket: str) -> dict[str, Any]:
        at = self._ago_ms(timedelta())
        action = f"ac_{uuid5(BUCKET_NAMESPACE, f'{bucket}:{at}').hex}"
        control = {"id": action, "kind": "cancel", "key": NO_KEY, "by": NAME, "at": at, "reason": FORGOTTEN}
        return {
            "$set": {"control": "CANCEL", "control_by": NAME, "control_at": at, "control_reason": FORGOTTEN},
            "$push": {"controls": {"$each": [control], "$slice": -CONTROLS}},
            "$inc": {"rev": 1},
        }

    def _ago_ms(self, age: timedelta) -> int:
        return int((self._now() - age).timestamp() * 1000)

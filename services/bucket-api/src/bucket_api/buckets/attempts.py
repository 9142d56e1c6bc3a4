"""Attempts of units, as the aggregator has noted them: evidence, never a source of state."""

from collections.abc import Sequence
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from msgspec import Struct
from sync_contracts import collections

from bucket_api.scope import TenantScope

MAX_DOCUMENTS: Final = 5_000


class Attempt(Struct, frozen=True):
    """One event that changed a unit. Times in ms."""

    attempt: int
    code: str | None
    counted: bool
    at: int
    queue_ms: int
    call_ms: int
    calls: int
    http: int
    portal_code: str | None
    trace: str | None


class AttemptReader:
    """Reads `attempts`."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._attempts = database[collections.ATTEMPTS.name]
        self._buckets = database[collections.BUCKETS.name]

    async def of(self, tenant: TenantScope, bucket: str, page: int, ci: int, mi: int) -> list[Attempt]:
        """Attempts of one unit, oldest first; none of a bucket that is not this tenant's."""
        if await self._buckets.find_one(tenant.only({"_id": bucket}), {"_id": 1}) is None:
            return []
        wanted = {"b": bucket, "p": page, "u": {"$elemMatch": {"0": ci, "1": mi}}}
        found = await self._attempts.find(wanted, {"u": 1}).sort("_id", 1).to_list(MAX_DOCUMENTS)
        entries = [entry for document in found for entry in document["u"] if entry[0] == ci and entry[1] == mi]
        return distinct(entries)


def distinct(entries: Sequence[Sequence[Any]]) -> list[Attempt]:
    """Entries once each: a repeated page write may note the same event again."""
    known = {(entry[2], entry[3]): Attempt(*entry[2:12]) for entry in entries}
    return sorted(known.values(), key=lambda attempt: (attempt.attempt, attempt.at))

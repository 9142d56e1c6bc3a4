"""`upstreams`: one document per line to a portal, shared by all workers. The server's clock decides."""

from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from sync_contracts.collections import UPSTREAMS

from sync_worker.durable import Database, Document, until_answered

RECOVERY: Final = 1.02
LOWERING: Final = 0.7
LEAST_RATE_PER_S: Final = 0.5
SECOND_MS: Final = 1_000


class LineRate(Struct, frozen=True):
    """What a line tolerates: calls a second, and how many at once after a pause."""

    rate_per_s: float
    burst: float


class Granted(Struct, frozen=True):
    """Permits for `n` calls, to be used at once. `rate_per_s` is the present rate."""

    n: int
    rate_per_s: float


class NotYet(Struct, frozen=True):
    """The rate is used up; permits are free again in about `wait_ms`."""

    wait_ms: int


class Closed(Struct, frozen=True):
    """The gate is closed for `wait_ms`; `reason` as stored."""

    wait_ms: int
    reason: str | None


Lease = Granted | NotYet | Closed


class Upstreams:
    """Leases and changes of rates. Acknowledged by the primary alone: the limit is soft."""

    def __init__(self, database: Database) -> None:
        self._upstreams = database.get_collection(
            UPSTREAMS.name, write_concern=WriteConcern(w=1), read_concern=ReadConcern("local")
        )

    async def lease(self, line: str, n: int, profile: LineRate) -> Lease:
        """Permits for `n` calls if the line has them now; the document is made from the profile when it is missing."""
        found: Document | None = await until_answered(
            lambda: self._upstreams.find_one_and_update(
                _may_lease(line, n), _leased(n), return_document=ReturnDocument.AFTER, projection={"rate": 1}
            )
        )
        if found is not None:
            return Granted(n, found["rate"])
        return await self._why_not(line, n, profile)

    async def lower(self, line: str) -> bool:
        """The portal said "too many": 0.7 of the rate, at most once a second; False when another did it just now."""
        found = await until_answered(lambda: self._upstreams.find_one({"_id": line}, {"rate": 1}))
        if found is None:
            return False
        lowered = max(found["rate"] * LOWERING, LEAST_RATE_PER_S)
        once = {"$lt": [{"$ifNull": ["$lowered_at", datetime.fromtimestamp(0).astimezone()]}, _ago(SECOND_MS)]}
        unlowered = {"_id": line, "rate": found["rate"], "$expr": once}
        change = [{"$set": {"rate": lowered, "lowered_at": "$$NOW", "clean_at": "$$NOW"}}]
        changed = await until_answered(lambda: self._upstreams.update_one(unlowered, change))
        return changed.modified_count == 1

    async def close(self, line: str, for_ms: int, reason: str) -> None:
        """Close the gate, or keep it closed longer."""
        until = {"$add": ["$$NOW", for_ms]}
        later = {"$max": [{"$ifNull": ["$closed_until", until]}, until]}
        change = [{"$set": {"closed_until": later, "reason": reason, "since": "$$NOW"}}]
        await until_answered(lambda: self._upstreams.update_one({"_id": line}, change))

    async def _why_not(self, line: str, n: int, profile: LineRate) -> Lease:
        looked = [{"$match": {"_id": line}}, {"$set": {"now": "$$NOW"}}]
        found: list[Document] = await until_answered(lambda: self._upstreams.aggregate(looked).to_list(1))
        if not found or "tat" not in found[0]:
            await self._create(line, profile)
            return NotYet(0)
        document = found[0]
        now: datetime = document["now"]
        closed_until: datetime | None = document.get("closed_until")
        if closed_until is not None and closed_until > now:
            return Closed(_ms(closed_until - now), document.get("reason"))
        free_in = document["tat"] - now - timedelta(seconds=(document["burst"] - n) / document["rate"])
        return NotYet(max(1, _ms(free_in)))

    async def _create(self, line: str, profile: LineRate) -> None:
        usual = {"rate": profile.rate_per_s, "rate_max": profile.rate_per_s, "burst": profile.burst}
        limits = {name: {"$ifNull": [f"${name}", value]} for name, value in usual.items()}
        fresh = [{"$set": {**limits, "tat": "$$NOW", "clean_at": "$$NOW"}}]
        try:
            missing = {"_id": line, "tat": {"$exists": False}}
            await until_answered(lambda: self._upstreams.update_one(missing, fresh, upsert=True))
        except DuplicateKeyError:
            return


def _may_lease(line: str, n: int) -> dict[str, Any]:
    tolerance_ms = {"$multiply": [{"$divide": [{"$subtract": ["$burst", n]}, "$rate"]}, SECOND_MS]}
    is_open = {"$lte": [{"$ifNull": ["$closed_until", "$$NOW"]}, "$$NOW"]}
    in_rate = {"$lte": ["$tat", {"$add": ["$$NOW", tolerance_ms]}]}
    return {"_id": line, "tat": {"$exists": True}, "$expr": {"$and": [is_open, in_rate]}}


def _leased(n: int) -> list[dict[str, Any]]:
    """Move the theoretical arrival time on; a second without "too many" raises the rate by 2 % up to its maximum."""
    cost_ms = {"$multiply": [{"$divide": [n, "$rate"]}, SECOND_MS]}
    clean = {"$and": [{"$lt": ["$rate", "$rate_max"]}, {"$lt": ["$clean_at", _ago(SECOND_MS)]}]}
    raised = {"$min": [{"$multiply": ["$rate", RECOVERY]}, "$rate_max"]}
    return [
        {"$set": {"tat": {"$add": [{"$max": ["$tat", "$$NOW"]}, cost_ms]}}},
        {
            "$set": {
                "rate": {"$cond": [clean, raised, "$rate"]},
                "clean_at": {"$cond": [clean, "$$NOW", "$clean_at"]},
            }
        },
    ]


def _ago(ms: int) -> dict[str, Any]:
    return {"$subtract": ["$$NOW", ms]}


def _ms(delta: timedelta) -> int:
    return int(delta.total_seconds() * 1000) + 1

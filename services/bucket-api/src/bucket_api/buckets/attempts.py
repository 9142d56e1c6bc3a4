"""Attempts of units, as the aggregator has noted them: evidence, never a source of state."""

from collections.abc import Sequence
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from msgspec import Struct
from sync_contracts import collections

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
    """Reads `attempts`; the caller has found the bucket in its tenant."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._attempts = database[collections.ATTEMPTS.name]

    async def of(self, bucket: str, page: int, ci: int, mi: int) -> list[Attempt]:
        """Attempts of one unit, oldest first."""
        found = await self._attempts.find({"b": bucket, "p": page}, {"u": 1}).to_list(MAX_DOCUMENTS)
        entries = [entry for document in found for entry in document["u"] if entry[0] == ci and entry[1] == mi]
        return distinct(entries)


def distinct(entries: Sequence[Sequence[Any]]) -> list[Attempt]:
    """Entries once each: a repeated page write may note the same event again."""
    known = {(entry[2], entry[3]): Attempt(*entry[2:12]) for entry in entries}
    return sorted(known.values(), key=lambda attempt: (attempt.attempt, attempt.at))
